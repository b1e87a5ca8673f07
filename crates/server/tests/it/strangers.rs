//! Tests what a client without a valid API key can make the server do. The server must read little from such
//! a client, and must never ask it to send a body.

use std::net::SocketAddr;
use std::time::Duration;

use pixaven_imaging::plan::Format;
use pixaven_testkit::multipart;
use pixaven_testkit::wire_client::send_raw;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Sends `head` and `body` and keeps the connection open. Returns everything that the server sends until it
/// closes the connection.
#[expect(clippy::disallowed_methods, reason = "a client of the server, not a part of it")]
pub(crate) async fn exchange(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts the connection");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("the server reads the head");
    stream.write_all(body).await.expect("the server reads the body");
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    let ended = tokio::time::timeout(Duration::from_secs(10), reading).await;
    // The server may close the connection before it has read the whole body. The client then sees a reset
    // after the response, which is no error in this test.
    let _reset = ended.expect("the server closes the connection");
    String::from_utf8(received).expect("the response is text")
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_header_is_refused_as_malformed_on_every_path() {
    let app = TestApp::start().await;
    for path in
        ["/healthz", "/1.0/account", "/dl/aa/bb/cc/dd/0000-0000-0000-000000000000/x.jpg", "/nothing", "/"]
    {
        for hosts in
            ["", "\r\nHost: a\r\nHost: a", "\r\nHost:", "\r\nHost: a b", "\r\nHost: u:p@h", "\r\nHost: h:x"]
        {
            let head = format!("GET {path} HTTP/1.1{hosts}\r\nConnection: close");
            let response = exchange(app.address, &head, b"").await;
            let is_malformed =
                response.starts_with("HTTP/1.1 400 ") && response.contains("malformed_request");
            assert!(is_malformed, "{path} {hosts:?}: {response}");
        }
    }
    let without_host = exchange(app.address, "GET /healthz HTTP/1.0", b"").await;
    assert!(without_host.contains(" 200 OK\r\n"), "HTTP/1.0 needs no Host: {without_host}");
}

#[tokio::test]
async fn the_download_url_begins_with_the_listening_address_if_the_host_header_is_not_allowed() {
    let app = TestApp::start_with(&[("server.hosts", "images.example.com")]).await;
    let image = test_image(4, 4, Format::Png);
    for (host, expected) in [
        ("images.example.com", "http://images.example.com/dl/".to_owned()),
        ("evil.example", format!("http://{}/dl/", app.address)),
    ] {
        let body = multipart::upload("a.png", &image, "{}");
        let head = format!(
            "POST /1.0/upload HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
             Content-Length: {}",
            app.key,
            multipart::CONTENT_TYPE,
            body.len()
        );
        let url = send_raw(app.address, &head, &body).await.json()["output"]["url"].to_string();
        assert!(url.starts_with(&format!("\"{expected}")), "{host}: {url}");
    }
}

/// The paths to which a client can send a body.
const PATHS: &[&str] = &[
    "/1.0/fetch",
    "/1.0/upload",
    "/1.0/watermarks",
    "/1.0/webhooks/test",
    "/1.0/webhooks/resend",
    "/1.0/secrets/rotate",
];

#[tokio::test]
async fn a_client_without_an_api_key_that_waits_for_100_continue_gets_a_401_and_no_100() {
    let app = TestApp::start().await;
    for path in PATHS {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
             Content-Length: 1000\r\nExpect: 100-continue",
            app.address
        );
        let response = exchange(app.address, &head, b"").await;
        assert!(response.starts_with("HTTP/1.1 401 "), "{path}: {response}");
        assert!(response.contains("\r\nConnection: close\r\n"), "{path}: {response}");
    }
}

#[tokio::test]
async fn a_client_with_an_api_key_that_waits_for_100_continue_gets_a_100() {
    let app = TestApp::start().await;
    let head = format!(
        "POST /1.0/fetch HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 2\r\n\
         Expect: 100-continue\r\nConnection: close",
        app.address, app.key
    );
    let response = exchange(app.address, &head, b"{}").await;
    assert!(response.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 "), "{response}");
}

#[tokio::test]
async fn a_refused_client_with_a_long_body_gets_the_response_before_the_body_is_read_and_is_disconnected() {
    let app = TestApp::start().await;
    for path in PATHS.iter().chain(&["/1.0/nothing", "/1.0/account"]) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}",
            app.address,
            50 << 20
        );
        let response = exchange(app.address, &head, &vec![b'x'; 65 << 10]).await;
        let status = match *path {
            "/1.0/nothing" => "404",
            "/1.0/account" => "405",
            _ => "401",
        };
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {response}");
        assert!(response.contains("\r\nConnection: close\r\n"), "{path}: {response}");
    }
}

#[tokio::test]
async fn a_refused_client_with_a_short_body_can_send_another_request_on_the_same_connection() {
    let app = TestApp::start().await;
    let refused =
        format!("POST /1.0/fetch HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\n{{}}", app.address);
    let next = format!("{refused}GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close", app.address);
    let responses = exchange(app.address, &next, b"").await;
    assert!(responses.starts_with("HTTP/1.1 401 ") && responses.contains("HTTP/1.1 200 "), "{responses}");
}
