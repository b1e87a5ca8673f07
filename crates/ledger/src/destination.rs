//! Computes how many webhooks may be sent to one destination now. A destination is an authority to which one
//! account sends webhooks. The functions are pure: the time is a parameter, and the module `sql/destinations`
//! stores the state of each destination.
//!
//! Three rules limit the webhooks to a destination:
//! * The *concurrency limit* is the largest number of webhooks that may be leased at the same time. A timeout
//!   halves the limit, and every delivered webhook raises it by one.
//! * The *circuit breaker* opens after several failures in a row. After each pause the breaker allows one
//!   webhook as a probe. If the receiver answers the probe with a status that is not a failure of the
//!   receiver, such as 204 or 404, the breaker closes and the concurrency limit is set to one.
//! * The receiver's `Retry-After` pauses the destination.
//!
//! A webhook that waits because of these rules uses up no attempt, because it is not claimed.

mod allocation;

use std::str::FromStr;

use crate::model::webhook::{Attempt, Outcome, ParseError};

pub use allocation::SendCapacity;
pub(crate) use allocation::{Candidate, Lane, allocate};

/// The limits on concurrent webhooks and on pauses of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// The largest number of leased webhooks of one account to one authority, at least 1. A webhook is leased
    /// from its claim until the result of its attempt is stored or the lease runs out.
    pub per_authority: u32,
    /// The largest number of leased webhooks to one IP address, summed over all authorities, at least 1.
    pub per_address: u32,
    /// The number of consecutive failures that opens the circuit breaker of a destination.
    pub n_failures_to_open: u32,
    /// The first pause of an open circuit breaker, in milliseconds. Each failed probe doubles the pause.
    pub first_pause_ms: i64,
    /// The longest pause of an open circuit breaker, in milliseconds.
    pub max_pause_ms: i64,
    /// The longest pause that a receiver's `Retry-After` can cause, in milliseconds.
    pub max_retry_after_ms: i64,
    /// The longest time from the due time of the first attempt until a webhook expires, in milliseconds.
    /// `None` means that this setting does not limit the time.
    pub give_up_ms: Option<i64>,
}

/// The reason why a destination is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PauseReason {
    /// The receiver sent `Retry-After`.
    RetryAfter,
    /// The circuit breaker is open.
    Breaker,
}

/// The state of one destination, from which the concurrency limit, the circuit breaker and `Retry-After`
/// decide how many webhooks may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationState {
    /// The number of webhooks of this destination that are leased.
    pub(crate) n_leased: u32,
    /// The concurrency limit: the largest number of webhooks of this destination that may be leased at the
    /// same time, at least 1.
    pub(crate) concurrency_limit: u32,
    /// The number of consecutive failures of the receiver.
    pub(crate) n_failures: u32,
    /// The number of times that the circuit breaker has opened since it was last closed. The number is 0
    /// while the circuit breaker is closed.
    pub(crate) n_openings: u32,
    pub(crate) paused_until_ms: i64,
    pub(crate) pause: Option<PauseReason>,
    /// The IP address of the last connection to the destination, without the port.
    pub(crate) address: Option<String>,
    /// Whether, at the last claim, the IP address of this destination had as many leased webhooks as the
    /// limit per address allows.
    pub(crate) address_is_full: bool,
    /// The time at which a claim last leased a webhook of this destination. The ready time of the destination
    /// is never before this time. A claim serves destinations in the order of their ready times, so a
    /// destination that was just served comes after the other destinations.
    pub(crate) last_claimed_ms: i64,
}

/// What the outcome of one attempt says about the condition of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverSignal {
    /// The receiver accepted the webhook.
    Accepted,
    /// The receiver works, but it rejected this particular webhook.
    RejectedWebhook,
    /// The connection or the TLS handshake failed, the response was invalid, or the status was 408, 429 or
    /// 5xx.
    Failed,
    /// The receiver did not answer within the deadline.
    TimedOut,
    /// The attempt was interrupted, so the state of the receiver is unknown.
    Inconclusive,
}

impl DestinationState {
    /// Creates the state of a new destination.
    pub(crate) fn new(limits: &DeliveryLimits) -> Self {
        Self {
            n_leased: 0,
            concurrency_limit: limits.per_authority.max(1),
            n_failures: 0,
            n_openings: 0,
            paused_until_ms: 0,
            pause: None,
            address: None,
            address_is_full: false,
            last_claimed_ms: 0,
        }
    }

    /// Returns how many further webhooks of this destination may be leased now. A pause of the destination is
    /// not considered.
    pub(crate) fn n_free(&self, limits: &DeliveryLimits) -> u32 {
        let is_open = self.n_openings > 0;
        let limit = if is_open { 1 } else { self.concurrency_limit.min(limits.per_authority).max(1) };
        limit.saturating_sub(self.n_leased)
    }

    /// Returns the earliest time at which a claim may take a webhook that is due at `due_ms`. Returns `None`
    /// while the destination or its IP address has no free capacity.
    pub(crate) fn ready_ms(&self, due_ms: Option<i64>, limits: &DeliveryLimits) -> Option<i64> {
        if self.address_is_full || self.n_free(limits) == 0 {
            return None;
        }
        Some(due_ms?.max(self.paused_until_ms).max(self.last_claimed_ms))
    }

    /// Records that a claim leased `n` webhooks of this destination.
    pub(crate) fn record_claim(&mut self, n: u32, now_ms: i64) {
        self.n_leased = self.n_leased.saturating_add(n);
        self.last_claimed_ms = now_ms;
        if self.paused_until_ms <= now_ms {
            self.pause = None;
        }
    }

    /// Records that the lease on one webhook ended. The reason for the end does not matter.
    pub(crate) fn end_lease(&mut self) {
        self.n_leased = self.n_leased.saturating_sub(1);
        self.address_is_full = false;
    }

    /// Updates the concurrency limit, the circuit breaker and the pause of the destination after an attempt.
    pub(crate) fn record_attempt(&mut self, attempt: &Attempt, now_ms: i64, limits: &DeliveryLimits) {
        if let Some(address) = attempt.address.as_deref().and_then(without_port) {
            self.address = Some(address);
        }
        match ReceiverSignal::of(attempt) {
            ReceiverSignal::Inconclusive => {}
            ReceiverSignal::Accepted => {
                self.close_breaker(now_ms);
                let raised = self.concurrency_limit.saturating_add(1);
                self.concurrency_limit = raised.min(limits.per_authority.max(1));
            }
            ReceiverSignal::RejectedWebhook => self.close_breaker(now_ms),
            ReceiverSignal::Failed => self.record_failure(now_ms, limits),
            ReceiverSignal::TimedOut => {
                self.concurrency_limit = (self.concurrency_limit / 2).max(1);
                self.record_failure(now_ms, limits);
            }
        }
        if let Some(retry_after_ms) = attempt.retry_after_ms {
            let pause_ms = retry_after_ms.min(limits.max_retry_after_ms);
            self.pause_for(pause_ms, PauseReason::RetryAfter, now_ms);
        }
    }

    /// Shortens stored times that lie too far in the future because the clock was set back.
    pub(crate) fn clamp_to_clock(&mut self, now_ms: i64, limits: &DeliveryLimits) {
        self.last_claimed_ms = self.last_claimed_ms.min(now_ms);
        self.paused_until_ms = self.paused_until_ms.min(now_ms.saturating_add(limits.max_any_pause_ms()));
    }

    fn close_breaker(&mut self, now_ms: i64) {
        self.n_failures = 0;
        if self.n_openings > 0 {
            self.n_openings = 0;
            self.concurrency_limit = 1;
            if self.pause == Some(PauseReason::Breaker) {
                (self.pause, self.paused_until_ms) = (None, self.paused_until_ms.min(now_ms));
            }
        }
    }

    fn record_failure(&mut self, now_ms: i64, limits: &DeliveryLimits) {
        self.n_failures = self.n_failures.saturating_add(1);
        let is_probe = self.n_openings > 0 && now_ms >= self.paused_until_ms;
        let opens = self.n_openings == 0 && self.n_failures >= limits.n_failures_to_open.max(1);
        if !is_probe && !opens {
            // The pause does not change if the circuit breaker stays closed. It also does not change if the
            // webhook was sent before the circuit breaker opened: such a webhook is not a probe, so its
            // failure does not extend the pause.
            return;
        }
        let pause_ms = doubled(limits.first_pause_ms, self.n_openings).min(limits.max_pause_ms);
        self.n_openings = self.n_openings.saturating_add(1);
        self.pause_for(pause_ms, PauseReason::Breaker, now_ms);
    }

    /// Pauses the destination, unless a pause that ends later is already set.
    fn pause_for(&mut self, pause_ms: i64, reason: PauseReason, now_ms: i64) {
        let until_ms = now_ms.saturating_add(pause_ms);
        if until_ms > self.paused_until_ms.max(now_ms) {
            (self.paused_until_ms, self.pause) = (until_ms, Some(reason));
        }
    }
}

impl ReceiverSignal {
    fn of(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Delivered => Self::Accepted,
            Outcome::Interrupted => Self::Inconclusive,
            Outcome::Timeout => Self::TimedOut,
            Outcome::Rejected => match attempt.status {
                Some(408 | 429 | 500..) => Self::Failed,
                _ => Self::RejectedWebhook,
            },
            Outcome::Refused | Outcome::Tls | Outcome::Dns | Outcome::BlockedAddress | Outcome::Protocol => {
                Self::Failed
            }
        }
    }
}

impl DeliveryLimits {
    /// Returns the longest possible pause of a destination, in milliseconds.
    pub(crate) fn max_any_pause_ms(&self) -> i64 {
        self.max_pause_ms.max(self.max_retry_after_ms).max(0)
    }

    /// Returns the time from the due time of a webhook's first attempt until the webhook expires, in
    /// milliseconds. This is the request's `expires`, but at most `give_up_ms`. `None` means that the webhook
    /// never expires.
    pub(crate) fn retry_window_ms(&self, expires_ms: Option<i64>) -> Option<i64> {
        [expires_ms, self.give_up_ms].into_iter().flatten().min()
    }
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            per_authority: 8,
            per_address: 64,
            n_failures_to_open: 5,
            first_pause_ms: 5_000,
            max_pause_ms: 300_000,
            max_retry_after_ms: 3_600_000,
            give_up_ms: None,
        }
    }
}

impl PauseReason {
    /// The word that the database stores for this pause reason.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RetryAfter => "retry_after",
            Self::Breaker => "breaker",
        }
    }
}

impl FromStr for PauseReason {
    type Err = ParseError;

    fn from_str(word: &str) -> Result<Self, ParseError> {
        [Self::RetryAfter, Self::Breaker].into_iter().find(|reason| reason.as_str() == word).ok_or(ParseError)
    }
}

/// Returns `first_ms` doubled `n` times.
fn doubled(first_ms: i64, n: u32) -> i64 {
    let factor = 1_i64.checked_shl(n.min(62)).unwrap_or(i64::MAX);
    first_ms.max(0).saturating_mul(factor)
}

fn without_port(address: &str) -> Option<String> {
    address.parse().ok().map(|address: std::net::SocketAddr| address.ip().to_string())
}

#[cfg(test)]
mod tests;
