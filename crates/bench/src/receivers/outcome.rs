//! What the documentation says becomes of a webhook, what its history shows, and how the two differ.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// For one whole exchange; the server under test is set to it.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// A deadline that is noticed later on a busy machine is still kept.
const LATENESS: Duration = Duration::from_secs(1);

/// The pauses before the second and the third attempt. What waits for longer than the first of them is looked at.
pub(super) const PAUSES_S: [i64; 2] = [1, 200];

/// What a receiver asks for that asks for more than it gets anyway.
pub(super) const ASKED_S: i64 = 30;

/// How far a next attempt may be from where it is expected.
const TOLERANCE_S: i64 = 3;

/// What is to become of a webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// Of every attempt.
    outcome: &'static str,
    /// The same.
    status: Option<u16>,
    n_attempts: usize,
    next: Next<&'static str>,
    /// Whether an attempt ends by its deadline, and not before.
    is_slow: bool,
    /// That the receiver gets; nothing is followed and nothing is sent twice.
    pub(super) n_connections: usize,
    /// How what the history shows of the answer begins.
    shown: &'static str,
}

/// Where a webhook has come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next<T> {
    Delivered,
    Failed { reason: T },
    Waits { waits_for: T, for_s: i64 },
}

impl Expected {
    pub(super) const fn delivered(status: u16) -> Self {
        Self {
            outcome: "delivered",
            status: Some(status),
            n_attempts: 1,
            next: Next::Delivered,
            is_slow: false,
            n_connections: 1,
            shown: "",
        }
    }

    /// Tried again after the first pause, and waiting for the end of the second.
    pub(super) const fn no_answer(outcome: &'static str) -> Self {
        Self {
            outcome,
            status: None,
            n_attempts: 2,
            next: Next::Waits { waits_for: "retry", for_s: PAUSES_S[1] },
            n_connections: 2,
            ..Self::delivered(0)
        }
    }

    /// The same after an answer.
    pub(super) const fn rejected(status: u16) -> Self {
        Self { status: Some(status), ..Self::no_answer("rejected") }
    }

    pub(super) const fn at_deadline(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// The first attempt was the last.
    pub(super) const fn fails(self, reason: &'static str) -> Self {
        Self { n_attempts: 1, n_connections: 1, next: Next::Failed { reason }, ..self }
    }

    /// The receiver asks for a pause after the first attempt.
    pub(super) const fn pauses(self, for_s: i64) -> Self {
        let next = Next::Waits { waits_for: "retry_after", for_s };
        Self { n_attempts: 1, n_connections: 1, next, ..self }
    }

    /// Held back before the first attempt.
    pub(super) const fn not_tried(self) -> Self {
        Self { n_attempts: 0, ..self }
    }

    pub(super) const fn connections(self, n_connections: usize) -> Self {
        Self { n_connections, ..self }
    }

    pub(super) const fn shows(self, shown: &'static str) -> Self {
        Self { shown, ..self }
    }

    /// What is otherwise; nothing, as it should be.
    pub(super) fn differences(&self, got: &Got, n_connections: usize) -> Vec<&'static str> {
        let all =
            |check: fn(&Self, &Attempt) -> bool| got.attempts.iter().all(|attempt| check(self, attempt));
        let checks = [
            (
                "outcome",
                all(|expected, got| (expected.outcome, expected.status) == (&got.outcome, got.status)),
            ),
            ("attempts", got.attempts.len() == self.n_attempts),
            ("next", self.next_is(&got.next)),
            ("time", all(|expected, got| expected.takes(got.duration))),
            ("shown", all(|expected, got| got.shown.starts_with(expected.shown))),
            ("connections", n_connections == self.n_connections),
        ];
        checks.into_iter().filter(|(_, is_as_expected)| !is_as_expected).map(|(name, _)| name).collect()
    }

    fn next_is(&self, got: &Next<String>) -> bool {
        match (self.next, got) {
            (Next::Delivered, Next::Delivered) => true,
            (Next::Failed { reason }, Next::Failed { reason: got }) => reason == got,
            (Next::Waits { waits_for, for_s }, Next::Waits { waits_for: got, for_s: got_s }) => {
                waits_for == got && (for_s - got_s).abs() <= TOLERANCE_S
            }
            _ => false,
        }
    }

    fn takes(&self, duration: Duration) -> bool {
        if self.is_slow { (DEADLINE..DEADLINE + LATENESS).contains(&duration) } else { duration < DEADLINE }
    }
}

/// What the history shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Got {
    attempts: Vec<Attempt>,
    next: Next<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Attempt {
    outcome: String,
    status: Option<u16>,
    duration: Duration,
    shown: String,
}

impl Got {
    /// Reads the `webhook` of the API; `None` while it is still moving.
    pub(super) fn read(webhook: &Value) -> anyhow::Result<Option<Self>> {
        let attempts = webhook["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let next = match text(webhook, "status")? {
            "delivered" => Next::Delivered,
            "failed" => Next::Failed { reason: text(webhook, "reason")?.to_owned() },
            "scheduled" => {
                let since = match attempts.last() {
                    Some(last) => time_of(last, "started")? + duration_of(last)?,
                    None => time_of(webhook, "scheduled")?,
                };
                let for_s = (time_of(webhook, "next_attempt")? - since).whole_seconds();
                if for_s <= PAUSES_S[0] + TOLERANCE_S {
                    return Ok(None);
                }
                Next::Waits { waits_for: text(webhook, "waits_for")?.to_owned(), for_s }
            }
            _ => return Ok(None),
        };
        let attempts = attempts.iter().map(Attempt::read).collect::<Result<_, _>>()?;
        Ok(Some(Self { attempts, next }))
    }
}

impl Attempt {
    fn read(attempt: &Value) -> anyhow::Result<Self> {
        let status = attempt["status"].as_u64().map(u16::try_from).transpose()?;
        Ok(Self {
            outcome: text(attempt, "outcome")?.to_owned(),
            status,
            duration: duration_of(attempt)?,
            shown: attempt["response"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

fn text<'a>(of: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    of[name].as_str().with_context(|| format!("the history has no {name}: {of}"))
}

fn time_of(of: &Value, name: &str) -> anyhow::Result<OffsetDateTime> {
    Ok(OffsetDateTime::parse(text(of, name)?, &Rfc3339)?)
}

fn duration_of(attempt: &Value) -> anyhow::Result<Duration> {
    let ms = attempt["duration_ms"].as_u64();
    Ok(Duration::from_millis(ms.with_context(|| format!("an attempt without duration: {attempt}"))?))
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_attempts > 0 {
            write!(f, "{}× {}", self.n_attempts, Answer(self.outcome, self.status))?;
            f.write_str(if self.is_slow { " at the deadline, " } else { ", " })?;
        }
        self.next.fmt(f)
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in &self.attempts {
            let Attempt { outcome, status, duration, .. } = attempt;
            write!(f, "{} after {} ms, ", Answer(outcome, *status), duration.as_millis())?;
        }
        self.next.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Next<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("done"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Waits { waits_for, for_s } => write!(f, "{waits_for} in {for_s} s"),
        }
    }
}

/// An outcome with its status.
struct Answer<'a>(&'a str, Option<u16>);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(outcome, Some(status)) => write!(f, "{outcome} {status}"),
            Self(outcome, None) => f.write_str(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scheduled(outcome: &str, status: u16, duration_ms: u32, next: &str) -> Value {
        json!({"status": "scheduled", "waits_for": "retry", "next_attempt": next,
               "scheduled": "2026-01-10T12:00:00.000Z",
               "attempts": [{"started": "2026-01-10T12:00:00.000Z", "duration_ms": duration_ms,
                             "outcome": outcome, "status": status, "response": "no"}]})
    }

    fn got(outcome: &str, status: u16, duration_ms: u32, next: &str) -> Got {
        Got::read(&scheduled(outcome, status, duration_ms, next)).unwrap().expect("it waits for long")
    }

    #[test]
    fn a_webhook_that_is_soon_tried_again_has_not_come_to_rest() {
        let soon = scheduled("rejected", 500, 10, "2026-01-10T12:00:01.010Z");
        assert_eq!(Got::read(&soon).unwrap(), None);
        assert_eq!(Got::read(&json!({"status": "dispatched"})).unwrap(), None);
        assert!(Got::read(&json!({"status": "failed"})).is_err());
    }

    #[test]
    fn every_difference_is_seen() {
        const LATER: &str = "2026-01-10T12:03:20.100Z";
        let expected = Expected { n_attempts: 1, ..Expected::rejected(500) }.connections(1).shows("n");
        let differences = |got: &Got| expected.differences(got, 1);
        assert!(differences(&got("rejected", 500, 10, LATER)).is_empty());
        assert_eq!(differences(&got("rejected", 501, 10, LATER)), ["outcome"]);
        assert_eq!(differences(&got("protocol", 500, 10, LATER)), ["outcome"]);
        assert_eq!(differences(&got("rejected", 500, 10, "2026-01-10T12:03:30.100Z")), ["next"]);
        assert_eq!(differences(&got("rejected", 500, 2_000, LATER)), ["time"]);
        let as_said = got("rejected", 500, 10, LATER);
        assert_eq!(expected.connections(2).differences(&as_said, 1), ["connections"]);
        assert_eq!(expected.shows("yes").differences(&as_said, 1), ["shown"]);
        assert_eq!(expected.at_deadline().differences(&as_said, 1), ["time"]);
        assert_eq!(Expected { n_attempts: 2, ..expected }.differences(&as_said, 1), ["attempts"]);
        assert_eq!(expected.pauses(200).differences(&as_said, 1), ["next"]);
        assert_eq!(expected.fails("gone").differences(&as_said, 1), ["next"]);
    }

    #[test]
    fn a_deadline_is_kept_from_both_sides() {
        let late = Expected::no_answer("timeout").at_deadline();
        for (ms, expected) in [(1_999, false), (2_000, true), (2_999, true), (3_000, false)] {
            assert_eq!(late.takes(Duration::from_millis(ms)), expected, "{ms} ms");
        }
    }
}
