//! Tests of the object `store`.

use serde_json::{Value, json};

use super::{fetch, refusal, spec};
use crate::work::request::{BucketCredentials, StoreSpec};

/// Returns a request with a complete object `store` for `provider`, changed by the members of `more`.
fn with_store(provider: &str, more: &Value) -> Value {
    let mut store = match provider {
        "azure" => json!({ "account": "acme", "key": "c2VjcmV0", "container": "photos" }),
        "cloudflare" => json!({ "account": "0a1b", "key": "K", "secret": "S", "bucket": "photos" }),
        "s3" => {
            json!({ "endpoint": "https://s3.example.com:9000/", "key": "K", "secret": "S", "bucket": "photos" })
        }
        "google" => json!({ "key": "K", "secret": "S", "bucket": "photos" }),
        _ => json!({ "key": "K", "secret": "S", "bucket": "photos", "region": "eu-west-3" }),
    };
    let object = store.as_object_mut().expect("an object");
    object.insert("provider".to_owned(), provider.into());
    object.extend(more.as_object().expect("an object").clone());
    json!({ "store": store })
}

fn store(provider: &str, more: &Value) -> StoreSpec {
    let spec = spec(&with_store(provider, more));
    assert_eq!(spec.warnings, Vec::<String>::new());
    spec.store.expect("the request has a store")
}

#[test]
fn each_provider_of_a_bucket_has_its_own_url_and_region() {
    let dotted = json!({ "bucket": "a.b" });
    let endpoint = json!({ "endpoint": "http://h:81/x/" });
    for (provider, more, url, region) in [
        ("aws", json!({}), "https://photos.s3.eu-west-3.amazonaws.com", "eu-west-3"),
        ("aws", dotted, "https://s3.eu-west-3.amazonaws.com/a.b", "eu-west-3"),
        ("aws", endpoint, "http://h:81/x/photos", "eu-west-3"),
        ("digitalocean", json!({}), "https://photos.eu-west-3.digitaloceanspaces.com", "eu-west-3"),
        ("google", json!({}), "https://storage.googleapis.com/photos", "auto"),
        ("cloudflare", json!({}), "https://0a1b.r2.cloudflarestorage.com/photos", "auto"),
        ("s3", json!({}), "https://s3.example.com:9000/photos", "us-east-1"),
        ("s3", json!({ "region": "x-1" }), "https://s3.example.com:9000/photos", "x-1"),
    ] {
        let store = store(provider, &more);
        assert_eq!(store.bucket_url, url);
        let region = region.to_owned();
        let expected = BucketCredentials::S3 { key: "K".to_owned(), secret: "S".to_owned(), region };
        assert!(store.credentials == expected, "{provider}");
    }
    let azure = store("azure", &json!({}));
    assert_eq!(azure.bucket_url, "https://acme.blob.core.windows.net/photos");
    let expected = BucketCredentials::Azure { account: "acme".to_owned(), key: "c2VjcmV0".to_owned() };
    assert!(azure.credentials == expected);
}

#[test]
fn an_object_is_public_by_default_if_the_provider_has_acls_of_objects() {
    for (provider, expected) in [
        ("aws", Some("public-read")),
        ("digitalocean", Some("public-read")),
        ("google", Some("public-read")),
        ("s3", Some("public-read")),
        ("azure", None),
        ("cloudflare", None),
    ] {
        assert_eq!(store(provider, &json!({})).acl, expected, "{provider}");
    }
    assert_eq!(store("aws", &json!({ "acl": "none" })).acl, None);
    let warned = spec(&with_store("cloudflare", &json!({ "acl": "private" })));
    assert_eq!(warned.warnings, ["store.acl has no effect with the provider cloudflare and was ignored"]);
}

#[test]
fn a_bucket_without_a_required_attribute_is_refused_with_the_name_of_the_attribute() {
    assert_eq!(refusal(&json!({ "store": {} })), "store.provider is required");
    for (provider, required) in [
        ("aws", vec!["key", "secret", "bucket", "region"]),
        ("digitalocean", vec!["key", "secret", "bucket", "region"]),
        ("google", vec!["key", "secret", "bucket"]),
        ("cloudflare", vec!["account", "key", "secret", "bucket"]),
        ("s3", vec!["endpoint", "key", "secret", "bucket"]),
        ("azure", vec!["account", "key", "container"]),
    ] {
        for name in required {
            let message = refusal(&with_store(provider, &json!({ name: null })));
            assert_eq!(message, format!("store.{name} is required with the provider {provider}"));
        }
    }
}

#[test]
fn an_invalid_attribute_of_a_bucket_is_refused_with_its_name_and_the_accepted_values() {
    for (more, expected) in [
        (json!({ "path": "/a" }), "store.path must be an object key of 1 to 1024 bytes"),
        (json!({ "path": "a/" }), "store.path must be an object key"),
        (json!({ "path": "a/../b" }), "store.path must be an object key"),
        (json!({ "path": "a\nb" }), "store.path must be an object key"),
        (json!({ "path": "a".repeat(1_025) }), "store.path must be an object key"),
        (json!({ "path": "" }), "store.path must be an object key"),
        (json!({ "bucket": "Photos" }), "store.bucket must be a name of 3 to 63 lower-case letters"),
        (json!({ "bucket": "a/b" }), "store.bucket must be a name"),
        (json!({ "region": "eu.evil.example" }), "store.region must be a name of 1 to 32"),
        (json!({ "region": "eu/" }), "store.region must be a name"),
        (json!({ "key": "a b" }), "store.key must be a text of 1 to 256 printable ASCII characters"),
        (json!({ "key": "a/b" }), "store.key must not have a slash"),
        (json!({ "secret": "ä" }), "store.secret must be a text of 1 to 1024 printable ASCII characters"),
        (json!({ "acl": "everybody" }), "store.acl must be one of public-read, private"),
        (json!({ "class": "a b" }), "store.class must be a name of 1 to 64 letters"),
        (
            json!({ "endpoint": "https://u:p@h/" }),
            "store.endpoint must be an http or https URL without user name",
        ),
        (
            json!({ "endpoint": "https://h/?a" }),
            "store.endpoint must be an http or https URL without user name",
        ),
        (
            json!({ "metadata": { "a-b": "c" } }),
            "a name in store.metadata must be letters, digits and underscores",
        ),
        (json!({ "metadata": { "a": "c".repeat(2_048) } }), "store.metadata must be an object of names"),
        (json!({ "metadata": { "a": "1", "A": "2" } }), "store.metadata must not have a twice"),
        (json!({ "metadata": { "a": "ü" } }), "store.metadata.a must be a text of 1 to 2048 printable ASCII"),
        (
            json!({ "headers": { "Cache-Control": [] } }),
            "store.headers.Cache-Control must be a text of 1 to 1024",
        ),
        (json!({ "headers": "x" }), "store.headers must be an object with Cache-Control, Content-Type"),
    ] {
        let message = refusal(&with_store("aws", &more));
        assert!(message.starts_with(expected), "{more}: {message}");
    }
    let message = refusal(&with_store("azure", &json!({ "key": "no Base64!" })));
    assert!(message.starts_with("store.key must be"), "{message}");
    for (name, value) in [("account", "a/b"), ("container", "Photos")] {
        let message = refusal(&with_store("azure", &json!({ name: value })));
        assert!(message.starts_with(&format!("store.{name} must be a name")), "{message}");
    }
}

#[test]
fn an_unknown_header_of_an_object_is_a_warning_and_names_of_headers_have_any_case() {
    let more = json!({ "headers": { "X-Own": "1", "CONTENT-TYPE": "image/x", "Cache-control": null } });
    let spec = spec(&with_store("aws", &more));
    assert_eq!(spec.warnings, ["store.headers.X-Own is unknown and was ignored"]);
    let headers = spec.store.expect("the request has a store").headers;
    assert_eq!(headers, [(http::header::CONTENT_TYPE, "image/x".to_owned())]);
}

#[test]
fn the_debug_text_of_a_bucket_contains_no_secret() {
    let more = json!({ "key": "CANARY1", "secret": "CANARY2", "metadata": { "a": "CANARY3" },
                       "headers": { "Cache-Control": "CANARY4" } });
    let text = format!("{:?}", fetch(&with_store("aws", &more)));
    assert!(text.contains("photos.s3") && !text.contains("CANARY"), "{text}");
}
