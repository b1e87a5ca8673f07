//! Bytes to a JSON object, within a limit on its depth.

use serde_json::{Map, Value};

use super::{RequestError, RequestKind};

/// How deep objects and lists may be nested; the request itself is the first level.
pub const DEPTH: usize = 32;

/// Reads the JSON object of a request. An upload may come without one.
pub(super) fn object(body: &[u8], kind: RequestKind) -> Result<Map<String, Value>, RequestError> {
    let what = match kind {
        RequestKind::Fetch => "the body",
        RequestKind::Upload => "the part `data`",
    };
    if kind == RequestKind::Upload && body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    // Before parsing, so that the parser's own limit never speaks and deep input costs one pass over the bytes.
    if is_deeper_than(DEPTH, body) {
        return Err(RequestError::Invalid(format!(
            "{what} is nested deeper than the limit of {DEPTH} levels"
        )));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) if kind == RequestKind::Upload => Ok(Map::new()),
        Ok(_) => Err(RequestError::Malformed(format!("{what} must be a JSON object"))),
        Err(error) => Err(RequestError::Malformed(format!("{what} is not JSON: {error}"))),
    }
}

/// Counts brackets outside of strings.
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
