//! Addresses, webhooks, headers, and how the answer comes.

use serde_json::{Value, json};

use super::super::{RequestError, RequestKind, ResponseMode, Spec, parse};
use super::{fetch, refusal, spec};

fn webhook(more: &Value) -> Value {
    let mut webhook = json!({"url": "https://receiver.example/hook"});
    webhook.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "webhook": webhook })
}

#[test]
fn fetch_needs_a_web_address() {
    let no_url = Err(RequestError::Invalid("url is required".to_owned()));
    assert_eq!(parse(b"{}", RequestKind::Fetch, false), no_url);
    assert_eq!(parse(br#"{"url":null}"#, RequestKind::Fetch, false), no_url);
    let host_less = "url must be an http or https URL, got one that cannot be read: empty host";
    for (url, message) in [
        (json!("ftp://example.com/a"), "url must be an http or https URL, got the scheme \"ftp\""),
        (json!("file:///etc/passwd"), "url must be an http or https URL, got the scheme \"file\""),
        (json!("javascript:alert(1)"), "url must be an http or https URL, got the scheme \"javascript\""),
        (json!("http://"), host_less),
        (json!("https:///"), host_less),
        (json!(5), "url must be an http or https URL, got 5"),
        (
            json!(format!("https://example.com/{}", "a".repeat(9_000))),
            "url must be an http or https URL, got one of more than 8192 bytes",
        ),
    ] {
        assert_eq!(refusal(&json!({ "url": url })), message);
    }
    let secret = refusal(&json!({"url": "ftp://user:secret@example.com/"}));
    assert!(!secret.contains("secret"), "{secret}");
}

#[test]
fn webhooks() {
    let plain = spec(&webhook(&json!({}))).webhook.unwrap();
    assert_eq!(plain.url.as_str(), "https://receiver.example/hook");
    assert_eq!((plain.delay_ms, plain.expires_ms, plain.retry, plain.headers), (0, None, true, Vec::new()));
    let full = webhook(
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
        (
            json!({"url": "mailto:a@b.c"}),
            "webhook.url must be an http or https URL, got the scheme \"mailto\"",
        ),
        (json!({"delay": -1}), "webhook.delay must be an integer from 0 to 604800, got -1"),
        (json!({"delay": 604_801}), "webhook.delay must be an integer from 0 to 604800, got 604801"),
        (json!({"expires": 0}), "webhook.expires must be an integer from 1 to 5184000, got 0"),
        (json!({"retry": "never"}), "webhook.retry must be true or false, got \"never\""),
    ] {
        assert_eq!(refusal(&webhook(&more)), message);
    }
    assert_eq!(
        refusal(&json!({"webhook": "https://a.b/"})),
        "webhook must be an object, got \"https://a.b/\""
    );
}

#[test]
fn headers_that_are_not_the_callers_are_refused() {
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
        assert_eq!(refusal(&webhook(&json!({"headers": {name: "x"}}))), message);
        assert_eq!(refusal(&json!({"headers": {name: "x"}})), message.replace("webhook.", ""));
    }
}

#[test]
fn credentials_come_from_one_place() {
    let headers = json!({"authorization": "Bearer abc"});
    assert!(fetch(&webhook(&json!({"headers": headers}))).is_ok());
    assert_eq!(
        refusal(&webhook(&json!({"headers": headers, "url": "https://user@receiver.example/"}))),
        "webhook.headers.authorization cannot be set when webhook.url has credentials",
    );
    assert_eq!(spec(&json!({"headers": headers})).source_headers.len(), 1);
    assert_eq!(
        refusal(&json!({"headers": headers, "url": "https://:password@example.com/"})),
        "headers.authorization cannot be set when url has credentials",
    );
}

#[test]
fn headers_have_a_syntax() {
    for (headers, message) in [
        (json!([]), "headers must be an object of at most 20 header names with their values, got a list"),
        (json!({"a b": "x"}), "a name in headers must be letters, digits and hyphens, got \"a b\""),
        (json!({"": "x"}), "a name in headers must be letters, digits and hyphens, got \"\""),
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

#[test]
fn binary_answers_and_webhooks_exclude_each_other() {
    let binary = json!({"response": {"mode": "binary"}});
    assert_eq!(spec(&binary).response, ResponseMode::Binary);
    let message = "a binary response (response.mode or X-Pixaven-Binary) cannot be combined with webhook";
    let mut both = webhook(&json!({}));
    both["response"] = json!({"mode": "binary"});
    assert_eq!(refusal(&both), message);

    let by_header = |body: &Value| parse(body.to_string().as_bytes(), RequestKind::Upload, true);
    assert_eq!(by_header(&json!({})).unwrap().response, ResponseMode::Binary);
    assert_eq!(by_header(&json!({"response": {"mode": "json"}})).unwrap().response, ResponseMode::Binary);
    assert_eq!(by_header(&webhook(&json!({}))), Err(RequestError::Invalid(message.to_owned())));
    assert_eq!(
        refusal(&json!({"response": {"mode": "xml"}})),
        "response.mode must be one of json, binary, got \"xml\"",
    );
}

#[test]
fn cdn_is_taken_and_changes_nothing() {
    for push in [true, false] {
        assert_eq!(spec(&json!({"cdn": {"push": push}})), spec(&json!({})));
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut request = webhook(&json!({
        "url": "https://hookuser:hookpassword@receiver.example:8443/hook?hooktoken=1",
        "headers": {"X-Hook": "hookheader"},
    }));
    request["url"] = json!("https://srcuser:srcpassword@example.com/i.jpg?srctoken=1");
    request["headers"] = json!({"X-Source": "srcheader"});
    let shown = format!("{:?}", spec(&request) as Spec);
    for secret in ["password", "user:", "token", "srcheader", "hookheader"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    for harmless in
        ["https://***@receiver.example:8443/hook?***", "https://***@example.com/i.jpg?***", "X-Hook"]
    {
        assert!(shown.contains(harmless), "{harmless} in {shown}");
    }
}
