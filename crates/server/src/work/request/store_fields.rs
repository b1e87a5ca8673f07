//! The types of values in the object `store`. Their error messages never repeat a value, because `store` holds
//! secrets.

use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use std::borrow::Cow;

use super::RequestError;
use super::json::as_object;
use super::schema::{ValueParser, ValueSchema, invalid_value};
use super::warnings::{Warnings, attribute_path};

/// The largest total length of the names and values in `metadata`, in bytes. Amazon S3 has the same limit.
const MAX_METADATA_BYTES: usize = 2_048;
/// The longest value of a header of an object, in bytes.
const MAX_HEADER_BYTES: usize = 1_024;
/// The longest object key, in bytes.
const MAX_KEY_BYTES: usize = 1_024;
/// The headers that an object may have.
const OBJECT_HEADERS: [(&str, HeaderName); 5] = [
    ("Cache-Control", header::CACHE_CONTROL),
    ("Content-Type", header::CONTENT_TYPE),
    ("Content-Encoding", header::CONTENT_ENCODING),
    ("Content-Language", header::CONTENT_LANGUAGE),
    ("Content-Disposition", header::CONTENT_DISPOSITION),
];

/// The value type of a text that is not empty and fulfils a rule.
pub(super) struct Text {
    /// The phrase that describes the accepted texts in error messages.
    pub(super) expected: &'static str,
    /// Returns whether a text that is not empty is accepted.
    pub(super) is_valid: fn(&str) -> bool,
}

impl ValueSchema for Text {
    fn expected(&self) -> String {
        self.expected.to_owned()
    }
}

impl ValueParser for Text {
    type Parsed = String;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<String, RequestError> {
        match value {
            Value::String(text) if !text.is_empty() && (self.is_valid)(text) => Ok(text.clone()),
            Value::String(_) => {
                Err(RequestError::Invalid(format!("{path} must be {}, got another text", self.expected)))
            }
            _ => Err(invalid_value(self, path, value)),
        }
    }
}

/// Returns whether a text can be a part of a host name: lower-case letters, digits, hyphens and single dots,
/// with a letter or a digit at both ends.
pub(super) fn is_host_part(text: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
        && !text.contains("..")
}

/// Returns whether a text is an object key that every provider accepts. The segments `.` and `..` are refused,
/// because URL parsers remove them.
pub(super) fn is_object_key(text: &str) -> bool {
    text.len() <= MAX_KEY_BYTES
        && !text.starts_with('/')
        && !text.ends_with('/')
        && !text.chars().any(char::is_control)
        && !text.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// The value type of the attribute `metadata`: names with their values.
pub(super) struct Metadata;

impl ValueSchema for Metadata {
    fn expected(&self) -> String {
        format!("an object of names with their values, together at most {MAX_METADATA_BYTES} bytes")
    }
}

impl ValueParser for Metadata {
    type Parsed = Vec<(String, String)>;

    fn parse(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Self::Parsed, RequestError> {
        let object = object_of(self, path, value)?;
        let mut metadata: Vec<(String, String)> = Vec::new();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            // The names of Azure must be identifiers. A name that one provider refuses is refused for all.
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
            if !is_name {
                return Err(RequestError::Invalid(format!(
                    "a name in {path} must be letters, digits and underscores, and must not begin with a digit"
                )));
            }
            let name = name.to_ascii_lowercase();
            if metadata.iter().any(|(known, _)| *known == name) {
                return Err(RequestError::Invalid(format!("{path} must not have {name} twice")));
            }
            let text = header_text(&attribute_path(path, &name), value, MAX_METADATA_BYTES)?;
            metadata.push((name, text));
        }
        let n_bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if n_bytes > MAX_METADATA_BYTES {
            return Err(RequestError::Invalid(format!("{path} must be {}, got {n_bytes}", self.expected())));
        }
        Ok(metadata)
    }
}

/// The value type of the attribute `headers` in `store`: the HTTP headers with which the provider serves the
/// object.
pub(super) struct ObjectHeaders;

impl ValueSchema for ObjectHeaders {
    fn expected(&self) -> String {
        format!("an object with {}", OBJECT_HEADERS.map(|(name, _)| name).join(", "))
    }
}

impl ValueParser for ObjectHeaders {
    type Parsed = Vec<(HeaderName, String)>;

    fn parse(
        &self,
        value: &Value,
        path: &str,
        warnings: &mut Warnings,
    ) -> Result<Self::Parsed, RequestError> {
        let object = object_of(self, path, value)?;
        let mut headers: Vec<(HeaderName, String)> = Vec::new();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let known = OBJECT_HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((known, header)) = known else {
                warnings.add_unknown(path, name, OBJECT_HEADERS.map(|(name, _)| name));
                continue;
            };
            let text = header_text(&attribute_path(path, known), value, MAX_HEADER_BYTES)?;
            headers.retain(|(present, _)| present != header);
            headers.push((header.clone(), text));
        }
        Ok(headers)
    }
}

fn object_of<'a>(
    schema: &impl ValueSchema,
    path: &str,
    value: &'a Value,
) -> Result<Cow<'a, Map<String, Value>>, RequestError> {
    as_object(value).ok_or_else(|| invalid_value(schema, path, value))
}

/// Converts a JSON value to the value of a header. Spaces at the ends are removed, because a header has none.
fn header_text(attribute: &str, value: &Value, max_bytes: usize) -> Result<String, RequestError> {
    let text = match value {
        Value::String(text) => Some(text.trim_matches(' ').to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    };
    text.filter(|text| !text.is_empty() && text.len() <= max_bytes)
        .filter(|text| text.is_ascii() && HeaderValue::from_str(text).is_ok())
        .ok_or_else(|| {
            RequestError::Invalid(format!(
                "{attribute} must be a text of 1 to {max_bytes} printable ASCII characters"
            ))
        })
}
