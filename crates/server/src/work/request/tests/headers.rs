//! Tests of the attribute `url` of a request, and of the attribute `headers` of a request and of its webhook.

use serde_json::{Value, json};

use super::super::{RequestError, RequestKind, parse};
use super::{fetch, refusal, spec, with_webhook};

#[test]
fn a_fetch_without_an_http_or_https_url_is_refused() {
    let no_url = Err(RequestError::Invalid("url is required".to_owned()));
    assert_eq!(parse(b"{}", RequestKind::Fetch, false), no_url);
    assert_eq!(parse(br#"{"url":null}"#, RequestKind::Fetch, false), no_url);
    let empty_host = "url must be an http or https URL, got one that cannot be read: empty host";
    for (url, message) in [
        (json!("ftp://example.com/a"), "url must be an http or https URL, got another scheme"),
        (json!("file:///etc/passwd"), "url must be an http or https URL, got another scheme"),
        (json!("javascript:alert(1)"), "url must be an http or https URL, got another scheme"),
        (json!("http://"), empty_host),
        (json!("https:///"), empty_host),
        (json!(5), "url must be an http or https URL, got a number"),
        (
            json!(format!("https://example.com/{}", "a".repeat(9_000))),
            "url must be an http or https URL, got one of more than 8192 bytes",
        ),
    ] {
        assert_eq!(refusal(&json!({ "url": url })), message);
    }
    let message = refusal(&json!({"url": "ftp://user:secret@example.com/"}));
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn the_error_about_an_attribute_that_may_hold_credentials_does_not_repeat_the_attribute_value() {
    let secret = "http://u:PASS@h/";
    for (request, message) in [
        (json!({"webhook": secret}), "webhook must be an object, got a string"),
        (json!({"webhook": [secret]}), "webhook must be an object, got a list"),
        (
            json!({"headers": "Bearer PASS"}),
            "headers must be an object of at most 20 header names with their values, got a string",
        ),
        (json!({"headers": {"Bearer PASS": 1}}), "a name in headers must be letters, digits and hyphens"),
        (json!({"url": "u:PASS@h/"}), "url must be an http or https URL, got another scheme"),
        (json!({"watermark": {"url": 12_345}}), "watermark.url must be an http or https URL, got a number"),
        (
            with_webhook(&json!({"url": {"PASS": 1}})),
            "webhook.url must be an http or https URL, got an object",
        ),
        (
            with_webhook(&json!({"delay": secret})),
            "webhook.delay must be an integer from 0 to 604800, got a string",
        ),
        (with_webhook(&json!({"retry": secret})), "webhook.retry must be true or false, got a string"),
        (
            json!({"store": {"provider": "PASS"}}),
            "store.provider must be one of aws, digitalocean, google, azure, cloudflare, s3, got a string",
        ),
        (
            json!({"store": {"secret": ["PASS"]}}),
            "store.secret must be a text of 1 to 1024 printable ASCII characters, got a list",
        ),
        (
            json!({"store": {"endpoint": "u:PASS@h"}}),
            "store.endpoint must be an http or https URL, got another scheme",
        ),
    ] {
        assert_eq!(refusal(&request), message);
    }
}

#[test]
fn a_request_whose_attribute_headers_contains_a_reserved_http_header_is_refused() {
    for name in [
        "Host",
        "content-type",
        "Content-Length",
        "CONTENT-anything",
        "Connection",
        "Transfer-Encoding",
        "Proxy-Authorization",
        "Expect",
        "webhook-signature",
    ] {
        let message = format!("webhook.headers.{name} cannot be set by a request");
        assert_eq!(refusal(&with_webhook(&json!({"headers": {name: "x"}}))), message);
        assert_eq!(refusal(&json!({"headers": {name: "x"}})), message.replace("webhook.", ""));
    }
}

#[test]
fn a_request_with_both_an_authorization_header_and_a_url_that_has_credentials_is_refused() {
    let headers = json!({"authorization": "Bearer abc"});
    assert!(fetch(&with_webhook(&json!({"headers": headers}))).is_ok());
    assert_eq!(
        refusal(&with_webhook(&json!({"headers": headers, "url": "https://user@receiver.example/"}))),
        "webhook.headers.authorization cannot be set when webhook.url has credentials",
    );
    assert_eq!(spec(&json!({"headers": headers})).source_headers.len(), 1);
    assert_eq!(
        refusal(&json!({"headers": headers, "url": "https://:password@example.com/"})),
        "headers.authorization cannot be set when url has credentials",
    );
}

#[test]
fn a_request_whose_attribute_headers_is_malformed_or_has_more_than_20_entries_is_refused() {
    for (headers, message) in [
        (json!([1]), "headers must be an object of at most 20 header names with their values, got a list"),
        (json!({"a b": "x"}), "a name in headers must be letters, digits and hyphens"),
        (json!({"": "x"}), "a name in headers must be letters, digits and hyphens"),
        (json!({"x": "a\r\nb: c"}), "headers.x must be a text of at most 4096 printable ASCII characters"),
        (json!({"x": "é"}), "headers.x must be a text of at most 4096 printable ASCII characters"),
        (json!({"x": {}}), "headers.x must be a text of at most 4096 printable ASCII characters"),
        (
            json!({"x": "a".repeat(4_097)}),
            "headers.x must be a text of at most 4096 printable ASCII characters",
        ),
    ] {
        assert_eq!(refusal(&json!({ "headers": headers })), message);
    }
    let many = |n: usize| -> Value {
        let headers: serde_json::Map<String, Value> =
            (0..n).map(|i| (format!("x-{i}"), json!("v"))).collect();
        json!({ "headers": headers })
    };
    assert_eq!(spec(&many(20)).source_headers.len(), 20);
    let message = "headers must be an object of at most 20 header names with their values, got 21";
    assert_eq!(refusal(&many(21)), message);
}
