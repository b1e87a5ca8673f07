//! The states of a webhook, and the allowed transitions between these states.
//!
//! A type such as [`Scheduled`] stands for one state, and the methods of the type are the transitions out of
//! this state. The SQL statement that writes a transition fails when the row does not have the status from
//! which the transition starts.

use crate::model::webhook::{Disposition, FailureReason, WebhookStatus};

/// The new state after a transition, with the data that the database stores for this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WebhookState {
    Scheduled { since_ms: i64 },
    Dispatched { since_ms: i64 },
    Delivered { at_ms: i64 },
    Failed { at_ms: i64, reason: FailureReason },
}

/// A transition: one change of a webhook's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: WebhookStatus,
    pub(crate) to: WebhookState,
}

/// The state of a webhook whose request is still being processed.
#[derive(Debug)]
pub(crate) struct Created;

/// The state of a webhook that waits for its next attempt.
#[derive(Debug)]
pub(crate) struct Scheduled;

/// The state of a webhook that is being sent.
#[derive(Debug)]
pub(crate) struct Dispatched;

impl Created {
    /// Returns the transition to `scheduled`, after the request was processed.
    pub(crate) fn processed(self, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Created, to: WebhookState::Scheduled { since_ms: now_ms } }
    }

    /// Returns the transition to `failed` for a webhook whose request is not processed yet.
    pub(crate) fn failed(self, reason: FailureReason, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Created, to: WebhookState::Failed { at_ms: now_ms, reason } }
    }
}

impl Scheduled {
    /// Returns the transition to `dispatched`, after a claim has taken a lease on the webhook.
    pub(crate) fn dispatched(self, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Scheduled, to: WebhookState::Dispatched { since_ms: now_ms } }
    }

    /// Returns the transition to `failed` for a webhook that waits for its next attempt.
    pub(crate) fn failed(self, reason: FailureReason, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Scheduled, to: WebhookState::Failed { at_ms: now_ms, reason } }
    }
}

impl Dispatched {
    /// Returns the transition after an attempt has ended. The new status depends on the disposition of the
    /// attempt.
    pub(crate) fn attempted(self, disposition: Disposition, now_ms: i64) -> Transition {
        match disposition {
            Disposition::Delivered => self.to(WebhookState::Delivered { at_ms: now_ms }),
            Disposition::Retry { .. } => self.to(WebhookState::Scheduled { since_ms: now_ms }),
            Disposition::Failed { reason } => self.to(WebhookState::Failed { at_ms: now_ms, reason }),
        }
    }

    /// Returns the transition back to `scheduled` for a webhook that was not sent or whose lease ran out.
    pub(crate) fn returned(self, now_ms: i64) -> Transition {
        self.to(WebhookState::Scheduled { since_ms: now_ms })
    }

    fn to(self, to: WebhookState) -> Transition {
        Transition { from: WebhookStatus::Dispatched, to }
    }
}

impl WebhookState {
    pub(crate) fn status(&self) -> WebhookStatus {
        match self {
            Self::Scheduled { .. } => WebhookStatus::Scheduled,
            Self::Dispatched { .. } => WebhookStatus::Dispatched,
            Self::Delivered { .. } => WebhookStatus::Delivered,
            Self::Failed { .. } => WebhookStatus::Failed,
        }
    }
}
