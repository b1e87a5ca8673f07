//! The headers of one attempt, and the record of an attempt for the history. This module does no I/O.

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_ledger::{Attempt, DueWebhook, Outcome, Timings};
use pixaven_net::{Exchange, PhaseTimings};

use super::signing::{self, SigningKey};
use super::verdict;

/// Builds the headers of one attempt from `own`, the headers that the image request declares for its webhook, and
/// from the headers that this server sets. If both contain the same name, the header of the server is sent.
pub(super) fn request_headers(
    webhook: &DueWebhook,
    own: &[(String, String)],
    attempt: u32,
    timestamp_s: i64,
    keys: &[SigningKey],
) -> HeaderMap {
    let own = own.iter().filter_map(|(name, value)| {
        // The names and the values of these headers are valid, because the API checked them when it accepted
        // the request.
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    let mut headers: HeaderMap = own.collect();
    let id = webhook.id.to_string();
    let signature = signing::sign(keys, &id, timestamp_s, webhook.payload.as_bytes());
    for (name, value) in [("webhook-id", id), ("webhook-signature", signature)] {
        headers.insert(name, HeaderValue::try_from(value).expect("hexadecimal and base64 are ASCII"));
    }
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp_s));
    headers.insert("webhook-attempt", HeaderValue::from(attempt));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("Pixaven/1.0 (+webhooks)"));
    headers
}

/// Builds the record of an attempt for the history from the exchange with the receiver.
pub(super) fn attempt_of(
    started_ms: i64,
    outcome: Outcome,
    exchange: &Exchange,
    retry_after_ms: Option<i64>,
) -> Attempt {
    let PhaseTimings { dns_ms, connect_ms, tls_ms, first_byte_ms } = exchange.timings;
    let answer = exchange.result.as_ref().ok();
    Attempt {
        started_ms,
        duration_ms: u32::try_from(exchange.duration.as_millis()).unwrap_or(u32::MAX),
        outcome,
        status: answer.map(|answer| answer.status.as_u16()),
        address: exchange.address.map(|address| address.to_string()),
        timings: Timings { dns_ms, connect_ms, tls_ms, first_byte_ms },
        response: answer.map(|answer| verdict::body_excerpt(&answer.body)),
        retry_after_ms,
    }
}

/// Builds the record of an attempt that a stop of the server interrupted.
pub(super) fn interrupted(started_ms: i64, now_ms: i64) -> Attempt {
    Attempt {
        started_ms,
        duration_ms: u32::try_from(now_ms - started_ms).unwrap_or(0),
        outcome: Outcome::Interrupted,
        status: None,
        address: None,
        timings: Timings::default(),
        response: None,
        retry_after_ms: None,
    }
}
