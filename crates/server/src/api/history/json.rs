//! Builds the JSON of webhooks and attempts from records of the ledger. This module does no I/O.

use pixaven_ledger::{RecordedAttempt, WebhookRecord};
use serde_json::{Map, Value, json};

use super::curl;
use crate::api::timestamp::timestamp;
use crate::work::redact::without_credentials;

/// Builds the JSON of one webhook. A record that was read for a list of webhooks contains no attempts, so
/// that the JSON of such a record contains no attempts, too.
pub fn webhook_json(record: &WebhookRecord) -> Value {
    let mut json = Map::new();
    json.insert("id".to_owned(), json!(record.id.to_string()));
    json.insert("status".to_owned(), json!(record.status.as_str()));
    for (name, at_ms) in [
        ("created", Some(record.created_ms)),
        ("scheduled", record.scheduled_ms),
        ("dispatched", record.dispatched_ms),
        ("delivered", record.delivered_ms),
        ("failed", record.failed_ms),
        ("next_attempt", record.next_attempt.map(|next| next.due_ms)),
    ] {
        if let Some(at_ms) = at_ms {
            json.insert(name.to_owned(), json!(timestamp(at_ms)));
        }
    }
    if let Some(next) = &record.next_attempt {
        json.insert("waits_for".to_owned(), json!(next.due_reason.as_str()));
    }
    if let Some(reason) = &record.failure {
        json.insert("reason".to_owned(), json!(reason.as_str()));
    }
    json.insert("url".to_owned(), json!(without_credentials(&record.url)));
    json.insert("delay".to_owned(), json!(record.delay_ms / 1_000));
    if let Some(payload) = &record.payload {
        json.insert("payload".to_owned(), payload_json(payload));
    }
    if let (Some(payload), [_, ..]) = (&record.payload, &record.attempts[..]) {
        json.insert("curl".to_owned(), json!(curl::line(record, payload)));
    }
    if !record.attempts.is_empty() {
        json.insert("attempts".to_owned(), record.attempts.iter().map(attempt_json).collect());
    }
    Value::Object(json)
}

/// Converts the stored payload of a webhook to a JSON value.
pub fn payload_json(payload: &str) -> Value {
    // Every payload should be JSON. A payload that is not JSON is shown as a text, because an error would
    // hide the payload.
    serde_json::from_str(payload).unwrap_or_else(|_| json!(payload))
}

/// Builds the JSON of one attempt that has ended.
pub(in crate::api) fn attempt_json(recorded: &RecordedAttempt) -> Value {
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

#[cfg(test)]
mod tests {
    use pixaven_ledger::{Attempt, FailureReason, Outcome, Timings, WebhookStatus};
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
            next_attempt: None,
        }
    }

    #[test]
    fn the_json_of_a_created_webhook_shows_its_status_url_and_delay() {
        let expected = json!({
            "id": "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0",
            "status": "created",
            "created": "2026-01-10T11:57:04.322Z",
            "url": "https://***@www.website.com/endpoint?a=b",
            "delay": 60,
        });
        assert_eq!(webhook_json(&record()), expected);
    }

    #[test]
    fn the_json_of_a_failed_webhook_shows_its_attempts_and_payload() {
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
            failure: Some(FailureReason::Gone),
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
        assert_eq!(webhook_json(&ended), expected);
    }
}
