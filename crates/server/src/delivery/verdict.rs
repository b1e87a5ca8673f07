//! Derives the outcome of an attempt and the next state of its webhook from the result of an exchange. This
//! module reads no clock and no random source: the time and the random number are parameters.

use std::time::UNIX_EPOCH;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{Disposition, FailureReason, Outcome};
use pixaven_net::{HttpResponse, NetError};

/// The most bytes of a response body that the history keeps.
const EXCERPT_BYTES: usize = 1024;

/// The values that decide, together with the receiver's response, whether there is a next attempt and when it
/// is due.
pub(super) struct RetryContext<'a> {
    /// The number of the attempt in the retry schedule, counted from 1. Interrupted attempts are not counted.
    pub(super) attempt: u32,
    /// Whether the request allows more than one attempt.
    pub(super) retry: bool,
    pub(super) expires_at_ms: Option<i64>,
    pub(super) now_ms: i64,
    /// A random number in `[0, 1)`, for the jitter.
    pub(super) unit_random: f64,
    pub(super) schedule: &'a Schedule,
}

/// Returns the outcome of an attempt. If this machine or its proxy caused the failure of the attempt, returns
/// the error instead, because such a failure says nothing about the receiver.
pub(super) fn outcome(result: &Result<HttpResponse, NetError>) -> Result<Outcome, &NetError> {
    Ok(match result {
        Ok(answer) if answer.status.is_success() => Outcome::Delivered,
        Ok(_) => Outcome::Rejected,
        Err(NetError::BlockedAddress { .. }) => Outcome::BlockedAddress,
        Err(NetError::Dns(_)) => Outcome::Dns,
        Err(NetError::Refused(_)) => Outcome::Refused,
        Err(NetError::Timeout) => Outcome::Timeout,
        Err(NetError::Tls(_)) => Outcome::Tls,
        Err(error @ (NetError::Local(_) | NetError::Proxy(_))) => return Err(error),
        Err(
            NetError::Protocol(_)
            | NetError::ProtocolSwitch
            | NetError::InvalidUrl(_)
            | NetError::TooLarge { .. }
            | NetError::Encoding(_)
            | NetError::TooManyPieces(_)
            | NetError::OutOfMemoryBudget
            | NetError::Status(_)
            | NetError::TooManyRedirects { .. },
        ) => Outcome::Protocol,
    })
}

/// Decides what happens to a webhook after an attempt: it is delivered, it fails, or it is sent again.
pub(super) fn next(result: &Result<HttpResponse, NetError>, context: &RetryContext<'_>) -> Disposition {
    let failed = |reason| Disposition::Failed { reason };
    match result {
        Ok(answer) if answer.status.is_success() => return Disposition::Delivered,
        Ok(answer) if answer.status == StatusCode::GONE => return failed(FailureReason::Gone),
        // The URL cannot be used for a request. It never changes, so that every further attempt would fail in
        // the same way.
        Err(NetError::InvalidUrl(_)) => return failed(FailureReason::UnusableUrl),
        Ok(_) | Err(_) => {}
    }
    if !context.retry {
        return failed(FailureReason::RetryDisabled);
    }
    let RetryContext { attempt, now_ms, unit_random, .. } = *context;
    let retry_after_ms = granted_retry_after_ms(result, context);
    match context.schedule.due_after(attempt, now_ms, unit_random, retry_after_ms) {
        None => failed(FailureReason::RetriesExhausted),
        Some(due_ms) if context.expires_at_ms.is_some_and(|end_ms| due_ms >= end_ms) => {
            failed(FailureReason::Expired)
        }
        Some(due_ms) => Disposition::Retry { due_ms },
    }
}

/// Returns the pause in milliseconds that the receiver requests by the header `Retry-After`, limited to the
/// longest pause that the retry schedule contains after this attempt.
pub(super) fn granted_retry_after_ms(
    result: &Result<HttpResponse, NetError>,
    context: &RetryContext<'_>,
) -> Option<i64> {
    let answer = result.as_ref().ok().filter(|answer| !answer.status.is_success())?;
    let asked_ms = retry_after_ms(&answer.headers, context.now_ms)?;
    Some(asked_ms.min(context.schedule.max_wait_after(context.attempt)))
}

/// Converts the value of `Retry-After` (RFC 9110, section 10.2.3), which is a number of seconds or an HTTP
/// date, to milliseconds from now. Returns `None` if the value cannot be parsed.
fn retry_after_ms(headers: &HeaderMap, now_ms: i64) -> Option<i64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that does not fit into 64 bits is replaced by the largest number that fits. It
        // exceeds every limit, too.
        return Some(value.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1_000));
    }
    let since_epoch = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let at_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Some(at_ms.saturating_sub(now_ms).max(0))
}

/// Returns the beginning of a response body as text, for the history.
pub(super) fn body_excerpt(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(EXCERPT_BYTES)];
    // If the excerpt of the response body ends inside a UTF-8 character, the incomplete character is dropped.
    let whole = match std::str::from_utf8(beginning) {
        Err(error) if error.error_len().is_none() => &beginning[..error.valid_up_to()],
        _ => beginning,
    };
    // The character NUL is replaced, because PostgreSQL cannot store it in a text.
    String::from_utf8_lossy(whole).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use http::HeaderValue;

    use super::*;
    use pixaven_net::{BlockedBy, ProxyError};

    const NOW_MS: i64 = 1_768_046_224_322; // 2026-01-10T11:57:04.322Z

    fn answer(status: u16, retry_after: Option<&'static str>) -> Result<HttpResponse, NetError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        Ok(HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: bytes::Bytes::new() })
    }

    fn check(
        result: &Result<HttpResponse, NetError>,
        attempt: u32,
        retry: bool,
        expires_in_ms: Option<i64>,
    ) -> Disposition {
        next(
            result,
            &RetryContext {
                attempt,
                retry,
                expires_at_ms: expires_in_ms.map(|ms| NOW_MS + ms),
                now_ms: NOW_MS,
                unit_random: 0.5,
                schedule: &Schedule::default(),
            },
        )
    }

    fn retry(in_ms: i64) -> Disposition {
        Disposition::Retry { due_ms: NOW_MS + in_ms }
    }

    fn failed(reason: FailureReason) -> Disposition {
        Disposition::Failed { reason }
    }

    #[test]
    fn status_2xx_delivers_a_webhook_status_410_makes_it_failed_and_any_other_status_means_a_retry() {
        for status in [200, 201, 202, 204, 206, 299] {
            assert_eq!(outcome(&answer(status, None)).unwrap(), Outcome::Delivered, "{status}");
            assert_eq!(check(&answer(status, None), 1, false, Some(0)), Disposition::Delivered, "{status}");
        }
        for status in [301, 302, 307, 308, 400, 401, 404, 413, 429, 500, 503, 599] {
            assert_eq!(outcome(&answer(status, None)).unwrap(), Outcome::Rejected, "{status}");
            assert_eq!(check(&answer(status, None), 1, true, None), retry(5_000), "{status}");
        }
        assert_eq!(check(&answer(410, None), 1, true, None), failed(FailureReason::Gone));
    }

    #[test]
    fn a_webhook_becomes_failed_after_a_failed_attempt_if_no_retry_is_left_or_allowed() {
        let refused = Err(NetError::BlockedAddress { rule: BlockedBy::Address, is_terse: false });
        assert_eq!(check(&refused, 9, true, None), retry(24 * 3_600_000));
        assert_eq!(check(&refused, 10, true, None), failed(FailureReason::RetriesExhausted));
        assert_eq!(check(&refused, 1, false, None), failed(FailureReason::RetryDisabled));
        assert_eq!(check(&refused, 1, true, Some(5_001)), retry(5_000));
        assert_eq!(check(&refused, 1, true, Some(5_000)), failed(FailureReason::Expired));
        assert_eq!(
            check(&Err(NetError::InvalidUrl("no")), 1, true, None),
            failed(FailureReason::UnusableUrl)
        );
    }

    #[test]
    fn a_delivery_attempt_that_fails_on_the_sending_machine_or_its_proxy_has_no_outcome() {
        assert!(outcome(&Err(NetError::Local(io::Error::other("no sockets")))).is_err());
        assert!(outcome(&Err(NetError::Proxy(ProxyError::Status(407)))).is_err());
        assert_eq!(outcome(&Err(NetError::Timeout)).unwrap(), Outcome::Timeout);
    }

    #[test]
    fn a_retry_after_header_may_hold_seconds_or_an_http_date_and_any_other_value_is_ignored() {
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 7 ", Some(7_000)),
            ("99999999999999999999999", Some(i64::MAX)),
            ("Sat, 10 Jan 2026 11:58:04 GMT", Some(59_678)),
            ("Sat, 10 Jan 2026 11:00:00 GMT", Some(0)),
            ("Saturday, 10-Jan-26 11:58:04 GMT", Some(59_678)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("2026-01-10T11:58:04Z", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after_ms(&headers, NOW_MS), expected, "{value:?}");
        }
        assert_eq!(check(&answer(503, Some("60")), 1, true, None), retry(60_000));
        assert_eq!(check(&answer(503, Some("1")), 1, true, None), retry(5_000));
        assert_eq!(check(&answer(503, Some("99999999999999999999999")), 1, true, None), retry(300_000));
    }

    #[test]
    fn the_webhook_history_stores_the_beginning_of_a_response_body_as_valid_text() {
        assert_eq!(body_excerpt(b"ok"), "ok");
        assert_eq!(body_excerpt(b""), "");
        assert_eq!(body_excerpt(b"a\0b\xff"), "a\u{fffd}b\u{fffd}");
        assert_eq!(body_excerpt("ä".repeat(1000).as_bytes()), "ä".repeat(512));
        assert_eq!(
            body_excerpt(format!("x{}", "ä".repeat(1000)).as_bytes()),
            format!("x{}", "ä".repeat(511))
        );
    }
}
