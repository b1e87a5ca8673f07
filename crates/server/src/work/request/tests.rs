//! Requests through `parse`, in tables: what they mean, how they are refused, what they warn about.

mod delivery;
mod operations;
mod properties;
mod wire;

use pixaven_imaging::Plan;
use serde_json::{Value, json};

use super::{RequestError, RequestKind, Spec, parse};

/// Reads a `fetch` with a `url` and what `more` has.
fn fetch(more: &Value) -> Result<Spec, RequestError> {
    let mut body = json!({"url": "https://example.com/image.jpg"});
    let more = more.as_object().expect("requests are objects").clone();
    body.as_object_mut().expect("an object").extend(more);
    parse(body.to_string().as_bytes(), RequestKind::Fetch, false)
}

fn spec(more: &Value) -> Spec {
    fetch(more).unwrap_or_else(|problem| panic!("{more}: {problem}"))
}

fn plan(more: &Value) -> Plan {
    spec(more).plan
}

/// The message of a 422.
fn refusal(more: &Value) -> String {
    match fetch(more) {
        Err(RequestError::Invalid(message)) => message,
        other => panic!("{more} gave {other:?}"),
    }
}
