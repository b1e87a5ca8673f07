//! Parses the query string of a list of webhooks, and the filters of a bulk resend.

use pixaven_ledger::{AccountId, WebhookQuery, WebhookStatus};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime, PrimitiveDateTime};
use url::Host;

/// The largest number of webhooks in one page of a list if the request has no `limit`.
const DEFAULT_LIMIT: u32 = 50;
/// The largest `limit` that a list request may have.
const MAX_LIMIT: u32 = 100;

/// The highest `rate` of a bulk resend, in webhooks per second.
pub const MAX_RESEND_RATE: i64 = 100_000;

/// Parses the query string of a list. An error is a message for the client. Unknown parameters are ignored.
/// When a parameter is repeated, its last value counts. Only `status` combines all its values.
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
                let unreadable = |_| format!("cursor must be one that a list gave, got {value}");
                query.before = Some(value.parse().map_err(unreadable)?);
            }
            "start" => query.start_ms = Some(instant("start", value)?),
            "end" => query.end_ms = Some(instant("end", value)?),
            "offset" => {
                query.offset = value
                    .parse()
                    .ok()
                    .filter(|offset| i64::try_from(*offset).is_ok())
                    .ok_or_else(|| format!("offset must be an integer of at least 0, got {value}"))?;
            }
            "limit" => {
                query.limit =
                    value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                        format!("limit must be an integer from 1 to {MAX_LIMIT}, got {value}")
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

/// Parses the filters of a bulk resend. They are the filters of a list, but a bulk resend without `status`
/// selects only failed webhooks.
pub fn parse_resend_query(account: AccountId, pairs: &[(String, String)]) -> Result<WebhookQuery, String> {
    let mut query = parse_query(account, pairs)?;
    if query.statuses.is_empty() {
        query.statuses = vec![WebhookStatus::Failed];
    }
    Ok(query)
}

/// Converts a host to the form that the URL parser produces, because the ledger stores hosts in this form.
fn host(value: &str) -> Result<String, String> {
    let parsed =
        Host::parse(value).map_err(|_| format!("host must be a host name or an address, got {value}"))?;
    Ok(parsed.to_string())
}

fn statuses(value: &str) -> Result<Vec<WebhookStatus>, String> {
    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
    let parsed = words.map(|word| {
        word.parse().map_err(|_| {
            let known = WebhookStatus::ALL.map(WebhookStatus::as_str).join(", ");
            format!("status must be a comma-separated list of {known}, got {word}")
        })
    });
    parsed.collect()
}

/// Parses an ISO 8601 time into milliseconds since the epoch. A time without `Z` or an offset is UTC. A date
/// without a time is the first moment of its day.
fn instant(name: &str, value: &str) -> Result<i64, String> {
    // In a query string, the unescaped `+` of a time offset is decoded as a space. Some clients also write a
    // space between date and time.
    let text: String = value
        .char_indices()
        .map(|(at, c)| match (c, at) {
            (' ', 10) => 'T',
            (' ', _) => '+',
            _ => c,
        })
        .collect();
    let parsed = OffsetDateTime::parse(&text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&text, &Iso8601::PARSING))
        .or_else(|_| PrimitiveDateTime::parse(&text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(&text, &Iso8601::PARSING).map(|date| date.midnight().assume_utc()));
    let nanos = parsed
        .map_err(|_| format!("{name} must be a UTC time such as 2026-01-10T11:57:04.322Z, got {value}"))?
        .unix_timestamp_nanos();
    Ok(i64::try_from(nanos.div_euclid(1_000_000)).expect("the years of this format fit into milliseconds"))
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
    fn valid_query_strings_of_a_list_are_parsed() {
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
    fn the_parameters_host_and_cursor_are_parsed() {
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
    fn the_error_message_names_the_invalid_parameter() {
        for (text, expected) in [
            (
                "status=done",
                "status must be a comma-separated list of created, scheduled, dispatched, delivered, failed, got done",
            ),
            ("start=yesterday", "start must be a UTC time such as 2026-01-10T11:57:04.322Z, got yesterday"),
            ("end=2026-13-01", "end must be a UTC time such as 2026-01-10T11:57:04.322Z, got 2026-13-01"),
            ("host=a/b", "host must be a host name or an address, got a/b"),
            ("cursor=7", "cursor must be one that a list gave, got 7"),
            ("offset=-1", "offset must be an integer of at least 0, got -1"),
            (
                "offset=18446744073709551615",
                "offset must be an integer of at least 0, got 18446744073709551615",
            ),
            ("limit=0", "limit must be an integer from 1 to 100, got 0"),
            ("limit=101", "limit must be an integer from 1 to 100, got 101"),
            ("limit=ten", "limit must be an integer from 1 to 100, got ten"),
            ("start=2026-01-02&end=2026-01-01", "start must not be later than end"),
        ] {
            assert_eq!(query(text).unwrap_err(), expected);
        }
    }
}
