//! The HTTP headers that a request adds to the download of its image or to its webhook.

use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::RequestError;
use super::json::as_object;
use super::schema::{ValueParser, ValueSchema, invalid_value};
use super::warnings::{Warnings, attribute_path};
use crate::work::redact::has_credentials;

/// The largest number of headers in one `headers` object of a request.
const MAX_HEADERS: usize = 20;
/// The largest length of a header's value, in bytes.
const MAX_VALUE_BYTES: usize = 4_096;
/// The headers that a request cannot set, because the server itself sets or controls them for each
/// connection.
const RESERVED: [&str; 8] =
    ["host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"];
/// The prefixes of headers that a request cannot set. The headers with the prefix `webhook-` carry the
/// signature of a webhook.
const RESERVED_PREFIXES: [&str; 3] = ["content-", "proxy-", "webhook-"];

/// Refuses the header `Authorization` beside a URL with credentials. The server sends the credentials of a
/// URL in this header, and an HTTP message may contain the header only once. `path` is the name of the object
/// that has the attributes `url` and `headers`.
pub(super) fn check_authorization(
    path: &str,
    headers: &[(String, String)],
    url: &Url,
) -> Result<(), RequestError> {
    let authorization = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match authorization {
        Some((name, _)) if has_credentials(url) => Err(RequestError::Invalid(format!(
            "{} cannot be set when {} has credentials",
            attribute_path(&attribute_path(path, "headers"), name),
            attribute_path(path, "url"),
        ))),
        _ => Ok(()),
    }
}

/// The value type of the attribute `headers`: an object of header names and their values. Error messages
/// never repeat the value of a header, because the value may be a secret.
pub(super) struct HeaderFields;

impl ValueSchema for HeaderFields {
    fn expected(&self) -> String {
        format!("an object of at most {MAX_HEADERS} header names with their values")
    }
}

impl ValueParser for HeaderFields {
    type Parsed = Vec<(String, String)>;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Self::Parsed, RequestError> {
        let Some(object) = as_object(value) else {
            return Err(invalid_value(self, path, value));
        };
        let present: Vec<(&String, &Value)> = object.iter().filter(|(_, value)| !value.is_null()).collect();
        if present.len() > MAX_HEADERS {
            return Err(RequestError::Invalid(format!(
                "{path} must be {}, got {}",
                self.expected(),
                present.len()
            )));
        }
        present.into_iter().map(|(name, value)| parse_header(path, name, value)).collect()
    }
}

fn parse_header(path: &str, name: &str, value: &Value) -> Result<(String, String), RequestError> {
    let Ok(header_name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(RequestError::Invalid(format!("a name in {path} must be letters, digits and hyphens")));
    };
    let attribute = attribute_path(path, name);
    let lowercase = header_name.as_str();
    let is_reserved =
        RESERVED.contains(&lowercase) || RESERVED_PREFIXES.iter().any(|prefix| lowercase.starts_with(prefix));
    if is_reserved {
        return Err(RequestError::Invalid(format!("{attribute} cannot be set by a request")));
    }
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    text.filter(|text| {
        text.len() <= MAX_VALUE_BYTES && text.is_ascii() && HeaderValue::from_str(text).is_ok()
    })
    .map(|text| (name.to_owned(), text))
    .ok_or_else(|| {
        RequestError::Invalid(format!(
            "{attribute} must be a text of at most {MAX_VALUE_BYTES} printable ASCII characters"
        ))
    })
}
