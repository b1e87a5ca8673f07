//! Finds the file name of a fetched document in the header `Content-Disposition` or in the URL. The module
//! `file_name` then cleans the name.

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::file_name::clean;

/// Returns the cleaned file name from the header `Content-Disposition` (RFC 6266). If the header contains no
/// file name, returns the cleaned last segment of the URL's path.
pub(crate) fn find_file_name(headers: &HeaderMap, url: &Url) -> Option<String> {
    let disposition = headers.get(CONTENT_DISPOSITION).map(|value| utf8_or_latin1(value.as_bytes()));
    disposition.and_then(|value| from_disposition(&value)).or_else(|| {
        let segment = url.path_segments()?.next_back()?;
        clean(&percent_decoded(segment))
    })
}

/// Decodes the percent-encoded bytes of a text. Bytes that are not valid UTF-8 are read as Latin-1.
fn percent_decoded(text: &str) -> String {
    utf8_or_latin1(&percent_decode_str(text).collect::<Vec<u8>>())
}

/// Reads bytes as UTF-8, or as Latin-1 when they are not valid UTF-8. Servers send file names in both
/// encodings and do not declare the encoding.
fn utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // The first 256 code points of Unicode are the characters of Latin-1, so each byte becomes the
        // character with the same number.
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Returns the cleaned file name of a `Content-Disposition` value. `filename*` has priority over `filename`
/// in any order of the parameters.
fn from_disposition(value: &str) -> Option<String> {
    let mut fallback = None;
    for parameter in parameters(value) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                // The value of `filename*` has the form charset'language'percent-encoded (RFC 8187). The
                // charset is ignored: servers use only UTF-8 and Latin-1, and the bytes show which encoding
                // the server used.
                if let Some(name) =
                    value.trim().splitn(3, '\'').nth(2).and_then(|encoded| clean(&percent_decoded(encoded)))
                {
                    return Some(name);
                }
            }
            "filename" => fallback = clean(&unquoted(value.trim())),
            _ => {}
        }
    }
    fallback
}

/// Splits the value of a header at the semicolons that are not inside a quoted string.
fn parameters(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c| {
        let separates = c == ';' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && quoted && !escaped;
        separates
    })
}

/// Removes the quotes around a quoted string. A value without quotes is returned unchanged.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    // Inside a quoted string, servers escape only quotation marks. Any other backslash separates the
    // directories of a Windows path, and `clean` removes the directories.
    inner.replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_name_of_a_fetched_file_comes_from_content_disposition_or_else_from_the_url_path() {
        for (disposition, path, expected) in [
            (None, "/a/b/photo.jpg?x=/y", Some("photo.jpg")),
            (None, "/a/caf%C3%A9.png", Some("café.png")),
            (None, "/a/%2e%2e%2fetc%2fpasswd", Some("passwd")),
            (None, "/a/", None),
            (None, "/%2e%2e", None),
            (None, "/a%00%0Ab.gif", Some("ab.gif")),
            (Some("attachment"), "/x.jpg", Some("x.jpg")),
            (Some("inline; filename=y.png"), "/x.jpg", Some("y.png")),
            (Some("attachment; filename=\"a; b.png\"; size=3"), "/x.jpg", Some("a; b.png")),
            (Some("attachment; filename=\"a \\\"b\\\".png\""), "/x.jpg", Some("a \"b\".png")),
            (Some("attachment; filename=\"C:\\tmp\\c.png\""), "/x.jpg", Some("c.png")),
            (Some("attachment; FileName*=UTF-8''%e2%82%ac.png; filename=e.png"), "/x.jpg", Some("€.png")),
            (
                Some("attachment; filename=e.png; filename*=utf-8'de'%2fetc%2f%e2%82%ac.png"),
                "/x.jpg",
                Some("€.png"),
            ),
            (Some("attachment; filename*=broken; filename=e.png"), "/x.jpg", Some("e.png")),
            (Some("attachment; filename=\"../..\""), "/x.jpg", Some("x.jpg")),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = disposition {
                headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(value));
            }
            let url = Url::parse("http://example.com").unwrap().join(path).unwrap();
            assert_eq!(find_file_name(&headers, &url).as_deref(), expected, "{disposition:?} {path}");
        }
    }

    #[test]
    fn a_file_name_in_raw_utf8_raw_latin1_or_the_extended_parameter_filename_is_decoded() {
        for (disposition, path, expected) in [
            ("attachment; filename=\"caf\u{e9}.png\"".as_bytes(), "/x.jpg", "caf\u{e9}.png"),
            (b"attachment; filename=\"caf\xe9.png\"", "/x.jpg", "caf\u{e9}.png"),
            (b"attachment; filename=caf\xe9.png", "/x.jpg", "caf\u{e9}.png"),
            ("attachment; filename=\"\u{65e5}\u{672c}.png\"".as_bytes(), "/x.jpg", "\u{65e5}\u{672c}.png"),
            (b"attachment; filename*=UTF-8''caf%C3%A9.png", "/x.jpg", "caf\u{e9}.png"),
            (b"filename*=iso-8859-1'en'%A3.png", "/x.jpg", "\u{a3}.png"),
            (b"inline", "/caf%E9.png", "caf\u{e9}.png"),
        ] {
            let value = HeaderValue::from_bytes(disposition).unwrap();
            let headers = HeaderMap::from_iter([(CONTENT_DISPOSITION, value)]);
            let url = Url::parse("http://example.com").unwrap().join(path).unwrap();
            assert_eq!(find_file_name(&headers, &url).as_deref(), Some(expected), "{path}");
        }
    }
}
