//! Formats times for answers.

use time::UtcDateTime;
use time::format_description::well_known::{Iso8601, iso8601};

/// The format of a time in UTC with milliseconds, such as `2026-01-10T11:57:04.322Z`.
const FORMAT: iso8601::EncodedConfig = iso8601::Config::DEFAULT
    .set_time_precision(iso8601::TimePrecision::Second { decimal_digits: std::num::NonZeroU8::new(3) })
    .encode();

/// Formats a time of the ledger, in milliseconds since the epoch, for an answer: `2026-01-10T11:57:04.322Z`.
pub fn timestamp(at_ms: i64) -> String {
    let nanos = i128::from(at_ms) * 1_000_000;
    let at = UtcDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(UtcDateTime::UNIX_EPOCH);
    at.format(&Iso8601::<FORMAT>).expect("a UTC time has every component of the format")
}
