//! Tests of the function `parse`. Most tests are tables of requests with the expected `Spec`, error message
//! or warnings.

mod effects;
mod geometry;
mod headers;
mod json_values;
mod properties;
mod store;
mod watermark_and_output;
mod webhook;

use pixaven_imaging::Plan;
use serde_json::{Value, json};

use super::{RequestError, RequestKind, Spec, parse};

/// Parses a `fetch` request that consists of a `url` and the members of the JSON object `more`.
fn fetch(more: &Value) -> Result<Spec, RequestError> {
    let mut body = json!({"url": "https://example.com/image.jpg"});
    let more = more.as_object().expect("requests are objects").clone();
    body.as_object_mut().expect("an object").extend(more);
    parse(body.to_string().as_bytes(), RequestKind::Fetch, false)
}

fn spec(more: &Value) -> Spec {
    fetch(more).unwrap_or_else(|error| panic!("{more}: {error}"))
}

fn plan(more: &Value) -> Plan {
    spec(more).plan
}

/// Returns the error message of a request that is refused with the status 422.
fn refusal(more: &Value) -> String {
    match fetch(more) {
        Err(RequestError::Invalid(message)) => message,
        other => panic!("{more} gave {other:?}"),
    }
}

/// Asserts that a request yields exactly the plan `expected` and no warnings.
fn assert_plan(more: &Value, expected: Plan) {
    let spec = spec(more);
    assert_eq!((spec.plan, spec.warnings), (expected, Vec::new()), "{more}");
}

/// Returns a request whose `webhook` object consists of a `url` and the members of the JSON object `more`.
fn with_webhook(more: &Value) -> Value {
    let mut webhook = json!({"url": "https://receiver.example/hook"});
    webhook.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "webhook": webhook })
}
