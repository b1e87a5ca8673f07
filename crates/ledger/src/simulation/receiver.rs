//! A receiver that is in one mood for a while, and then in another.

use super::dice::Dice;
use crate::model::webhook::{Attempt, Outcome, Timings};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Healthy,
    Refusing,
    Hanging,
    Failing,
    Busy { retry_after_ms: i64 },
    Choosy,
    Gone,
}

pub(super) struct Receiver {
    pub(super) authority: String,
    address: String,
    mood: Mood,
    until_ms: i64,
}

impl Receiver {
    /// Some of them share an address.
    pub(super) fn new(n: usize) -> Self {
        Self {
            authority: format!("receiver-{n}.example:443"),
            address: format!("203.0.113.{}:443", n / 3),
            mood: Mood::Healthy,
            until_ms: 0,
        }
    }

    /// What an attempt that begins now will be like, by the time that passes evenly.
    pub(super) fn answer(&mut self, dice: &mut Dice, now_ms: i64) -> Attempt {
        while self.until_ms <= now_ms {
            self.until_ms = self.until_ms.max(now_ms) + dice.spread(60_000, 3 * DAY_MS);
            self.mood = match dice.index(10) {
                0..=3 => Mood::Healthy,
                4 => Mood::Refusing,
                5 => Mood::Hanging,
                6 => Mood::Failing,
                7 => Mood::Busy { retry_after_ms: dice.spread(1, 30 * DAY_MS) },
                8 => Mood::Choosy,
                _ if dice.one_in(8) => Mood::Gone,
                _ => Mood::Healthy,
            };
        }
        let (outcome, status, duration_ms) = match self.mood {
            Mood::Healthy => (Outcome::Delivered, Some(204), dice.spread(1, 5_000)),
            Mood::Refusing => (Outcome::Refused, None, 1),
            Mood::Hanging => (Outcome::Timeout, None, 10_000),
            Mood::Failing => (Outcome::Rejected, Some(500), dice.spread(1, 5_000)),
            Mood::Busy { .. } => (Outcome::Rejected, Some(429), 5),
            Mood::Choosy if dice.one_in(2) => (Outcome::Rejected, Some(404), 5),
            Mood::Choosy => (Outcome::Delivered, Some(200), 5),
            Mood::Gone => (Outcome::Rejected, Some(410), 5),
        };
        let asked_ms = match self.mood {
            Mood::Busy { retry_after_ms } => Some(retry_after_ms),
            _ => None,
        };
        Attempt {
            started_ms: now_ms,
            duration_ms: u32::try_from(duration_ms).expect("at most seconds"),
            outcome,
            status,
            address: Some(self.address.clone()),
            timings: Timings::default(),
            response: None,
            retry_after_ms: asked_ms,
        }
    }
}
