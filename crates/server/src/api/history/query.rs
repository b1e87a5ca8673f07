//! Parses the query string of a list of webhooks, and the filters of a bulk resend.

use std::ops::RangeInclusive;

use pixaven_ledger::{AccountId, WebhookQuery, WebhookStatus};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime, PrimitiveDateTime};
use url::Host;

/// The largest number of webhooks in one page of a list if the request has no `limit`.
const DEFAULT_LIMIT: u32 = 50;
/// The largest `limit` that a list request may have.
const MAX_LIMIT: u32 = 100;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The highest `rate` of a bulk resend, in webhooks per second.
pub const MAX_RESEND_RATE: i64 = 100_000;

/// Parses the query string of a list of webhooks. The error is a message for the client. Unknown parameters
/// are ignored. If a parameter is repeated, its last value counts, except that all values of a repeated
/// `status` count.
pub fn parse_query(account: AccountId, pairs: &[(String, String)]) -> Result<WebhookQuery, String> {
    let mut query = WebhookQuery {
        account,
        statuses: Vec::new(),
        host: None,
        before: None,
        start_ms: None,
        end_ms: None,
        offset: 0,
        limit: DEFAULT_LIMIT,
    };
    for (name, value) in pairs {
        // An empty value counts as absent, because a form with empty fields sends empty values, such as
        // `?status=&start=`.
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "status" => query.statuses.extend(statuses(value)?),
            "host" => query.host = Some(host(value)?),
            "cursor" => {
                let unreadable = |_| "cursor must be one that a list gave".to_owned();
                query.before = Some(value.parse().map_err(unreadable)?);
            }
            "start" => query.start_ms = Some(*time_range("start", value)?.start()),
            "end" => query.end_ms = Some(*time_range("end", value)?.end()),
            "offset" => {
                query.offset =
                    value.parse().ok().filter(|offset| i64::try_from(*offset).is_ok()).ok_or_else(|| {
                        format!("offset must be an integer of at least 0{}", got_integer(value))
                    })?;
            }
            "limit" => {
                query.limit =
                    value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                        format!("limit must be an integer from 1 to {MAX_LIMIT}{}", got_integer(value))
                    })?;
            }
            _ => {}
        }
    }
    if let (Some(start_ms), Some(end_ms)) = (query.start_ms, query.end_ms)
        && start_ms > end_ms
    {
        return Err("start must not be later than end".to_owned());
    }
    Ok(query)
}

/// Parses the filters of a bulk resend. They are the filters of a list of webhooks, with two differences: at
/// least one filter is required, and without the filter `status` only failed webhooks match.
pub fn parse_resend_query(account: AccountId, pairs: &[(String, String)]) -> Result<WebhookQuery, String> {
    let mut query = parse_query(account, pairs)?;
    let has_filter = !query.statuses.is_empty()
        || query.host.is_some()
        || query.start_ms.is_some()
        || query.end_ms.is_some();
    if !has_filter {
        return Err("at least one of the filters status, host, start and end is required".to_owned());
    }
    if query.statuses.is_empty() {
        query.statuses = vec![WebhookStatus::Failed];
    }
    Ok(query)
}

/// Returns the end of an error message about an invalid value in a query string. The message repeats the
/// value only if the value is an integer, because any other text may be a secret that a client put into the
/// wrong parameter.
pub fn got_integer(value: &str) -> String {
    if value.parse::<i128>().is_ok() { format!(", got {value}") } else { String::new() }
}

/// Parses a host and writes it as a parsed URL does, for example in lower case, because the ledger stores
/// hosts in this form.
fn host(value: &str) -> Result<String, String> {
    let parsed = Host::parse(value).map_err(|_| "host must be a host name or an address".to_owned())?;
    Ok(parsed.to_string())
}

fn statuses(value: &str) -> Result<Vec<WebhookStatus>, String> {
    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
    let parsed = words.map(|word| {
        word.parse().map_err(|_| {
            let known = WebhookStatus::ALL.map(WebhookStatus::as_str).join(", ");
            format!("status must be a comma-separated list of {known}")
        })
    });
    parsed.collect()
}

/// Parses an ISO 8601 time, and returns the first and the last millisecond that the time covers, counted
/// since the Unix epoch. A time without `Z` or an offset is UTC and covers one millisecond. A date without a
/// time covers its whole day in UTC.
fn time_range(name: &str, value: &str) -> Result<RangeInclusive<i64>, String> {
    // If a client does not escape the `+` of a UTC offset in a query string, the `+` arrives as a space. Some
    // clients also write a space between date and time.
    let text: String = value
        .char_indices()
        .map(|(at, c)| match (c, at) {
            (' ', 10) => 'T',
            (' ', _) => '+',
            _ => c,
        })
        .collect();
    let time = OffsetDateTime::parse(&text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&text, &Iso8601::PARSING))
        .or_else(|_| PrimitiveDateTime::parse(&text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc));
    if let Ok(time) = time {
        let ms = milliseconds(time);
        return Ok(ms..=ms);
    }
    let date = Date::parse(&text, &Iso8601::PARSING)
        .map_err(|_| format!("{name} must be a UTC time such as 2026-01-10T11:57:04.322Z"))?;
    let first_ms = milliseconds(date.midnight().assume_utc());
    Ok(first_ms..=first_ms + DAY_MS - 1)
}

/// Converts a time to milliseconds since the Unix epoch, rounded down.
fn milliseconds(time: OffsetDateTime) -> i64 {
    let nanos = time.unix_timestamp_nanos();
    i64::try_from(nanos.div_euclid(1_000_000)).expect("the years of this format fit into milliseconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-10T11:57:04.322Z
    const NOON_MS: i64 = 1_768_046_224_322;

    fn query(text: &str) -> Result<WebhookQuery, String> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        parse_query(7, &pairs)
    }

    #[test]
    fn the_parameters_of_a_valid_webhook_list_query_are_parsed() {
        let all = WebhookQuery {
            account: 7,
            statuses: Vec::new(),
            host: None,
            before: None,
            start_ms: None,
            end_ms: None,
            offset: 0,
            limit: 50,
        };
        assert_eq!(query(""), Ok(all.clone()));
        assert_eq!(query("status=&start=&limit=&colour=blue"), Ok(all.clone()));
        let statuses = vec![WebhookStatus::Failed, WebhookStatus::Scheduled];
        assert_eq!(
            query("status=failed,%20scheduled"),
            Ok(WebhookQuery { statuses: statuses.clone(), ..all.clone() })
        );
        assert_eq!(query("status=failed&status=scheduled"), Ok(WebhookQuery { statuses, ..all.clone() }));
        assert_eq!(query("offset=20&limit=100"), Ok(WebhookQuery { offset: 20, limit: 100, ..all.clone() }));
        for (text, expected_ms) in [
            ("2026-01-10T11:57:04.322Z", NOON_MS),
            ("2026-01-10T11:57:04.322", NOON_MS),
            ("2026-01-10 11:57:04.322", NOON_MS),
            ("2026-01-10T12:57:04.322+01:00", NOON_MS),
            ("2026-01-10T12:57:04.322%2B01:00", NOON_MS),
            ("2026-01-10T10:57:04.322-01:00", NOON_MS),
            ("20260110T115704.322Z", NOON_MS),
            ("2026-01-10T11:57:04Z", NOON_MS - 322),
            ("2026-01-10T11:57Z", NOON_MS - 4_322),
            ("2026-01-10", NOON_MS - 43_024_322),
            ("1969-12-31T23:59:59.9999Z", -1),
        ] {
            let expected = WebhookQuery { start_ms: Some(expected_ms), ..all.clone() };
            assert_eq!(query(&format!("start={text}")), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_start_or_end_date_without_a_time_in_a_webhook_list_query_includes_the_whole_day() {
        let first_ms = NOON_MS - 43_024_322;
        for (text, expected) in [
            ("start=2026-01-10&end=2026-01-10", (Some(first_ms), Some(first_ms + 86_399_999))),
            ("start=20260110&end=20260111", (Some(first_ms), Some(first_ms + 172_799_999))),
            ("start=2026-01-10T00:00Z&end=2026-01-10T00:00Z", (Some(first_ms), Some(first_ms))),
            (
                "start=2026-01-10T23:59Z&end=2026-01-10",
                (Some(first_ms + 86_340_000), Some(first_ms + 86_399_999)),
            ),
        ] {
            let parsed = query(text).map(|query| (query.start_ms, query.end_ms));
            assert_eq!(parsed, Ok(expected), "{text}");
        }
        assert_eq!(
            parse_resend_query(7, &[("end".to_owned(), "2026-01-10".to_owned())]).map(|query| query.end_ms),
            Ok(Some(first_ms + 86_399_999))
        );
    }

    #[test]
    fn a_bulk_resend_without_a_filter_is_refused() {
        let parse = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            parse_resend_query(7, &pairs).map(|query| query.statuses)
        };
        let no_filter = Err("at least one of the filters status, host, start and end is required".to_owned());
        for pairs in [&[][..], &[("status", "")], &[("status", " , ")], &[("host", ""), ("start", " ")]] {
            assert_eq!(parse(pairs), no_filter, "{pairs:?}");
        }
        for pairs in [
            [("status", "failed")],
            [("host", "example.com")],
            [("start", "2026-01-10")],
            [("end", "2026-01-10")],
        ] {
            assert_eq!(parse(&pairs), Ok(vec![WebhookStatus::Failed]), "{pairs:?}");
        }
    }

    #[test]
    fn host_filters_and_page_cursors_of_a_webhook_list_query_are_parsed() {
        for (text, expected) in [
            ("Example.com", "example.com"),
            ("b%C3%BCcher.example", "xn--bcher-kva.example"),
            ("0x7f.1", "127.0.0.1"),
            ("[::0001]", "[::1]"),
        ] {
            assert_eq!(query(&format!("host={text}")).map(|query| query.host), Ok(Some(expected.to_owned())));
        }
        let cursor =
            query("cursor=19ba7c3a9c2-1f").map(|query| query.before.map(|cursor| cursor.to_string()));
        assert_eq!(cursor, Ok(Some("19ba7c3a9c2-1f".to_owned())));
    }

    #[test]
    fn the_error_message_for_a_webhook_list_query_names_the_invalid_parameter() {
        for (text, expected) in [
            (
                "status=done",
                "status must be a comma-separated list of created, scheduled, dispatched, delivered, failed",
            ),
            ("start=yesterday", "start must be a UTC time such as 2026-01-10T11:57:04.322Z"),
            ("end=2026-13-01", "end must be a UTC time such as 2026-01-10T11:57:04.322Z"),
            ("host=a/b", "host must be a host name or an address"),
            ("cursor=7", "cursor must be one that a list gave"),
            ("offset=-1", "offset must be an integer of at least 0, got -1"),
            (
                "offset=18446744073709551615",
                "offset must be an integer of at least 0, got 18446744073709551615",
            ),
            ("limit=0", "limit must be an integer from 1 to 100, got 0"),
            ("limit=101", "limit must be an integer from 1 to 100, got 101"),
            ("limit=ten", "limit must be an integer from 1 to 100"),
            ("start=2026-01-02&end=2026-01-01", "start must not be later than end"),
        ] {
            assert_eq!(query(text).unwrap_err(), expected);
        }
    }
}
