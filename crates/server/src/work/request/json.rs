//! Parses the bytes of a request into a JSON object whose nesting depth is limited.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{RequestError, RequestKind};

/// The largest depth to which objects and lists may be nested. The object of the request is the first level.
pub(super) const MAX_DEPTH: usize = 32;

/// The byte-order mark in UTF-8. Some clients send a byte-order mark before the JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns `body` without its byte-order mark, if `body` begins with one.
pub fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// Returns the object in a JSON value. An empty list counts as an empty object, because PHP writes an empty
/// object as `[]`. Returns `None` for every other value.
pub fn as_object(value: &Value) -> Option<Cow<'_, Map<String, Value>>> {
    match value {
        Value::Object(object) => Some(Cow::Borrowed(object)),
        Value::Array(list) if list.is_empty() => Some(Cow::Owned(Map::new())),
        _ => None,
    }
}

/// Parses the JSON object of a request. The JSON of an upload may be absent, which counts as an empty object.
pub(super) fn parse_object(body: &[u8], kind: RequestKind) -> Result<Map<String, Value>, RequestError> {
    let json_part = match kind {
        RequestKind::Fetch => "the body",
        RequestKind::Upload => "the part `data`",
    };
    let body = without_byte_order_mark(body);
    if kind == RequestKind::Upload && body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    // The depth is checked before parsing, for two reasons: the client gets a message about the limit of this
    // server, not about the limit of the JSON parser, and deeply nested input costs only one pass over the
    // bytes.
    if is_deeper_than(MAX_DEPTH, body) {
        return Err(RequestError::Invalid(format!(
            "{json_part} is nested deeper than the limit of {MAX_DEPTH} levels"
        )));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Array(list)) if list.is_empty() => Ok(Map::new()),
        Ok(Value::Null) if kind == RequestKind::Upload => Ok(Map::new()),
        Ok(_) => Err(RequestError::Malformed(format!("{json_part} must be a JSON object"))),
        Err(error) => Err(RequestError::Malformed(format!("{json_part} is not JSON: {error}"))),
    }
}

/// Returns whether the brackets of a JSON text are nested deeper than `limit`. Brackets inside of strings are
/// ignored.
fn is_deeper_than(limit: usize, body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if depth == limit => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
