//! Requests as the official clients really send them, rebuilt from recordings: the order of parts, empty file names,
//! `multipart/mixed`, lengths within parts, the ways to ask for a file, and the mistakes some make.

use base64::Engine as _;
use pixaven_testkit::wire_client::{WireResponse, send_raw};
use serde_json::{Value, json};

use crate::pictures::documented_jpeg;
use crate::test_app::TestApp;

/// One recorded way to send an upload.
struct Recording {
    client: &'static str,
    content_type: &'static str,
    headers: &'static str,
    /// Headers of the parts; the image's first unless `data_first`.
    file_head: &'static str,
    data_head: &'static str,
    data_first: bool,
}

const BOUNDARY: &str = "dc436ad9-9872-4bd4-98f6-0df4285b4461";

const UPLOADS: &[Recording] = &[
    Recording {
        client: "node 1.0.4",
        content_type: "multipart/form-data",
        headers: "accept: application/json",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: image/jpeg",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        data_first: false,
    },
    Recording {
        client: "python 1.0.2",
        content_type: "multipart/form-data",
        headers: "User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        data_first: true,
    },
    Recording {
        client: "go",
        content_type: "multipart/form-data",
        headers: "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        data_first: false,
    },
    Recording {
        client: "java",
        content_type: "multipart/mixed",
        headers: "Accept-Encoding: gzip\r\nUser-Agent: okhttp/3.13.1",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: application/octet-stream\r\nContent-Length: {file}",
        data_head: "Content-Disposition: form-data; name=\"data\"\r\nContent-Length: {data}",
        data_first: false,
    },
    Recording {
        client: "ruby 1.0.2",
        content_type: "multipart/form-data",
        headers: "Accept: */*\r\nUser-Agent: rest-client/2.1.0 (linux-gnu x86_64) ruby/3.1.7p261",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: text/plain",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        data_first: false,
    },
    Recording {
        client: "php 1.0.2",
        content_type: "multipart/form-data",
        headers: "User-Agent: Pixaven/1.0.0 PHP/8.2.36 CURL/7.88.1\r\nAccept: */*\r\nX-Pixavwn-Binary: 1",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: application/octet-stream",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        data_first: false,
    },
];

async fn send_upload(
    app: &TestApp,
    recording: &Recording,
    extra_headers: &str,
    image: &[u8],
    json: &str,
) -> WireResponse {
    let fill = |head: &str| {
        head.replace("{file}", &image.len().to_string()).replace("{data}", &json.len().to_string())
    };
    let file = [format!("--{BOUNDARY}\r\n{}\r\n\r\n", fill(recording.file_head)).as_bytes(), image, b"\r\n"]
        .concat();
    let data = format!("--{BOUNDARY}\r\n{}\r\n\r\n{json}\r\n", fill(recording.data_head)).into_bytes();
    let mut body = if recording.data_first { [data, file].concat() } else { [file, data].concat() };
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("{}:", app.key));
    let head = format!(
        "POST /1.0/upload HTTP/1.1\r\nHost: api.pixaven.com\r\n{}{extra_headers}\r\nAuthorization: Basic {basic}\r\n\
         Content-Type: {}; boundary={BOUNDARY}\r\nContent-Length: {}",
        recording.headers,
        recording.content_type,
        body.len()
    );
    send_raw(app.address, &head, &body).await
}

fn meta(reply: &WireResponse, name: &str) -> Value {
    let line = reply.header(name).unwrap_or_else(|| panic!("{name} is there, with these capitals"));
    assert!(line.is_ascii() && line.len() < 16 << 10, "one line that any client reads");
    serde_json::from_str(line).expect("the header is JSON")
}

#[tokio::test]
async fn uploads_of_every_client_are_answered_with_json() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    for recording in UPLOADS {
        let reply = send_upload(&app, recording, "", &image, r#"{"resize":{"width":100}}"#).await;
        let json = reply.json();
        assert_eq!(
            (reply.status, &json["success"], &json["code"]),
            (200, &json!(true), &json!(200)),
            "{}",
            recording.client
        );
        assert_eq!(reply.header("Status"), Some("200 OK"), "{}", recording.client);
        assert_eq!(reply.header("X-Request-Id"), json["id"].as_str(), "{}", recording.client);
        assert_eq!((&json["output"]["width"], &json["output"]["height"]), (&json!(100), &json!(75)));
        let unnamed = recording.file_head.contains("filename=\"\"");
        assert_eq!(
            json["input"]["name"],
            if unnamed { "image.jpg" } else { "in.jpg" },
            "{}",
            recording.client
        );
    }
}

#[tokio::test]
async fn every_client_gets_its_file_the_way_it_asks() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    for recording in UPLOADS {
        let (headers, json) = match recording.client {
            "java" => ("\r\nX-Pixaven-Binary: true", "{}"),
            "php 1.0.2" => ("", r#"{"response":{"mode":"binary"}}"#),
            _ => ("\r\nX-Pixaven-Binary: 1", r#"{"response":{"mode":"binary"}}"#),
        };
        let reply = send_upload(&app, recording, headers, &image, json).await;
        assert_eq!(reply.status, 200, "{}", recording.client);
        assert_eq!(reply.header("Content-Type"), Some("image/jpeg"), "{}", recording.client);
        assert_eq!(&reply.body[..3], b"\xff\xd8\xff", "{}", recording.client);
        for name in ["X-Pixaven-Meta", "X-Pixaven-Metadata"] {
            let meta = meta(&reply, name);
            assert_eq!(meta["success"], true, "{}", recording.client);
            assert_eq!(meta["output"]["bytes"], reply.body.len(), "{}", recording.client);
            assert!(meta["output"].get("url").is_none(), "the file itself is the answer");
        }
    }
}

#[tokio::test]
async fn every_client_can_read_why_it_failed() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    let json = r#"{"resize":{"mode":"force-error"}}"#;
    for recording in UPLOADS {
        let reply = send_upload(&app, recording, "", &image, json).await;
        assert_eq!(
            (reply.status, reply.json()["success"].clone()),
            (422, json!(false)),
            "{}",
            recording.client
        );
        assert!(reply.json()["message"].as_str().is_some_and(|text| text.contains("resize.mode")));
        assert_eq!(reply.json()["code"], 422);

        let only_json = r#"{"resize":{"mode":"force-error"},"response":{"mode":"binary"}}"#;
        let reply = send_upload(&app, recording, "", &image, only_json).await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (422, 0),
            "{}: PHP says so in the JSON alone",
            recording.client
        );
        assert_eq!(meta(&reply, "X-Pixaven-Meta")["success"], false, "{}", recording.client);

        let reply = send_upload(&app, recording, "\r\nX-Pixaven-Binary: 1", &image, json).await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (422, 0),
            "{}: the status and an empty body",
            recording.client
        );
        for name in ["X-Pixaven-Meta", "X-Pixaven-Metadata"] {
            assert_eq!(meta(&reply, name)["success"], false, "{}", recording.client);
            assert_eq!(meta(&reply, name)["code"], 422, "{}", recording.client);
        }
    }
}

#[tokio::test]
async fn a_header_in_any_language_stays_ascii() {
    let app = TestApp::start().await;
    let headers = [("X-Pixaven-Binary", "1")];
    let reply = app.upload_with("caf\u{e9} \u{1f600}.jpg", &documented_jpeg(), &json!({}), &headers).await;
    assert_eq!(meta(&reply, "X-Pixaven-Meta")["input"]["name"], "caf\u{e9} \u{1f600}.jpg");
}

#[tokio::test]
async fn phps_null_is_answered_as_the_mistake_it_is() {
    let app = TestApp::start().await;
    let reply = app.call("POST", "/1.0/fetch", &[("Content-Type", "application/json")], b"null").await;
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("malformed_request")));
}

#[tokio::test]
async fn go_and_java_may_say_stylize_for_filter() {
    let app = TestApp::start().await;
    let reply = app
        .upload("in.jpg", &documented_jpeg(), &json!({"stylize": {"sepia": true}, "auto": {"size": 1}}))
        .await;
    let json = reply.json();
    assert_ne!(json["success"], Value::Null);
    assert!(!json.to_string().contains("stylize"), "the older name is known: {json}");
    assert!(json["warnings"].to_string().contains("auto.size") || reply.status == 422, "{json}");
}
