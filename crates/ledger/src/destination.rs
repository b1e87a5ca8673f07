//! What may be sent to one destination now: an account's webhooks to one authority. Pure: the time is a parameter, and
//! where this is kept is `sql/destinations`' affair.
//!
//! Three things hold a destination back. Its *limit* says how many webhooks may be under way at once: halved by a
//! timeout, one more for every success. Its *breaker* opens after failures in a row and lets one through as a probe
//! whenever its pause is over; the first success closes it, with a limit of one. And the receiver may *ask* to be left
//! alone. Nothing of it uses up an attempt: what is not claimed was not tried.

mod share;

use std::str::FromStr;

use crate::model::webhook::{Attempt, Outcome, UnknownWord};

pub use share::Room;
pub(crate) use share::{Candidate, Lane, share};

/// How much may be asked of receivers at once, and when they are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// Webhooks of one account on their way to one authority at once, from the claim to the written result. At least 1.
    pub per_authority: u32,
    /// Webhooks on their way to one address at once, whatever the authorities are called. At least 1.
    pub per_address: u32,
    /// Failures in a row after which an authority is left alone.
    pub n_failures_to_open: u32,
    /// How long it is left alone at first; each failed probe doubles it.
    pub first_pause_ms: i64,
    /// How long it is left alone at most for its failures.
    pub longest_pause_ms: i64,
    /// How long it is left alone at most because it asks.
    pub longest_asked_ms: i64,
    /// How long is tried at most, from the time at which the first attempt is due; without end if `None`.
    pub give_up_ms: Option<i64>,
}

/// Why nothing is sent to a destination for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The receiver asked for it.
    RetryAfter,
    /// It failed too often in a row.
    Breaker,
}

/// How a destination is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Webhooks that are claimed and not yet given back.
    pub(crate) n_leased: u32,
    /// How many may be, at least 1.
    pub(crate) limit: u32,
    /// Failures in a row.
    pub(crate) n_failures: u32,
    /// How often the breaker opened since it was last closed; 0 while it is closed.
    pub(crate) n_openings: u32,
    pub(crate) paused_until_ms: i64,
    pub(crate) pause: Option<Pause>,
    /// The address dialled last, without its port.
    pub(crate) address: Option<String>,
    /// Whether the address had no room when its turn came.
    pub(crate) is_crowded: bool,
    /// When it was last given something: whoever waited longer comes first.
    pub(crate) served_ms: i64,
}

/// What an attempt says about the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It took the webhook.
    Good,
    /// It answered that it will not have this one.
    Alive,
    /// It did not work.
    Bad,
    /// It did not work, and took as long as it was given.
    Slow,
    /// Nothing can be said.
    Unknown,
}

impl Flow {
    /// A destination that nothing is known of.
    pub(crate) fn new(fairness: &Fairness) -> Self {
        Self {
            n_leased: 0,
            limit: fairness.per_authority.max(1),
            n_failures: 0,
            n_openings: 0,
            paused_until_ms: 0,
            pause: None,
            address: None,
            is_crowded: false,
            served_ms: 0,
        }
    }

    /// How many more may be claimed, were it not paused.
    pub(crate) fn n_free(&self, fairness: &Fairness) -> u32 {
        let limit = if self.n_openings > 0 { 1 } else { self.limit.min(fairness.per_authority).max(1) };
        limit.saturating_sub(self.n_leased)
    }

    /// From when on a webhook that is due at `due_ms` may be claimed; `None` while it must wait for an end of another.
    pub(crate) fn ready_ms(&self, due_ms: Option<i64>, fairness: &Fairness) -> Option<i64> {
        if self.is_crowded || self.n_free(fairness) == 0 {
            return None;
        }
        Some(due_ms?.max(self.paused_until_ms).max(self.served_ms))
    }

    /// Takes note of `n` claimed webhooks.
    pub(crate) fn claimed(&mut self, n: u32, now_ms: i64) {
        self.n_leased = self.n_leased.saturating_add(n);
        self.served_ms = now_ms;
        if self.paused_until_ms <= now_ms {
            self.pause = None;
        }
    }

    /// Takes note of a claimed webhook that came back, whatever became of it.
    pub(crate) fn returned(&mut self) {
        self.n_leased = self.n_leased.saturating_sub(1);
        self.is_crowded = false;
    }

    /// Takes note of what an attempt says about the receiver.
    pub(crate) fn attempted(&mut self, attempt: &Attempt, now_ms: i64, fairness: &Fairness) {
        if let Some(address) = attempt.address.as_deref().and_then(without_port) {
            self.address = Some(address);
        }
        match Health::of(attempt) {
            Health::Unknown => {}
            Health::Good => {
                self.recovered(now_ms);
                self.limit = self.limit.saturating_add(1).min(fairness.per_authority.max(1));
            }
            Health::Alive => self.recovered(now_ms),
            Health::Bad => self.failed(now_ms, fairness),
            Health::Slow => {
                self.limit = (self.limit / 2).max(1);
                self.failed(now_ms, fairness);
            }
        }
        if let Some(asked_ms) = attempt.retry_after_ms {
            self.pause(Pause::RetryAfter, asked_ms.min(fairness.longest_asked_ms), now_ms);
        }
    }

    /// Forgets times that lie ahead only because the clock was set back.
    pub(crate) fn clock_went_back(&mut self, now_ms: i64, fairness: &Fairness) {
        self.served_ms = self.served_ms.min(now_ms);
        self.paused_until_ms = self.paused_until_ms.min(now_ms.saturating_add(fairness.longest_ms()));
    }

    fn recovered(&mut self, now_ms: i64) {
        self.n_failures = 0;
        if self.n_openings > 0 {
            self.n_openings = 0;
            self.limit = 1;
            if self.pause == Some(Pause::Breaker) {
                (self.pause, self.paused_until_ms) = (None, self.paused_until_ms.min(now_ms));
            }
        }
    }

    fn failed(&mut self, now_ms: i64, fairness: &Fairness) {
        self.n_failures = self.n_failures.saturating_add(1);
        let is_probe = self.n_openings > 0 && now_ms >= self.paused_until_ms;
        let opens = self.n_openings == 0 && self.n_failures >= fairness.n_failures_to_open.max(1);
        if !is_probe && !opens {
            // What was under way when the breaker opened says nothing new.
            return;
        }
        let pause_ms = doubled(fairness.first_pause_ms, self.n_openings).min(fairness.longest_pause_ms);
        self.n_openings = self.n_openings.saturating_add(1);
        self.pause(Pause::Breaker, pause_ms, now_ms);
    }

    /// Of two pauses the longer one holds.
    fn pause(&mut self, why: Pause, for_ms: i64, now_ms: i64) {
        let until_ms = now_ms.saturating_add(for_ms);
        if until_ms > self.paused_until_ms.max(now_ms) {
            (self.paused_until_ms, self.pause) = (until_ms, Some(why));
        }
    }
}

impl Health {
    fn of(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Delivered => Self::Good,
            Outcome::Interrupted => Self::Unknown,
            Outcome::Timeout => Self::Slow,
            Outcome::Rejected => match attempt.status {
                Some(408 | 429 | 500..) => Self::Bad,
                _ => Self::Alive,
            },
            Outcome::Refused | Outcome::Tls | Outcome::Dns | Outcome::BlockedAddress | Outcome::Protocol => {
                Self::Bad
            }
        }
    }
}

impl Fairness {
    /// No pause is longer.
    pub(crate) fn longest_ms(&self) -> i64 {
        self.longest_pause_ms.max(self.longest_asked_ms).max(0)
    }

    /// How long is tried when a request wants that long: never longer than anything is.
    pub(crate) fn longest_trying(&self, wanted_ms: Option<i64>) -> Option<i64> {
        [wanted_ms, self.give_up_ms].into_iter().flatten().min()
    }
}

impl Default for Fairness {
    fn default() -> Self {
        Self {
            per_authority: 8,
            per_address: 64,
            n_failures_to_open: 5,
            first_pause_ms: 5_000,
            longest_pause_ms: 300_000,
            longest_asked_ms: 3_600_000,
            give_up_ms: None,
        }
    }
}

impl Pause {
    /// The word of the wire and of the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RetryAfter => "retry_after",
            Self::Breaker => "breaker",
        }
    }
}

impl FromStr for Pause {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::RetryAfter, Self::Breaker].into_iter().find(|pause| pause.as_str() == word).ok_or(UnknownWord)
    }
}

/// `first_ms`, doubled `n` times.
fn doubled(first_ms: i64, n: u32) -> i64 {
    let factor = 1_i64.checked_shl(n.min(62)).unwrap_or(i64::MAX);
    first_ms.max(0).saturating_mul(factor)
}

fn without_port(address: &str) -> Option<String> {
    address.parse().ok().map(|address: std::net::SocketAddr| address.ip().to_string())
}

#[cfg(test)]
mod tests;
