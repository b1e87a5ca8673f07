//! What the outcome of one attempt shows about its receiver.

use crate::model::webhook::{Attempt, Outcome};

/// The condition of the receiver, as the outcome of one attempt shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverSignal {
    /// The receiver accepted the webhook.
    Accepted,
    /// The receiver works, but rejected this webhook, for example with 404.
    RejectedWebhook,
    /// The receiver works, but failed to handle this webhook: a 5xx status that is not about the host.
    FailedWebhook,
    /// The receiver works, but gets too many webhooks: 408 or 429.
    Overloaded,
    /// The receiver cannot serve the URL path of the webhook now: a gateway answered 502, 503 or 504, or the
    /// open connection broke or delivered an invalid response.
    PathDown,
    /// The receiver did not answer within the deadline.
    TimedOut,
    /// No connection is possible, so no webhook to this host can arrive.
    HostDown,
    /// The attempt was interrupted, so the state of the receiver is unknown.
    Inconclusive,
}

impl ReceiverSignal {
    pub(crate) fn of(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Delivered => Self::Accepted,
            Outcome::Interrupted => Self::Inconclusive,
            Outcome::Timeout => Self::TimedOut,
            Outcome::Rejected => match attempt.status {
                Some(408 | 429) => Self::Overloaded,
                Some(502..=504) => Self::PathDown,
                Some(500..) => Self::FailedWebhook,
                _ => Self::RejectedWebhook,
            },
            Outcome::Protocol => Self::PathDown,
            Outcome::Refused | Outcome::Tls | Outcome::Dns | Outcome::BlockedAddress => Self::HostDown,
        }
    }
}
