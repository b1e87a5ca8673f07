//! Tests with origins and clients whose bytes cost the server more time or memory than they should.

use futures_util::future::join_all;
use pixaven_imaging::plan::Format;
use pixaven_testkit::hostile_origins::{self, HostileOrigin};
use pixaven_testkit::multipart;
use pixaven_testkit::tls::CertificateAuthority;
use pixaven_testkit::wire_client::send_raw;
use serde_json::{Map, Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// The test runs the origins that have one of these texts in their names. The other origins of the test kit
/// take long or send many bytes. The load tool `origins` runs all origins.
const SAMPLE: [&str; 6] = ["resets", "hangs up", "endless", "chunks of one byte", "redirects", "cut off"];

#[tokio::test]
async fn a_fetch_from_a_hostile_origin_ends_with_the_error_that_names_the_cause() {
    let authority = CertificateAuthority::new();
    let ca_file = authority.pem_file().display().to_string();
    let app = TestApp::start_with(&[("network.extra_ca", ca_file.as_str())]).await;
    let is_chosen = |origin: &HostileOrigin| {
        !origin.ends_at_deadline && SAMPLE.iter().any(|text| origin.name.contains(text))
    };
    let origins: Vec<_> = hostile_origins::all(&authority).into_iter().filter(is_chosen).collect();
    assert!(origins.len() > 40, "{}", origins.len());
    let fetches = origins.into_iter().map(async |origin| {
        let (name, expected) = (origin.name, origin.errors);
        let running = origin.start();
        let response = app.fetch(&json!({ "url": running.url.as_str() })).await.json();
        let word = response["error"].as_str().unwrap_or("none").to_owned();
        assert!(expected.contains(&word.as_str()), "{name}: {response}");
    });
    join_all(fetches).await;
}

#[tokio::test]
async fn the_error_for_a_fetch_whose_origin_sends_one_byte_chunks_names_the_limit_on_small_chunks() {
    let app = TestApp::start().await;
    let origins = hostile_origins::all(&CertificateAuthority::new());
    let origin = origins.into_iter().find(|origin| origin.name == "chunks of one byte").expect("it exists");
    let running = origin.start();
    let response = app.fetch(&json!({ "url": running.url.as_str() })).await;
    let json = response.json();
    assert_eq!((response.status, &json["error"]), (422, &json!("source_refused")));
    let message = json["message"].to_string();
    assert!(message.contains("8192") && message.contains("256 bytes"), "{message}");
}

#[tokio::test]
async fn a_request_with_100_000_unknown_attributes_is_processed_with_20_warnings() {
    let app = TestApp::start().await;
    let json: Map<String, Value> = (0..100_000).map(|n| (format!("{n:x}"), json!(1))).collect();
    let response = app.upload("a.png", &test_image(8, 8, Format::Png), &Value::Object(json)).await;
    let json = response.json();
    assert_eq!(response.status, 200, "{json}");
    let warnings = json["warnings"].as_array().expect("the answer has warnings");
    assert_eq!((warnings.len(), &warnings[20]), (21, &json!("and 99980 more")));
}

/// Sends a request whose body is `body` in chunks of one byte.
async fn send_byte_by_byte(app: &TestApp, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\n\
         Transfer-Encoding: chunked\r\nConnection: close",
        app.address, app.key
    );
    let chunks: Vec<u8> = body.iter().flat_map(|&byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']).collect();
    let response = send_raw(app.address, &head, &[&chunks, &b"0\r\n\r\n"[..]].concat()).await;
    (response.status, response.json())
}

#[tokio::test]
async fn a_request_body_in_too_many_tiny_chunks_is_refused_by_every_endpoint_that_reads_a_body() {
    let app = TestApp::start().await;
    let spaces = " ".repeat(9_000);
    let upload = multipart::upload("a.png", &test_image(8, 8, Format::Png), &spaces);
    for (path, content_type, body) in [
        ("/1.0/fetch", "application/json", spaces.as_bytes()),
        ("/1.0/webhooks/test", "application/json", spaces.as_bytes()),
        ("/1.0/webhooks/resend", "application/json", spaces.as_bytes()),
        ("/1.0/upload", multipart::CONTENT_TYPE, &upload),
        ("/1.0/watermarks", multipart::CONTENT_TYPE, &upload),
    ] {
        let (status, json) = send_byte_by_byte(&app, path, content_type, body).await;
        assert_eq!((status, &json["error"]), (400, &json!("malformed_request")), "{path}: {json}");
        assert!(json["message"].to_string().contains("send larger pieces"), "{path}: {json}");
    }
    let small = multipart::upload("a.png", &test_image(8, 8, Format::Png), "{}");
    let (status, json) = send_byte_by_byte(&app, "/1.0/upload", multipart::CONTENT_TYPE, &small).await;
    assert_eq!(status, 200, "a small body may arrive byte by byte: {json}");
}

#[tokio::test]
async fn the_whole_memory_budget_is_free_again_after_all_requests_have_been_answered() {
    let settings = [("images.queue_bytes", "4194304"), ("limits.body_bytes", "4194304")];
    let app = TestApp::start_with(&settings).await;
    let image = test_image(64, 64, Format::Png);
    for json in [json!({}), json!({ "response": { "mode": "binary" } }), json!({ "resize": "wrong" })] {
        app.upload("a.png", &image, &json).await;
        app.fetch(&json).await;
    }
    let mut everything = app.pipeline.sources.memory.reserve();
    everything.grow_when_free(4 << 20).await;
}
