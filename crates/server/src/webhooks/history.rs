//! The history on the wire: records of the ledger as JSON here, the query string of a list in `query`. Pure.

mod curl;
mod query;

use pixaven_ledger::{RecordedAttempt, WebhookRecord};
use serde_json::{Map, Value, json};
use time::UtcDateTime;
use time::format_description::well_known::{Iso8601, iso8601};
use url::Url;

pub use query::{MAX_RESEND_RATE, parse_query, parse_resend_query};

/// UTC with milliseconds: `2026-01-10T11:57:04.322Z`.
const TIMESTAMP: iso8601::EncodedConfig = iso8601::Config::DEFAULT
    .set_time_precision(iso8601::TimePrecision::Second { decimal_digits: std::num::NonZeroU8::new(3) })
    .encode();

/// One webhook. Its attempts are left out where the record has none, as in lists.
pub fn webhook(record: &WebhookRecord) -> Value {
    let mut json = Map::new();
    json.insert("id".to_owned(), json!(record.id.to_string()));
    json.insert("status".to_owned(), json!(record.status.as_str()));
    for (name, at_ms) in [
        ("created", Some(record.created_ms)),
        ("scheduled", record.scheduled_ms),
        ("dispatched", record.dispatched_ms),
        ("delivered", record.delivered_ms),
        ("failed", record.failed_ms),
        ("next_attempt", record.next.map(|next| next.due_ms)),
    ] {
        if let Some(at_ms) = at_ms {
            json.insert(name.to_owned(), json!(timestamp(at_ms)));
        }
    }
    if let Some(next) = &record.next {
        json.insert("waits_for".to_owned(), json!(next.why.as_str()));
    }
    if let Some(reason) = &record.failure {
        json.insert("reason".to_owned(), json!(reason));
    }
    json.insert("url".to_owned(), json!(without_credentials(&record.url)));
    json.insert("delay".to_owned(), json!(record.delay_ms / 1_000));
    if let Some(payload) = &record.payload {
        json.insert("payload".to_owned(), self::payload(payload));
    }
    if let (Some(payload), [_, ..]) = (&record.payload, &record.attempts[..]) {
        json.insert("curl".to_owned(), json!(curl::line(record, payload)));
    }
    if !record.attempts.is_empty() {
        json.insert("attempts".to_owned(), record.attempts.iter().map(attempt).collect());
    }
    Value::Object(json)
}

/// A payload as a part of an answer.
pub fn payload(payload: &str) -> Value {
    // Our own payloads are JSON; should one not be, showing it as text is better than hiding it.
    serde_json::from_str(payload).unwrap_or_else(|_| json!(payload))
}

/// One attempt that ended.
pub(super) fn attempt(recorded: &RecordedAttempt) -> Value {
    let attempt = &recorded.attempt;
    let mut json = json!({
        "number": recorded.number,
        "started": timestamp(attempt.started_ms),
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome.as_str(),
    });
    let timings: Map<String, Value> = [
        ("dns", attempt.timings.dns_ms),
        ("connect", attempt.timings.connect_ms),
        ("tls", attempt.timings.tls_ms),
        ("first_byte", attempt.timings.first_byte_ms),
    ]
    .into_iter()
    .filter_map(|(phase, ms)| Some((phase.to_owned(), json!(ms?))))
    .collect();
    for (name, value) in [
        ("status", attempt.status.map(|status| json!(status))),
        ("address", attempt.address.as_ref().map(|address| json!(address))),
        ("timings_ms", (!timings.is_empty()).then_some(Value::Object(timings))),
        ("retry_after_ms", attempt.retry_after_ms.map(|ms| json!(ms))),
        ("response", attempt.response.as_ref().map(|response| json!(response))),
    ] {
        if let Some(value) = value {
            json[name] = value;
        }
    }
    json
}

/// A time of the ledger, in milliseconds since the epoch, as the API shows it.
pub fn timestamp(at_ms: i64) -> String {
    let nanos = i128::from(at_ms) * 1_000_000;
    let at = UtcDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(UtcDateTime::UNIX_EPOCH);
    at.format(&Iso8601::<TIMESTAMP>).expect("a UTC time has everything the format names")
}

/// The URL with `***` in place of user name and password.
pub fn without_credentials(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "***".to_owned() };
    if !url.username().is_empty() || url.password().is_some() {
        // A URL that has credentials can have others.
        let hidden = url.set_password(None).and_then(|()| url.set_username("***"));
        if hidden.is_err() {
            return "***".to_owned();
        }
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use pixaven_ledger::{Attempt, Outcome, Timings, WebhookStatus};
    use uuid::Uuid;

    use super::*;

    const NOON_MS: i64 = 1_768_046_224_322;

    fn record() -> WebhookRecord {
        WebhookRecord {
            id: Uuid::from_u128(0x9fcc_f4b5_cfab_4e92_9276_5d20_28fc_b6a0),
            status: WebhookStatus::Created,
            created_ms: NOON_MS,
            scheduled_ms: None,
            dispatched_ms: None,
            delivered_ms: None,
            failed_ms: None,
            failure: None,
            url: "https://us%3Aer:secret@www.website.com/endpoint?a=b".to_owned(),
            delay_ms: 60_000,
            payload: None,
            attempts: Vec::new(),
            next: None,
        }
    }

    #[test]
    fn a_fresh_webhook_shows_what_is_known() {
        let expected = json!({
            "id": "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0",
            "status": "created",
            "created": "2026-01-10T11:57:04.322Z",
            "url": "https://***@www.website.com/endpoint?a=b",
            "delay": 60,
        });
        assert_eq!(webhook(&record()), expected);
    }

    #[test]
    fn an_ended_webhook_shows_everything() {
        let attempts = [
            Attempt {
                started_ms: NOON_MS + 1_000,
                duration_ms: 0,
                outcome: Outcome::Interrupted,
                status: None,
                address: None,
                timings: Timings::default(),
                response: None,
                retry_after_ms: None,
            },
            Attempt {
                started_ms: NOON_MS + 2_000,
                duration_ms: 83,
                outcome: Outcome::Rejected,
                status: Some(410),
                address: Some("203.0.113.7:443".to_owned()),
                timings: Timings {
                    dns_ms: Some(1),
                    connect_ms: Some(9),
                    tls_ms: None,
                    first_byte_ms: Some(53),
                },
                response: Some("go away".to_owned()),
                retry_after_ms: Some(5_000),
            },
        ];
        let ended = WebhookRecord {
            status: WebhookStatus::Failed,
            scheduled_ms: Some(NOON_MS + 1_000),
            dispatched_ms: Some(NOON_MS + 2_000),
            failed_ms: Some(NOON_MS + 2_083),
            failure: Some("gone".to_owned()),
            payload: Some(r#"{"success":true,"id":"x"}"#.to_owned()),
            attempts: (1..)
                .zip(attempts)
                .map(|(number, attempt)| RecordedAttempt { number, attempt })
                .collect(),
            ..record()
        };
        let curl = [
            "curl -i -X POST 'https://www.website.com/endpoint?a=b' -H 'Content-Type: application/json'",
            " -H 'User-Agent: Pixaven/1.0 (+webhooks)' -H 'webhook-id: 9fccf4b5-cfab-4e92-9276-5d2028fcb6a0'",
            r#" -H 'webhook-attempt: 2' --data-binary '{"success":true,"id":"x"}'"#,
        ]
        .concat();
        let expected = json!({
            "id": "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0",
            "status": "failed",
            "created": "2026-01-10T11:57:04.322Z",
            "scheduled": "2026-01-10T11:57:05.322Z",
            "dispatched": "2026-01-10T11:57:06.322Z",
            "failed": "2026-01-10T11:57:06.405Z",
            "reason": "gone",
            "url": "https://***@www.website.com/endpoint?a=b",
            "delay": 60,
            "payload": {"success": true, "id": "x"},
            "curl": curl,
            "attempts": [
                {"number": 1, "started": "2026-01-10T11:57:05.322Z", "duration_ms": 0, "outcome": "interrupted"},
                {"number": 2, "started": "2026-01-10T11:57:06.322Z", "duration_ms": 83, "outcome": "rejected",
                 "status": 410, "address": "203.0.113.7:443",
                 "timings_ms": {"dns": 1, "connect": 9, "first_byte": 53}, "retry_after_ms": 5_000, "response": "go away"},
            ],
        });
        assert_eq!(webhook(&ended), expected);
    }

    #[test]
    fn credentials_never_come_back() {
        for (url, expected) in [
            ("https://example.com/x?key=1", "https://example.com/x?key=1"),
            ("https://user@example.com/", "https://***@example.com/"),
            ("https://:word@example.com/", "https://***@example.com/"),
            ("https://a:b@example.com:8443/p", "https://***@example.com:8443/p"),
            ("no URL with a:secret@host", "***"),
        ] {
            assert_eq!(without_credentials(url), expected);
        }
    }
}
