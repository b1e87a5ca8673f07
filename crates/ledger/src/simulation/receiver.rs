//! A simulated receiver of webhooks. The receiver stays in one condition for a random time between one minute
//! and three days, and then changes to a random condition.

use super::rng::Rng;
use crate::model::authority::Authority;
use crate::model::webhook::{Attempt, Outcome, Timings};

/// The number of different URL paths to which webhooks are sent.
pub(super) const N_PATHS: usize = 3;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Healthy,
    /// The receiver refuses every connection.
    Refusing,
    /// Never answers.
    Hanging,
    /// Answers 500.
    Failing,
    /// The receiver answers 503 on the URL path with the number 0, and accepts the webhooks to all other URL
    /// paths.
    BrokenPath,
    /// The receiver answers 429 with a `Retry-After` header.
    Busy {
        retry_after_ms: i64,
    },
    /// The receiver answers each webhook at random with 404 or 200.
    Selective,
    /// Answers 410.
    Gone,
}

pub(super) struct Receiver {
    pub(super) authority: Authority,
    address: String,
    condition: Condition,
    until_ms: i64,
}

impl Receiver {
    /// Creates receiver number `n`. Receivers 0 to 2 share one IP address, receivers 3 to 5 share the next
    /// address, and so on.
    pub(super) fn new(n: usize) -> Self {
        Self {
            authority: Authority::new(&format!("receiver-{n}.example"), 443),
            address: format!("203.0.113.{}:443", n / 3),
            condition: Condition::Healthy,
            until_ms: 0,
        }
    }

    /// Returns the result of an attempt that starts at `time_ms`, on the time scale of `World::time_ms`.
    pub(super) fn answer(&mut self, rng: &mut Rng, time_ms: i64, path: usize) -> Attempt {
        while self.until_ms <= time_ms {
            self.until_ms = self.until_ms.max(time_ms) + rng.log_range(60_000, 3 * DAY_MS);
            self.condition = match rng.index(11) {
                0..=3 => Condition::Healthy,
                4 => Condition::Refusing,
                5 => Condition::Hanging,
                6 => Condition::Failing,
                7 => Condition::Busy { retry_after_ms: rng.log_range(1, 30 * DAY_MS) },
                8 => Condition::Selective,
                9 => Condition::BrokenPath,
                _ if rng.one_in(8) => Condition::Gone,
                _ => Condition::Healthy,
            };
        }
        let (outcome, status, duration_ms) = match self.condition {
            Condition::Healthy => (Outcome::Delivered, Some(204), rng.log_range(1, 5_000)),
            Condition::Refusing => (Outcome::Refused, None, 1),
            Condition::Hanging => (Outcome::Timeout, None, 10_000),
            Condition::Failing => (Outcome::Rejected, Some(500), rng.log_range(1, 5_000)),
            Condition::BrokenPath if path == 0 => (Outcome::Rejected, Some(503), 5),
            Condition::BrokenPath => (Outcome::Delivered, Some(204), 5),
            Condition::Busy { .. } => (Outcome::Rejected, Some(429), 5),
            Condition::Selective if rng.one_in(2) => (Outcome::Rejected, Some(404), 5),
            Condition::Selective => (Outcome::Delivered, Some(200), 5),
            Condition::Gone => (Outcome::Rejected, Some(410), 5),
        };
        let retry_after_ms = match self.condition {
            Condition::Busy { retry_after_ms } => Some(retry_after_ms),
            _ => None,
        };
        let duration_ms = u32::try_from(duration_ms).expect("an attempt lasts seconds");
        let first_byte_ms = status.map(|_| duration_ms);
        Attempt {
            started_ms: time_ms,
            duration_ms,
            outcome,
            status,
            address: Some(self.address.clone()),
            timings: Timings { first_byte_ms, ..Timings::default() },
            response: None,
            retry_after_ms,
        }
    }
}
