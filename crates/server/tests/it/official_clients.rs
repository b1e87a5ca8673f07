//! Tests the API with requests of the official clients, rebuilt from recordings. The clients differ in the
//! order of the multipart parts, in empty file names, in the use of `multipart/mixed`, in the use of
//! `Content-Length` within parts, in the way to request a binary response, and in some mistakes.

use base64::Engine as _;
use pixaven_testkit::wire_client::{WireResponse, send, send_raw};
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::documented_jpeg;

/// The recorded upload of one client.
struct Recording {
    client: &'static str,
    content_type: &'static str,
    headers: &'static str,
    /// The headers of the multipart parts `file` and `data`. `{file}` and `{data}` stand for the lengths of
    /// the bodies of these parts.
    file_head: &'static str,
    data_head: &'static str,
    /// Whether the multipart part with the JSON comes before the part with the image.
    is_data_first: bool,
}

const BOUNDARY: &str = "dc436ad9-9872-4bd4-98f6-0df4285b4461";

const UPLOADS: &[Recording] = &[
    Recording {
        client: "node 1.0.4",
        content_type: "multipart/form-data",
        headers: "accept: application/json",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: image/jpeg",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        is_data_first: false,
    },
    Recording {
        client: "python 1.0.2",
        content_type: "multipart/form-data",
        headers: "User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        is_data_first: true,
    },
    Recording {
        client: "go",
        content_type: "multipart/form-data",
        headers: "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        is_data_first: false,
    },
    Recording {
        client: "java",
        content_type: "multipart/mixed",
        headers: "Accept-Encoding: gzip\r\nUser-Agent: okhttp/3.13.1",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: application/octet-stream\r\nContent-Length: {file}",
        data_head: "Content-Disposition: form-data; name=\"data\"\r\nContent-Length: {data}",
        is_data_first: false,
    },
    Recording {
        client: "ruby 1.0.2",
        content_type: "multipart/form-data",
        headers: "Accept: */*\r\nUser-Agent: rest-client/2.1.0 (linux-gnu x86_64) ruby/3.1.7p261",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: text/plain",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        is_data_first: false,
    },
    Recording {
        client: "php 1.0.2",
        content_type: "multipart/form-data",
        headers: "User-Agent: Pixaven/1.0.0 PHP/8.2.36 CURL/7.88.1\r\nAccept: */*",
        file_head: "Content-Disposition: form-data; name=\"file\"; filename=\"in.jpg\"\r\nContent-Type: application/octet-stream",
        data_head: "Content-Disposition: form-data; name=\"data\"",
        is_data_first: false,
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
    let mut body = if recording.is_data_first { [data, file].concat() } else { [file, data].concat() };
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

/// Returns the JSON value in the response header `name`.
fn meta(response: &WireResponse, name: &str) -> Value {
    let line = response
        .header(name)
        .unwrap_or_else(|| panic!("the response has no header {name} with these capitals"));
    assert!(line.is_ascii() && line.len() < 16 << 10, "the header is one line of ASCII below 16 KiB");
    serde_json::from_str(line).expect("the header is JSON")
}

#[tokio::test]
async fn an_upload_from_each_official_client_gets_a_json_response() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    for recording in UPLOADS {
        let response = send_upload(&app, recording, "", &image, r#"{"resize":{"width":100}}"#).await;
        let json = response.json();
        assert_eq!(
            (response.status, &json["success"], &json["code"]),
            (200, &json!(true), &json!(200)),
            "{}",
            recording.client
        );
        assert_eq!(response.header("Status"), Some("200 OK"), "{}", recording.client);
        assert_eq!(response.header("X-Request-Id"), json["id"].as_str(), "{}", recording.client);
        assert_eq!((&json["output"]["width"], &json["output"]["height"]), (&json!(100), &json!(75)));
        let is_unnamed = recording.file_head.contains("filename=\"\"");
        assert_eq!(
            json["input"]["name"],
            if is_unnamed { "image.jpg" } else { "in.jpg" },
            "{}",
            recording.client
        );
    }
}

#[tokio::test]
async fn each_official_client_that_requests_a_binary_response_gets_the_image_as_the_body() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    for recording in UPLOADS {
        let (headers, json) = match recording.client {
            "java" => ("\r\nX-Pixaven-Binary: true", "{}"),
            "php 1.0.2" => ("\r\nX-Pixavwn-Binary: 1", r#"{"response":{"mode":"binary"}}"#),
            _ => ("\r\nX-Pixaven-Binary: 1", r#"{"response":{"mode":"binary"}}"#),
        };
        let response = send_upload(&app, recording, headers, &image, json).await;
        assert_eq!(response.status, 200, "{}", recording.client);
        assert_eq!(response.header("Content-Type"), Some("image/jpeg"), "{}", recording.client);
        assert_eq!(&response.body[..3], b"\xff\xd8\xff", "{}", recording.client);
        for name in ["X-Pixaven-Meta", "X-Pixaven-Metadata"] {
            let meta = meta(&response, name);
            assert_eq!(meta["success"], true, "{}", recording.client);
            assert_eq!(meta["output"]["bytes"], response.body.len(), "{}", recording.client);
            let url = meta["output"]["url"].as_str().expect("the result is stored, too");
            let file = app.download(url).await;
            assert_eq!((file.status, &file.body), (200, &response.body), "{}", recording.client);
        }
    }
    let account = app.get("/1.0/account").await.json();
    assert_eq!(account["account"]["usage"]["requests"], UPLOADS.len(), "each request is counted once");
}

#[tokio::test]
async fn an_error_before_json_parsing_is_sent_in_headers_if_a_request_header_wants_a_binary_response() {
    let app = TestApp::start_with(&[("limits.body_bytes", "2000")]).await;
    for header in ["X-Pixaven-Binary", "X-Pixavwn-Binary"] {
        let binary = [(header, "1")];
        let unauthorized = send(app.address, "POST", "/1.0/upload", &binary, b"").await;
        let too_large = app.upload_with("a.jpg", &vec![7; 3000], &json!({}), &binary).await;
        for (response, status) in [(unauthorized, 401), (too_large, 413)] {
            assert_eq!((response.status, response.body.len()), (status, 0), "{header}");
            for name in ["X-Pixaven-Meta", "X-Pixaven-Metadata"] {
                let meta = meta(&response, name);
                assert_eq!((&meta["success"], &meta["code"]), (&json!(false), &json!(status)), "{header}");
            }
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_and_an_empty_list_in_the_json_of_the_php_client_are_accepted() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    for data in ["[]", "\u{feff}{}", "\u{feff}[]", r#"{"adjust":[],"output":[],"response":[],"cdn":[]}"#] {
        let response = send_upload(&app, &UPLOADS[5], "", &image, data).await;
        assert_eq!((response.status, &response.json()["success"]), (200, &json!(true)), "{data}");
    }
    let response = app.call("POST", "/1.0/fetch", &[("Content-Type", "application/json")], b"[]").await;
    assert_eq!((response.status, &response.json()["message"]), (422, &json!("url is required")));
}

#[tokio::test]
async fn an_error_is_sent_in_response_headers_in_binary_mode_and_in_the_response_body_in_json_mode() {
    let app = TestApp::start().await;
    let image = documented_jpeg();
    let json = r#"{"resize":{"mode":"force-error"}}"#;
    for recording in UPLOADS {
        let response = send_upload(&app, recording, "", &image, json).await;
        assert_eq!(
            (response.status, response.json()["success"].clone()),
            (422, json!(false)),
            "{}",
            recording.client
        );
        assert!(response.json()["message"].as_str().is_some_and(|text| text.contains("resize.mode")));
        assert_eq!(response.json()["code"], 422);

        let json_only = r#"{"resize":{"mode":"force-error"},"response":{"mode":"binary"}}"#;
        let response = send_upload(&app, recording, "", &image, json_only).await;
        assert_eq!(
            (response.status, response.body.len()),
            (422, 0),
            "{}: the PHP client asks for the image only in the JSON",
            recording.client
        );
        assert_eq!(meta(&response, "X-Pixaven-Meta")["success"], false, "{}", recording.client);

        let response = send_upload(&app, recording, "\r\nX-Pixaven-Binary: 1", &image, json).await;
        assert_eq!(
            (response.status, response.body.len()),
            (422, 0),
            "{}: an error has an empty body",
            recording.client
        );
        for name in ["X-Pixaven-Meta", "X-Pixaven-Metadata"] {
            assert_eq!(meta(&response, name)["success"], false, "{}", recording.client);
            assert_eq!(meta(&response, name)["code"], 422, "{}", recording.client);
        }
    }
}

#[tokio::test]
async fn the_response_header_x_pixaven_meta_is_ascii_even_if_the_uploaded_file_name_is_not_ascii() {
    let app = TestApp::start().await;
    let headers = [("X-Pixaven-Binary", "1")];
    let response = app.upload_with("caf\u{e9} \u{1f600}.jpg", &documented_jpeg(), &json!({}), &headers).await;
    assert_eq!(meta(&response, "X-Pixaven-Meta")["input"]["name"], "caf\u{e9} \u{1f600}.jpg");
}

#[tokio::test]
async fn a_request_whose_json_body_is_null_is_refused_as_malformed() {
    let app = TestApp::start().await;
    let response = app.call("POST", "/1.0/fetch", &[("Content-Type", "application/json")], b"null").await;
    assert_eq!((response.status, &response.json()["error"]), (400, &json!("malformed_request")));
}

#[tokio::test]
async fn the_attribute_stylize_is_accepted_as_the_older_name_of_filter() {
    let app = TestApp::start().await;
    let response = app
        .upload("in.jpg", &documented_jpeg(), &json!({"stylize": {"sepia": true}, "auto": {"size": 1}}))
        .await;
    let json = response.json();
    assert_ne!(json["success"], Value::Null);
    assert!(!json.to_string().contains("stylize"), "the older name is accepted: {json}");
    assert!(json["warnings"].to_string().contains("auto.size") || response.status == 422, "{json}");
}
