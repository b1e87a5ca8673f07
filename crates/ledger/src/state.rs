//! The life of a webhook: its states with what each of them carries, and the only ways from one to another.
//!
//! A transition is made from a value that stands for the state the webhook must be in, and consumes it. The
//! database is told both ends and refuses the change when the row is elsewhere.

use crate::model::webhook::{Next, WebhookStatus};

/// Where a webhook gets to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Scheduled { since_ms: i64 },
    Dispatched { since_ms: i64 },
    Delivered { at_ms: i64 },
    Failed { at_ms: i64, reason: String },
}

/// One step of a webhook's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: WebhookStatus,
    pub(crate) to: State,
}

/// The request is being processed.
#[derive(Debug)]
pub(crate) struct Created;

/// An attempt is due, now or later.
#[derive(Debug)]
pub(crate) struct Scheduled;

/// An attempt is under way.
#[derive(Debug)]
pub(crate) struct Dispatched;

impl Created {
    /// Processing ended.
    pub(crate) fn processed(self, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Created, to: State::Scheduled { since_ms: now_ms } }
    }

    /// It is not wanted any more.
    pub(crate) fn ended(self, reason: &str, now_ms: i64) -> Transition {
        let to = State::Failed { at_ms: now_ms, reason: reason.to_owned() };
        Transition { from: WebhookStatus::Created, to }
    }
}

impl Scheduled {
    /// Somebody took it to send it.
    pub(crate) fn dispatched(self, now_ms: i64) -> Transition {
        Transition { from: WebhookStatus::Scheduled, to: State::Dispatched { since_ms: now_ms } }
    }

    /// Nothing more is sent of it.
    pub(crate) fn ended(self, reason: &str, now_ms: i64) -> Transition {
        let to = State::Failed { at_ms: now_ms, reason: reason.to_owned() };
        Transition { from: WebhookStatus::Scheduled, to }
    }
}

impl Dispatched {
    /// The attempt ended.
    pub(crate) fn attempted(self, next: Next, now_ms: i64) -> Transition {
        match next {
            Next::Delivered => self.to(State::Delivered { at_ms: now_ms }),
            Next::Retry { .. } => self.to(State::Scheduled { since_ms: now_ms }),
            Next::Failed { reason } => self.to(State::Failed { at_ms: now_ms, reason }),
        }
    }

    /// It was given back without having been sent, or its holder is gone.
    pub(crate) fn returned(self, now_ms: i64) -> Transition {
        self.to(State::Scheduled { since_ms: now_ms })
    }

    fn to(self, to: State) -> Transition {
        Transition { from: WebhookStatus::Dispatched, to }
    }
}

impl State {
    pub(crate) fn status(&self) -> WebhookStatus {
        match self {
            Self::Scheduled { .. } => WebhookStatus::Scheduled,
            Self::Dispatched { .. } => WebhookStatus::Dispatched,
            Self::Delivered { .. } => WebhookStatus::Delivered,
            Self::Failed { .. } => WebhookStatus::Failed,
        }
    }
}
