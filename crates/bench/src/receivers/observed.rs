//! The observed outcome of a webhook, read from the public history of webhooks.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::expected::{RETRY_SCHEDULE_S, TOLERANCE_S};

/// A webhook in the history that has ended, or that waits for an attempt after the end of the run: all
/// attempts of the webhook, and its state after the last attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) attempts: Vec<Attempt>,
    pub(super) state: SettledState<String>,
}

/// One attempt in the history.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) outcome: String,
    /// The HTTP status of the response. `None` means that there was no response.
    pub(super) status: Option<u16>,
    pub(super) duration: Duration,
    /// The beginning of the response body, as stored in the history.
    pub(super) response: String,
}

/// The state of a webhook that has ended, or that waits for an attempt after the end of the run. `T` is a
/// text type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettledState<T> {
    Delivered,
    Failed {
        reason: T,
    },
    /// The webhook waits. The next attempt is due `for_s` seconds after the end of the last attempt.
    Waits {
        waits_for: T,
        for_s: i64,
    },
}

impl Observed {
    /// Reads the state from the object `webhook` of a response. Returns `None` if the webhook is being sent
    /// or waits only for a short time.
    pub(super) fn read(webhook: &Value) -> anyhow::Result<Option<Self>> {
        let attempts = webhook["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let state = match text(webhook, "status")? {
            "delivered" => SettledState::Delivered,
            "failed" => SettledState::Failed { reason: text(webhook, "reason")?.to_owned() },
            "scheduled" => {
                let since = match attempts.last() {
                    Some(last) => time_of(last, "started")? + duration_of(last)?,
                    None => time_of(webhook, "scheduled")?,
                };
                let for_s = (time_of(webhook, "next_attempt")? - since).whole_seconds();
                if for_s <= RETRY_SCHEDULE_S[0] + TOLERANCE_S {
                    return Ok(None);
                }
                SettledState::Waits { waits_for: text(webhook, "waits_for")?.to_owned(), for_s }
            }
            _ => return Ok(None),
        };
        let attempts = attempts.iter().map(Attempt::read).collect::<Result<_, _>>()?;
        Ok(Some(Self { attempts, state }))
    }
}

impl Attempt {
    fn read(attempt: &Value) -> anyhow::Result<Self> {
        let status = attempt["status"].as_u64().map(u16::try_from).transpose()?;
        Ok(Self {
            outcome: text(attempt, "outcome")?.to_owned(),
            status,
            duration: duration_of(attempt)?,
            response: attempt["response"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

fn text<'a>(object: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    object[name].as_str().with_context(|| format!("the history has no {name}: {object}"))
}

fn time_of(object: &Value, name: &str) -> anyhow::Result<OffsetDateTime> {
    Ok(OffsetDateTime::parse(text(object, name)?, &Rfc3339)?)
}

fn duration_of(attempt: &Value) -> anyhow::Result<Duration> {
    let ms = attempt["duration_ms"].as_u64();
    Ok(Duration::from_millis(ms.with_context(|| format!("an attempt without duration: {attempt}"))?))
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in &self.attempts {
            let Attempt { outcome, status, duration, .. } = attempt;
            write!(f, "{} after {} ms, ", OutcomeWithStatus(outcome, *status), duration.as_millis())?;
        }
        self.state.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for SettledState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("done"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Waits { waits_for, for_s } => write!(f, "{waits_for} in {for_s} s"),
        }
    }
}

/// Formats the outcome of an attempt together with the HTTP status of the response, if there was a response:
/// for example `rejected 500`.
pub(super) struct OutcomeWithStatus<'a>(pub(super) &'a str, pub(super) Option<u16>);

impl fmt::Display for OutcomeWithStatus<'_> {
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

    #[test]
    fn a_webhook_whose_next_attempt_is_due_in_one_second_does_not_count_as_settled() {
        let soon = json!({
            "status": "scheduled", "waits_for": "retry", "next_attempt": "2026-01-10T12:00:01.010Z",
            "attempts": [{ "started": "2026-01-10T12:00:00.000Z", "duration_ms": 10,
                           "outcome": "rejected", "status": 500, "response": "no" }],
        });
        assert_eq!(Observed::read(&soon).unwrap(), None);
        assert_eq!(Observed::read(&json!({"status": "dispatched"})).unwrap(), None);
    }

    #[test]
    fn parsing_the_json_of_a_failed_webhook_without_a_failure_reason_returns_an_error() {
        assert!(Observed::read(&json!({"status": "failed"})).is_err());
    }
}
