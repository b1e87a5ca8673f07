//! Tests of the objects `webhook`, `response` and `cdn`.

use serde_json::{Value, json};

use super::super::{RequestError, RequestKind, ResponseMode, Spec, parse};
use super::{refusal, spec, with_webhook};

#[test]
fn valid_attributes_of_the_request_object_webhook_are_parsed_and_invalid_attributes_are_refused() {
    let minimal = spec(&with_webhook(&json!({}))).webhook.unwrap();
    assert_eq!(minimal.url.as_str(), "https://receiver.example/hook");
    assert_eq!(
        (minimal.delay_ms, minimal.expires_ms, minimal.retry, minimal.headers),
        (0, None, true, Vec::new())
    );
    let full = with_webhook(
        &json!({"url": "http://u:p@[::1]:8080/?a=b", "delay": "604800", "expires": 1, "retry": false,
                              "headers": {"X-Token": "abc", "x-number": 7, "x-none": null}}),
    );
    let full = spec(&full).webhook.unwrap();
    assert_eq!(full.url.as_str(), "http://u:p@[::1]:8080/?a=b");
    assert_eq!((full.delay_ms, full.expires_ms, full.retry), (604_800_000, Some(1_000), false));
    let headers =
        [("X-Token", "abc"), ("x-number", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(full.headers, headers);

    for (more, message) in [
        (json!({"url": null}), "webhook.url is required"),
        (json!({"url": "mailto:a@b.c"}), "webhook.url must be an http or https URL, got another scheme"),
        (json!({"delay": -1}), "webhook.delay must be an integer from 0 to 604800, got a number"),
        (json!({"delay": 604_801}), "webhook.delay must be an integer from 0 to 604800, got a number"),
        (json!({"expires": 0}), "webhook.expires must be an integer from 1 to 5184000, got a number"),
        (json!({"retry": "never"}), "webhook.retry must be true or false, got a string"),
    ] {
        assert_eq!(refusal(&with_webhook(&more)), message);
    }
    assert_eq!(refusal(&json!({"webhook": "https://a.b/"})), "webhook must be an object, got a string");
}

#[test]
fn a_request_for_both_a_binary_response_and_a_webhook_is_refused() {
    let binary = json!({"response": {"mode": "binary"}});
    assert_eq!(spec(&binary).response, ResponseMode::Binary);
    let message = "a binary response (response.mode or X-Pixaven-Binary) cannot be combined with webhook";
    let mut both = with_webhook(&json!({}));
    both["response"] = json!({"mode": "binary"});
    assert_eq!(refusal(&both), message);

    let by_header = |body: &Value| parse(body.to_string().as_bytes(), RequestKind::Upload, true);
    assert_eq!(by_header(&json!({})).unwrap().response, ResponseMode::Binary);
    assert_eq!(by_header(&json!({"response": {"mode": "json"}})).unwrap().response, ResponseMode::Binary);
    assert_eq!(by_header(&with_webhook(&json!({}))), Err(RequestError::Invalid(message.to_owned())));
    assert_eq!(
        refusal(&json!({"response": {"mode": "xml"}})),
        "response.mode must be one of json, binary, got \"xml\"",
    );
}

#[test]
fn a_result_is_delivered_by_the_cdn_unless_the_request_forbids_it() {
    for (request, expected) in
        [(json!({}), true), (json!({"cdn": {"push": true}}), true), (json!({"cdn": {"push": false}}), false)]
    {
        assert_eq!(spec(&request).cdn_push, expected, "{request}");
    }
}

#[test]
fn the_debug_output_of_a_parsed_request_contains_no_secret() {
    let mut request = with_webhook(&json!({
        "url": "https://hookuser:hookpassword@receiver.example:8443/hook?hooktoken=1",
        "headers": {"X-Hook": "hookheader"},
    }));
    request["url"] = json!("https://srcuser:srcpassword@example.com/i.jpg?srctoken=1");
    request["headers"] = json!({"X-Source": "srcheader"});
    let debug_output = format!("{:?}", spec(&request) as Spec);
    for secret in ["password", "user:", "token", "srcheader", "hookheader"] {
        assert!(!debug_output.contains(secret), "{secret} in {debug_output}");
    }
    for harmless in
        ["https://***@receiver.example:8443/hook?***", "https://***@example.com/i.jpg?***", "X-Hook"]
    {
        assert!(debug_output.contains(harmless), "{harmless} in {debug_output}");
    }
}
