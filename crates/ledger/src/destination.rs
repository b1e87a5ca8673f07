//! Computes how many webhooks may be sent to one destination now. A destination is an authority to which one
//! account sends webhooks. The functions are pure: the time is a parameter, and the module `sql/destinations`
//! stores the state of each destination.
//!
//! Three rules limit the webhooks to a destination:
//! * The *concurrency limit* is the largest number of webhooks that may be leased at the same time. The limit
//!   adapts to the receiver: see `concurrency`.
//! * The *circuit breaker* opens after several failures in a row that concern the whole host: see `breaker`.
//!   After each pause the breaker allows one webhook as a probe. If the receiver answers the probe, even with
//!   404 or 500, the breaker closes and the concurrency limit is set to one.
//! * The receiver's `Retry-After` pauses the destination.
//!
//! A webhook that waits because of these rules uses up no attempt, because it is not claimed.

mod allocation;
mod breaker;
mod concurrency;
mod limits;
mod signal;

use std::str::FromStr;

use crate::model::webhook::{Attempt, ParseError};

pub use allocation::SendCapacity;
pub(crate) use allocation::{Candidate, Lane, Load, allocate};
pub(crate) use breaker::{Breaker, path_hash};
pub(crate) use concurrency::{Concurrency, Measurement};
pub use limits::DeliveryLimits;
pub(crate) use signal::ReceiverSignal;

use breaker::Failure;

/// The reason why a destination is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PauseReason {
    /// The receiver sent `Retry-After`.
    RetryAfter,
    /// The circuit breaker is open.
    Breaker,
}

/// A change of a circuit breaker by one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerEvent {
    /// The breaker opened.
    Opened {
        /// The length of the first pause, in milliseconds.
        pause_ms: i64,
    },
    /// The breaker closed.
    Closed {
        /// The time from the first of the consecutive failures until the breaker closed, in milliseconds.
        down_ms: i64,
    },
}

/// A change of a circuit breaker, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerChange {
    /// Whether the breaker opened or closed, with details.
    pub event: BreakerEvent,
    /// The number of webhooks that wait for the destination, at most 1,000.
    pub n_waiting: u64,
}

/// The state of one destination, from which the concurrency limit, the circuit breaker and `Retry-After`
/// decide how many webhooks may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationState {
    /// The number of webhooks of this destination that are leased.
    pub(crate) n_leased: u32,
    pub(crate) concurrency: Concurrency,
    pub(crate) breaker: Breaker,
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

impl DestinationState {
    /// Creates the state of a new destination.
    pub(crate) fn new(limits: &DeliveryLimits) -> Self {
        Self {
            n_leased: 0,
            concurrency: Concurrency::new(limits),
            breaker: Breaker::default(),
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
        let limit = if self.breaker.is_open() { 1 } else { self.concurrency.current(limits) };
        limit.saturating_sub(self.n_leased)
    }

    /// Returns the destination's limit on the leased webhooks at its IP address, summed over all authorities.
    /// While the address has so many leased webhooks, a claim takes no further webhook of the destination.
    pub(crate) fn address_limit(&self, limits: &DeliveryLimits) -> u32 {
        let own = self.concurrency.current(limits);
        let has_grown = own > limits.start_limit();
        limits.per_address.max(if has_grown { own } else { 1 })
    }

    /// Returns the earliest time at which a claim may take a webhook that is due at `due_ms`. Returns `None`
    /// while the destination or its IP address has no free capacity.
    pub(crate) fn ready_ms(&self, due_ms: Option<i64>, limits: &DeliveryLimits) -> Option<i64> {
        self.urgent_ready_ms(due_ms, limits).map(|ready_ms| ready_ms.max(self.paused_until_ms))
    }

    /// Returns the earliest time at which a claim may take a webhook that is due at `due_ms` and does not
    /// wait for the end of a pause. Returns `None` while the destination or its IP address has no free
    /// capacity.
    pub(crate) fn urgent_ready_ms(&self, due_ms: Option<i64>, limits: &DeliveryLimits) -> Option<i64> {
        if self.address_is_full || self.n_free(limits) == 0 {
            return None;
        }
        Some(due_ms?.max(self.last_claimed_ms))
    }

    /// Returns the hash of the URL path whose failures have opened the circuit breaker, if webhooks to other
    /// URL paths may be sent during the pause. A pause that the receiver's `Retry-After` caused holds for all
    /// URL paths.
    pub(crate) fn only_failed_path(&self, now_ms: i64) -> Option<i64> {
        let is_asked_to_wait = self.pause == Some(PauseReason::RetryAfter) && self.paused_until_ms > now_ms;
        self.breaker.failed_path.filter(|_| self.breaker.is_open() && !is_asked_to_wait)
    }

    /// Records that a claim leased `n` webhooks of this destination.
    pub(crate) fn record_claim(&mut self, n: u32, now_ms: i64, limits: &DeliveryLimits) {
        let n_before = self.n_leased;
        self.n_leased = n_before.saturating_add(n);
        let idle_ms = now_ms.saturating_sub(self.last_claimed_ms);
        self.concurrency.record_claim((n_before, self.n_leased), idle_ms, now_ms, limits);
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

    /// Updates the concurrency limit, the circuit breaker and the pause after an attempt at a webhook whose
    /// URL path has the hash `path`. If the circuit breaker opened or closed, returns this change.
    pub(crate) fn record_attempt(
        &mut self,
        attempt: &Attempt,
        path: i64,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) -> Option<BreakerEvent> {
        if let Some(address) = attempt.address.as_deref().and_then(without_port) {
            self.address = Some(address);
        }
        let event = self.apply_signal(attempt, path, now_ms, limits);
        if let Some(retry_after_ms) = attempt.retry_after_ms {
            let pause_ms = retry_after_ms.min(limits.max_retry_after_ms);
            self.pause_for(pause_ms, PauseReason::RetryAfter, now_ms);
        }
        event
    }

    /// Shortens stored times that lie too far in the future because the clock was set back.
    pub(crate) fn clamp_to_clock(&mut self, now_ms: i64, limits: &DeliveryLimits) {
        self.last_claimed_ms = self.last_claimed_ms.min(now_ms);
        self.paused_until_ms = self.paused_until_ms.min(now_ms.saturating_add(limits.max_any_pause_ms()));
        self.concurrency.clamp_to_clock(now_ms);
    }

    fn apply_signal(
        &mut self,
        attempt: &Attempt,
        path: i64,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) -> Option<BreakerEvent> {
        let started_ms = attempt.started_ms;
        match ReceiverSignal::of(attempt) {
            ReceiverSignal::Inconclusive => None,
            ReceiverSignal::Accepted => {
                let event = self.close_breaker(now_ms);
                let latency_ms = attempt.timings.first_byte_ms;
                self.concurrency.record_accepted(latency_ms, started_ms, now_ms, limits);
                event
            }
            ReceiverSignal::RejectedWebhook => self.close_breaker(now_ms),
            ReceiverSignal::FailedWebhook => {
                let event = self.close_breaker(now_ms);
                self.concurrency.record_failed_webhook(started_ms, now_ms);
                event
            }
            ReceiverSignal::Overloaded => {
                let event = self.close_breaker(now_ms);
                self.concurrency.record_overload(started_ms, now_ms);
                event
            }
            ReceiverSignal::PathDown => {
                self.concurrency.record_overload(started_ms, now_ms);
                self.record_failure(started_ms, Some(path), now_ms, limits)
            }
            ReceiverSignal::TimedOut => {
                self.concurrency.record_timeout(started_ms, now_ms);
                self.record_failure(started_ms, Some(path), now_ms, limits)
            }
            ReceiverSignal::HostDown => self.record_failure(started_ms, None, now_ms, limits),
        }
    }

    fn close_breaker(&mut self, now_ms: i64) -> Option<BreakerEvent> {
        let down_ms = now_ms.saturating_sub(self.breaker.down_since_ms).max(0);
        if !self.breaker.close() {
            return None;
        }
        self.concurrency.start_slowly(now_ms);
        if self.pause == Some(PauseReason::Breaker) {
            (self.pause, self.paused_until_ms) = (None, self.paused_until_ms.min(now_ms));
        }
        Some(BreakerEvent::Closed { down_ms })
    }

    fn record_failure(
        &mut self,
        started_ms: i64,
        path: Option<i64>,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) -> Option<BreakerEvent> {
        let was_open = self.breaker.is_open();
        let is_probe = now_ms >= self.paused_until_ms;
        let failure = Failure { started_ms, address: self.address.as_deref(), path, is_probe };
        let pause_ms = self.breaker.record_failure(failure, now_ms, limits)?;
        self.pause_for(pause_ms, PauseReason::Breaker, now_ms);
        (!was_open).then_some(BreakerEvent::Opened { pause_ms })
    }

    /// Pauses the destination, unless a pause that ends later is already set.
    fn pause_for(&mut self, pause_ms: i64, reason: PauseReason, now_ms: i64) {
        let until_ms = now_ms.saturating_add(pause_ms);
        if until_ms > self.paused_until_ms.max(now_ms) {
            (self.paused_until_ms, self.pause) = (until_ms, Some(reason));
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

fn without_port(address: &str) -> Option<String> {
    address.parse().ok().map(|address: std::net::SocketAddr| address.ip().to_string())
}

#[cfg(test)]
mod tests;
