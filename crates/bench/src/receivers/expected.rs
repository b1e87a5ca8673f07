//! The documented outcome of a webhook, and its comparison with the observed outcome.

use std::fmt;
use std::time::Duration;

use super::observed::{Attempt, Observed, OutcomeWithStatus, SettledState};

/// The deadline of an attempt, as the tool sets it in the tested server.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// How much later than its deadline an attempt may end. An attempt may end late because the machine is busy.
const MAX_LATENESS: Duration = Duration::from_secs(1);

/// The pauses in seconds before the second and the third attempt, as the tool sets them in the tested server.
/// A waiting webhook counts as settled if its pause is longer than the first of these pauses.
pub(super) const RETRY_SCHEDULE_S: [i64; 2] = [1, 200];

/// The number of seconds in the header `Retry-After` that receivers send. It is longer than the first pause
/// of the retry schedule.
pub(super) const RETRY_AFTER_S: i64 = 30;

/// The largest accepted difference between the expected and the actual time of the next attempt, in seconds.
pub(super) const TOLERANCE_S: i64 = 3;

/// The expected outcome of a webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// The expected outcome of every attempt.
    outcome: &'static str,
    /// The HTTP status of the response to every attempt. `None` means that the attempts get no response.
    status: Option<u16>,
    n_attempts: usize,
    state: SettledState<&'static str>,
    /// Whether every attempt lasts until its deadline.
    is_slow: bool,
    /// The number of connections that the receiver accepts. A larger number would show that the server
    /// follows redirects or sends a request twice.
    pub(super) n_connections: usize,
    /// The text with which the response body in the history begins.
    response: &'static str,
}

impl Expected {
    /// Expects that the first attempt gets a response with this status, and that the webhook is then
    /// delivered.
    pub(super) const fn delivered(status: u16) -> Self {
        Self {
            outcome: "delivered",
            status: Some(status),
            n_attempts: 1,
            state: SettledState::Delivered,
            is_slow: false,
            n_connections: 1,
            response: "",
        }
    }

    /// Expects that the receiver sends no response to two attempts, and that the webhook then waits for the
    /// third attempt.
    pub(super) const fn no_answer(outcome: &'static str) -> Self {
        Self {
            outcome,
            status: None,
            n_attempts: 2,
            state: SettledState::Waits { waits_for: "retry", for_s: RETRY_SCHEDULE_S[1] },
            n_connections: 2,
            ..Self::delivered(0)
        }
    }

    /// Expects that two attempts get a response with this status, and that the webhook then waits for the
    /// third attempt.
    pub(super) const fn rejected(status: u16) -> Self {
        Self { status: Some(status), ..Self::no_answer("rejected") }
    }

    /// Expects that each attempt lasts until its deadline.
    pub(super) const fn at_deadline(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// Expects that the webhook fails after the first attempt.
    pub(super) const fn fails(self, reason: &'static str) -> Self {
        Self { n_attempts: 1, n_connections: 1, state: SettledState::Failed { reason }, ..self }
    }

    /// Expects that after the first attempt the webhook waits `for_s` seconds because of the header
    /// `Retry-After`.
    pub(super) const fn pauses(self, for_s: i64) -> Self {
        let state = SettledState::Waits { waits_for: "retry_after", for_s };
        Self { n_attempts: 1, n_connections: 1, state, ..self }
    }

    /// Expects that the webhook waits before its first attempt.
    pub(super) const fn not_tried(self) -> Self {
        Self { n_attempts: 0, ..self }
    }

    /// Expects that the receiver accepts this number of connections.
    pub(super) const fn connections(self, n_connections: usize) -> Self {
        Self { n_connections, ..self }
    }

    /// Expects that the response body in the history begins with this text.
    pub(super) const fn shows(self, response: &'static str) -> Self {
        Self { response, ..self }
    }

    /// Returns the names of all properties in which the observed outcome differs from the expected outcome.
    pub(super) fn differences(&self, observed: &Observed, n_connections: usize) -> Vec<&'static str> {
        let all = |is_as_expected: fn(&Self, &Attempt) -> bool| {
            observed.attempts.iter().all(|attempt| is_as_expected(self, attempt))
        };
        let checks = [
            ("outcome", all(Self::has_outcome)),
            ("attempts", observed.attempts.len() == self.n_attempts),
            ("next", self.has_state(&observed.state)),
            ("time", all(|expected, attempt| expected.has_duration(attempt.duration))),
            ("shown", all(|expected, attempt| attempt.response.starts_with(expected.response))),
            ("connections", n_connections == self.n_connections),
        ];
        checks.into_iter().filter(|(_, is_as_expected)| !is_as_expected).map(|(name, _)| name).collect()
    }

    fn has_outcome(&self, attempt: &Attempt) -> bool {
        (self.outcome, self.status) == (&attempt.outcome, attempt.status)
    }

    fn has_state(&self, observed: &SettledState<String>) -> bool {
        match (self.state, observed) {
            (SettledState::Delivered, SettledState::Delivered) => true,
            (SettledState::Failed { reason: expected }, SettledState::Failed { reason }) => {
                expected == reason
            }
            (
                SettledState::Waits { waits_for: expected, for_s: expected_s },
                SettledState::Waits { waits_for, for_s },
            ) => expected == waits_for && (expected_s - for_s).abs() <= TOLERANCE_S,
            _ => false,
        }
    }

    fn has_duration(&self, duration: Duration) -> bool {
        if self.is_slow {
            (DEADLINE..DEADLINE + MAX_LATENESS).contains(&duration)
        } else {
            duration < DEADLINE
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_attempts > 0 {
            write!(f, "{}× {}", self.n_attempts, OutcomeWithStatus(self.outcome, self.status))?;
            f.write_str(if self.is_slow { " at the deadline, " } else { ", " })?;
        }
        self.state.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The time 200 s after the end of an attempt that lasted about 10 ms.
    const LATER: &str = "2026-01-10T12:03:20.100Z";

    fn observed(outcome: &str, status: u16, duration_ms: u32, next_attempt: &str) -> Observed {
        let webhook = json!({
            "status": "scheduled", "waits_for": "retry", "next_attempt": next_attempt,
            "attempts": [{ "started": "2026-01-10T12:00:00.000Z", "duration_ms": duration_ms,
                           "outcome": outcome, "status": status, "response": "no" }],
        });
        Observed::read(&webhook).unwrap().expect("the next attempt is far away")
    }

    #[test]
    fn the_comparison_of_a_webhook_with_the_expected_outcome_names_each_value_that_differs() {
        let expected = Expected { n_attempts: 1, ..Expected::rejected(500) }.connections(1).shows("n");
        let differences = |observed: &Observed| expected.differences(observed, 1);
        assert!(differences(&observed("rejected", 500, 10, LATER)).is_empty());
        assert_eq!(differences(&observed("rejected", 501, 10, LATER)), ["outcome"]);
        assert_eq!(differences(&observed("protocol", 500, 10, LATER)), ["outcome"]);
        assert_eq!(differences(&observed("rejected", 500, 10, "2026-01-10T12:03:30.100Z")), ["next"]);
        assert_eq!(differences(&observed("rejected", 500, 2_000, LATER)), ["time"]);
        let rejected = observed("rejected", 500, 10, LATER);
        assert_eq!(expected.connections(2).differences(&rejected, 1), ["connections"]);
        assert_eq!(expected.shows("yes").differences(&rejected, 1), ["shown"]);
        assert_eq!(expected.at_deadline().differences(&rejected, 1), ["time"]);
        assert_eq!(Expected { n_attempts: 2, ..expected }.differences(&rejected, 1), ["attempts"]);
        assert_eq!(expected.pauses(200).differences(&rejected, 1), ["next"]);
        assert_eq!(expected.fails("gone").differences(&rejected, 1), ["next"]);
    }

    #[test]
    fn an_attempt_expected_to_time_out_may_end_up_to_one_second_after_its_deadline() {
        let slow = Expected::no_answer("timeout").at_deadline();
        for (ms, expected) in [(1_999, false), (2_000, true), (2_999, true), (3_000, false)] {
            assert_eq!(slow.has_duration(Duration::from_millis(ms)), expected, "{ms} ms");
        }
    }
}
