//! Derives the names that belong to a result: its file name, its download URL, and the day in the key of its
//! file.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pixaven_imaging::Format;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// Characters that RFC 3986 does not allow in a path segment.
const ESCAPED_IN_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Returns the download URL of a result: `BASE/dl/AA/BB/CC/DD/REST/NAME`. `BASE` is `base_url`. `AA` to `DD`
/// are the first eight hex digits of the id in pairs, `REST` is the part of the id after its first hyphen,
/// and `NAME` is the percent-encoded file name.
pub fn result_url(base_url: &str, id: Uuid, name: &str) -> String {
    let id = id.to_string();
    let pairs = [&id[0..2], &id[2..4], &id[4..6], &id[6..8]].join("/");
    let name = utf8_percent_encode(name, ESCAPED_IN_SEGMENT);
    format!("{}/dl/{pairs}/{}/{name}", base_url.trim_end_matches('/'), &id[9..])
}

/// Returns the URL of a result on a CDN: `BASE/ID/NAME`. `BASE` is `base_url`, and `NAME` is the percent-encoded
/// file name.
pub fn cdn_url(base_url: &str, id: Uuid, name: &str) -> String {
    format!("{base_url}/{id}/{}", utf8_percent_encode(name, ESCAPED_IN_SEGMENT))
}

/// Returns the output's file name: the input's file name with the extension of the output format. If the
/// format does not change, an extension in the input's name is kept as it is.
pub(crate) fn output_name(input_name: &str, input: Format, output: Format) -> String {
    match input_name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() && input == output => input_name.to_owned(),
        Some((stem, _)) if !stem.is_empty() => format!("{stem}.{}", output.extension()),
        _ => format!("{input_name}.{}", output.extension()),
    }
}

/// Returns the UTC day of a time, in the form `2026-01-10`. The time is given in milliseconds since 1970.
pub(crate) fn utc_day(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000));
    let date = at.map_or(Date::MIN, OffsetDateTime::date);
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_download_url_of_a_result_has_the_form_that_the_documentation_shows() {
        let id =
            Uuid::try_parse("9fccf4b5-cfab-4e92-9276-5d2028fcb6a0").expect("the id of the documentation");
        let expected = "http://h/dl/9f/cc/f4/b5/cfab-4e92-9276-5d2028fcb6a0/image.jpg";
        assert_eq!(result_url("http://h/", id, "image.jpg"), expected);
        assert!(result_url("http://h", id, "a b/ä?.jpg").ends_with("/a%20b%2F%C3%A4%3F.jpg"));
    }

    #[test]
    fn the_extension_of_the_output_file_name_follows_the_output_format() {
        for (name, output, expected) in [
            ("image.jpg", Format::Jpeg, "image.jpg"),
            ("photo.JPEG", Format::Jpeg, "photo.JPEG"),
            ("photo.JPEG", Format::Webp, "photo.webp"),
            ("archive.tar.jpg", Format::Png, "archive.tar.png"),
            ("photo", Format::Jpeg, "photo.jpg"),
        ] {
            assert_eq!(output_name(name, Format::Jpeg, output), expected, "{name}");
        }
    }

    #[test]
    fn the_day_in_the_storage_key_of_a_result_file_is_the_utc_day() {
        assert_eq!(utc_day(0), "1970-01-01");
        assert_eq!(utc_day(1_767_225_599_999), "2025-12-31");
    }
}
