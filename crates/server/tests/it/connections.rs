//! Tests of the limit on open connections, with real sockets: the server closes an idle connection when a new
//! connection needs its place, and never closes a busy connection.

use std::net::SocketAddr;

use pixaven_imaging::plan::Format;
use pixaven_testkit::multipart;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::test_app::TestApp;
use crate::test_images::test_image;

#[expect(clippy::disallowed_methods, reason = "a client of the server, not a part of it")]
async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("the system accepts the connection")
}

/// Sends a request for `/healthz` and reads the head of the response. Returns false if the server has closed the
/// connection.
async fn is_served(stream: &mut TcpStream) -> bool {
    if stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.is_err() {
        return false;
    }
    let mut received = Vec::new();
    while !received.ends_with(b"}") {
        match stream.read_buf(&mut received).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    assert!(received.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&received));
    true
}

/// Waits until the server closes the connection.
async fn wait_until_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A connection that is closed while bytes are on their way is reset.
    let _reset = stream.read_to_end(&mut rest).await;
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

/// Opens a connection and sends an upload without the last byte of its body, so that the connection is busy.
/// Returns the byte that was not sent.
async fn begin_upload(app: &TestApp, stream: &mut TcpStream, image: &[u8], data: &str) -> Vec<u8> {
    let mut body = multipart::upload("a.png", image, data);
    let head = format!(
        "POST /1.0/upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        app.key,
        multipart::CONTENT_TYPE,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads the head");
    // The server asks for the body after the request has begun.
    let mut interim = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut interim).await.expect("the server asks for the body");
    let last = body.split_off(body.len() - 1);
    stream.write_all(&body).await.expect("the server reads the body");
    last
}

#[tokio::test]
async fn a_new_connection_at_the_connection_limit_makes_the_server_close_the_longest_idle_connection() {
    let app = TestApp::start_with(&[("server.max_connections", "2")]).await;
    let mut used = connect(app.address).await;
    assert!(is_served(&mut used).await);
    // This connection never sends a byte.
    let mut silent = connect(app.address).await;
    let mut third = connect(app.address).await;
    assert!(is_served(&mut third).await);
    wait_until_closed(&mut used).await;
    assert!(is_served(&mut third).await);
    let mut fourth = connect(app.address).await;
    assert!(is_served(&mut fourth).await);
    wait_until_closed(&mut silent).await;
    assert!(is_served(&mut third).await && is_served(&mut fourth).await);
}

#[tokio::test]
async fn a_connection_with_an_incomplete_request_head_counts_as_idle_and_is_closed_for_a_new_connection() {
    let app = TestApp::start_with(&[("server.max_connections", "1")]).await;
    let mut slow = connect(app.address).await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("the server reads");
    let mut next = connect(app.address).await;
    assert!(is_served(&mut next).await);
    wait_until_closed(&mut slow).await;
}

#[tokio::test]
async fn a_new_connection_at_the_connection_limit_waits_while_every_other_connection_has_a_request() {
    let app = TestApp::start_with(&[("server.max_connections", "1")]).await;
    let mut busy = connect(app.address).await;
    let last = begin_upload(&app, &mut busy, &test_image(4, 4, Format::Png), "{}").await;
    let mut next = connect(app.address).await;
    let mut served = std::pin::pin!(is_served(&mut next));
    assert!(futures_util::poll!(served.as_mut()).is_pending());
    busy.write_all(&last).await.expect("the server reads the body");
    assert!(served.await, "the connection gets its place when the request has ended");
    let mut response = Vec::new();
    let _reset = busy.read_to_end(&mut response).await;
    let response = String::from_utf8_lossy(&response);
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with('}'), "{response}");
}

#[tokio::test]
async fn a_connection_whose_response_is_still_being_sent_is_not_closed_for_a_new_connection() {
    let app = TestApp::start_with(&[("server.max_connections", "1")]).await;
    let mut slow = connect(app.address).await;
    let data = r#"{"resize": {"mode": "exact", "width": 3000, "height": 3000}, "output": {"format": "bmp"},
        "response": {"mode": "binary"}}"#;
    let last = begin_upload(&app, &mut slow, &test_image(30, 30, Format::Png), data).await;
    slow.write_all(&last).await.expect("the server reads the body");
    let mut received = Vec::new();
    slow.read_buf(&mut received).await.expect("the response begins");
    let mut next = connect(app.address).await;
    let mut served = std::pin::pin!(is_served(&mut next));
    assert!(futures_util::poll!(served.as_mut()).is_pending());
    // The client has not read more bytes than the buffers of a connection can hold.
    let _reset = slow.read_to_end(&mut received).await;
    let head_bytes = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    assert!(received.len() - head_bytes >= 3000 * 3000 * 3, "{} bytes", received.len());
    assert!(served.await);
}

#[tokio::test]
async fn a_client_above_its_connection_limit_loses_an_idle_connection_or_is_refused_if_none_is_idle() {
    let settings = [("server.max_connections_per_address", "2"), ("server.trusted_proxies", "192.0.2.0/24")];
    let app = TestApp::start_with(&settings).await;
    let [mut first, mut second] = [connect(app.address).await, connect(app.address).await];
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = connect(app.address).await;
    assert!(is_served(&mut third).await);
    wait_until_closed(&mut first).await;
    let image = test_image(4, 4, Format::Png);
    for stream in [&mut second, &mut third] {
        begin_upload(&app, stream, &image, "{}").await;
    }
    let mut refused = connect(app.address).await;
    wait_until_closed(&mut refused).await;
}

#[tokio::test]
async fn a_reverse_proxy_on_the_same_machine_may_open_more_connections_than_the_limit_per_client() {
    let app = TestApp::start_with(&[("server.max_connections_per_address", "1")]).await;
    let [mut first, mut second] = [connect(app.address).await, connect(app.address).await];
    assert!(is_served(&mut first).await && is_served(&mut second).await && is_served(&mut first).await);
}
