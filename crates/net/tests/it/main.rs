//! Tests of outbound HTTP to receivers that misbehave in many ways. This file tests single exchanges. The
//! submodules test reused connections, compressed bodies, fetched documents, forward proxies, raw headers and
//! TLS.

mod connections;
mod content_encoding;
mod fetch;
mod hostile_bodies;
mod layers;
mod name_lookup;
mod own_address;
mod proxy;
mod raw_headers;
mod streamed;
mod tls;
mod tls_reasons;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_net::{AddressPolicy, Exchange, Net, NetError, NetSettings};
use pixaven_testkit::forbidden_hosts::FORBIDDEN_HOSTS;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action::{self, Drip, Flood, Hang, ReadByte, ReadHead, ReadRequest};
use pixaven_testkit::script::{respond, respond_status, respond_with};
use url::Url;

/// A complete HTTP response with the status 200 and the body `ok`.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const RESPONSE_MAX_BYTES: usize = 16 * 1024;

/// The deadline of each exchange. This deadline is long enough for an exchange on a busy machine, and short
/// enough for the tests in which the receiver never answers.
const DEADLINE: Duration = Duration::from_millis(700);

/// Creates an HTTP client that may connect to the networks in `allow`.
fn net(allow: &[&str]) -> Net {
    let allow = allow.iter().map(|network| network.parse().expect("the text is a network")).collect();
    Net::new(NetSettings { policy: AddressPolicy::allowing(allow), ..NetSettings::default() })
        .expect("settings without a CA file are valid")
}

/// Sends a small POST request.
async fn post(net: &Net, url: &Url) -> Exchange {
    let body = Bytes::from_static(b"{\"success\":true}");
    net.post(url, HeaderMap::new(), body, DEADLINE, RESPONSE_MAX_BYTES).await
}

/// Returns the kind of an error as one word.
fn error_kind(error: &NetError) -> &'static str {
    match error {
        NetError::BlockedAddress { .. } => "blocked_address",
        NetError::Dns(_) => "dns",
        NetError::Refused(_) => "refused",
        NetError::Timeout => "timeout",
        NetError::Tls(_) => "tls",
        NetError::Protocol(_) | NetError::ProtocolSwitch => "protocol",
        NetError::Encoding(_) => "encoding",
        NetError::TooManyPieces(_) => "too_many_pieces",
        NetError::OutOfMemoryBudget => "no room",
        NetError::TooLarge { .. } => "too_large",
        NetError::Status(_) => "status",
        NetError::TooManyRedirects { .. } => "too_many_redirects",
        NetError::InvalidUrl(_) => "bad_url",
        NetError::Local(_) => "local",
        NetError::Proxy(_) => "proxy",
    }
}

/// A test case: the script of a receiver and the expected result. The expected result is the status and the
/// body of the response, or the kind of the error.
struct Case {
    name: &'static str,
    script: Vec<Action>,
    expected: Result<(u16, &'static [u8]), &'static str>,
}

fn case(
    name: &'static str,
    script: Vec<Action>,
    expected: Result<(u16, &'static str), &'static str>,
) -> Case {
    Case { name, script, expected: expected.map(|(status, body)| (status, body.as_bytes())) }
}

/// Runs all test cases at the same time, and compares each result with the expected result.
async fn check(cases: Vec<Case>) {
    let net = net(&["127.0.0.0/8"]);
    let checks = cases.into_iter().map(async |Case { name, script, expected }| {
        let receiver = ScriptedReceiver::start(vec![script]);
        let exchange = post(&net, &receiver.url("/hook")).await;
        let got = exchange
            .result
            .as_ref()
            .map(|response| (response.status.as_u16(), &response.body[..]))
            .map_err(error_kind);
        assert_eq!(got, expected, "{name}");
        assert!(exchange.duration < 2 * DEADLINE, "{name} took {:?}", exchange.duration);
        assert_eq!(exchange.address, Some(receiver.address), "{name}");
        assert_eq!(
            receiver.n_connections(),
            1,
            "{name}: redirects are not followed, and the request is sent once"
        );
    });
    join_all(checks).await;
}

#[tokio::test]
async fn a_post_succeeds_with_every_status_and_body_length_if_the_response_head_is_complete() {
    check(vec![
        case("a content length", respond(OK), Ok((200, "ok"))),
        case("no body", respond_with("HTTP/1.1 204 No Content", ""), Ok((204, ""))),
        case(
            "chunks",
            respond_with("HTTP/1.1 201 C\ntransfer-encoding: chunked", "2\r\nok\r\n0\r\n\r\n"),
            Ok((201, "ok")),
        ),
        case("a body that ends with the connection", respond_with("HTTP/1.1 200 OK", "ok"), Ok((200, "ok"))),
        case("HTTP/1.0", respond_with("HTTP/1.0 200 OK", "ok"), Ok((200, "ok"))),
        case(
            "a status line without a reason",
            respond_with("HTTP/1.1 200\ncontent-length: 0", ""),
            Ok((200, "")),
        ),
        case(
            "a redirect",
            respond_with("HTTP/1.1 302 F\nlocation: /b\ncontent-length: 0", ""),
            Ok((302, "")),
        ),
        case("gone", respond_status(410), Ok((410, ""))),
        case("a server error", respond_status(500), Ok((500, ""))),
        case("an unknown status", respond_status(799), Ok((799, ""))),
        case("informational first", respond_with("HTTP/1.1 103 Early\nlink: x", OK), Ok((200, "ok"))),
        case("a response before the body was read", vec![ReadHead, Action::send(OK), Hang], Ok((200, "ok"))),
        case(
            "a header without a colon",
            respond_with("HTTP/1.1 200 OK\nno colon\ncontent-length: 2", "ok"),
            Ok((200, "ok")),
        ),
        case(
            "the same content length twice",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 2", "ok"),
            Ok((200, "ok")),
        ),
        case(
            "a content length and chunks",
            respond_with(
                "HTTP/1.1 200 OK\ncontent-length: 9\ntransfer-encoding: chunked",
                "2\r\nok\r\n0\r\n\r\n",
            ),
            Ok((200, "ok")),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_post_succeeds_if_the_response_head_is_complete_even_when_the_response_body_is_broken() {
    let chunked = "HTTP/1.1 200 OK\ntransfer-encoding: chunked";
    let gzip = "HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 4";
    let mut endless = respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok");
    endless.push(Hang);
    check(vec![
        case(
            "shorter than announced",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok"),
            Ok((200, "ok")),
        ),
        case("broken chunks", respond_with(chunked, "2\r\nok\r\nx"), Ok((200, "ok"))),
        case("a body that never ends", endless, Ok((200, "ok"))),
        case("gzip by its header only", respond_with(gzip, "\x1f\x00ok"), Ok((200, "\x1f\x00ok"))),
    ])
    .await;
}

#[tokio::test]
async fn a_post_whose_response_has_no_valid_head_ends_with_a_protocol_error_or_a_timeout() {
    let flood =
        |head: &str, rest: &str| vec![ReadRequest, Action::send(head), Flood(rest.as_bytes().to_vec())];
    check(vec![
        case("a reset before the head", vec![ReadByte], Err("protocol")),
        case("a close before the head", vec![ReadRequest], Err("protocol")),
        case("a close within the head", vec![ReadRequest, Action::send("HTTP/1.1 200 O")], Err("protocol")),
        case("another protocol", vec![ReadRequest, Action::send("SSH-2.0-OpenSSH_9.6\r\n")], Err("protocol")),
        case("HTTP/0.9", vec![ReadRequest, Action::send("ok")], Err("protocol")),
        case(
            "contradicting lengths",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 3", "ok"),
            Err("protocol"),
        ),
        case(
            "endless informational responses",
            flood("", "HTTP/1.1 102 Processing\r\n\r\n"),
            Err("protocol"),
        ),
        case("an endless head", flood("HTTP/1.1 200 OK\r\n", "x-again: and again\r\n"), Err("protocol")),
        case("an endless header", flood("HTTP/1.1 200 OK\r\nx: ", "and again "), Err("protocol")),
        case(
            "an upgrade to another protocol",
            respond_with("HTTP/1.1 101 S\nupgrade: x\nconnection: upgrade", ""),
            Err("protocol"),
        ),
        case("silence", vec![Hang], Err("timeout")),
        case("silence after reading", vec![ReadRequest, Hang], Err("timeout")),
        case(
            "a dripping head",
            vec![ReadRequest, Action::send("HTTP/1.1 200 OK\r\n"), Drip(b"x: y\r\n".to_vec())],
            Err("timeout"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_response_body_of_a_post_is_read_until_the_size_limit_or_the_deadline() {
    let net = net(&["127.0.0.0/8"]);
    let head = |length: &str| Action::send(&format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
    for (name, length) in [("endless", ""), ("a gigabyte", "content-length: 1000000000\r\n")] {
        let receiver =
            ScriptedReceiver::start(vec![vec![ReadRequest, head(length), Flood(vec![b'x'; 4096])]]);
        let exchange = post(&net, &receiver.url("/")).await;
        let response = exchange.result.expect(name);
        assert_eq!((response.status.as_u16(), response.body.len()), (200, RESPONSE_MAX_BYTES), "{name}");
        assert!(exchange.duration < DEADLINE, "{name}: the size limit ends the exchange before the deadline");
    }
    let receiver = ScriptedReceiver::start(vec![vec![ReadRequest, head(""), Drip(b"drop".to_vec())]]);
    let exchange = post(&net, &receiver.url("/")).await;
    let response = exchange.result.expect("the status line arrived");
    assert!(response.body.starts_with(b"dropdrop") && response.body.len() < RESPONSE_MAX_BYTES);
    assert!(exchange.duration >= DEADLINE && exchange.duration < 2 * DEADLINE);
}

#[tokio::test]
async fn a_post_request_has_only_the_required_headers_and_the_permitted_headers_of_the_caller() {
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let mut url = receiver.url("/hook/a%20b?c=d#fragment");
    url.set_username("us:er").unwrap();
    url.set_password(Some("pass word")).unwrap();
    let caller_headers =
        [("x-mine", "1"), ("expect", "100-continue"), ("host", "evil"), ("content-length", "3")];
    let headers =
        caller_headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let body = Bytes::from_static(b"12345");
    net(&["127.0.0.0/8"]).post(&url, HeaderMap::from_iter(headers), body, DEADLINE, 0).await.result.unwrap();
    let received = &receiver.requests()[0];
    assert_eq!(received.request_line, "POST /hook/a%20b?c=d HTTP/1.1");
    assert_eq!(received.body, b"12345");
    let mut headers = received.headers.clone();
    headers.sort();
    let host = receiver.address.to_string();
    let expected = [
        ("authorization", "Basic dXM6ZXI6cGFzcyB3b3Jk"),
        ("content-length", "5"),
        ("host", &host),
        ("x-mine", "1"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn the_http_client_never_connects_to_an_address_that_the_address_policy_forbids() {
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let port = receiver.address.port();
    let strict = net(&[]);
    for host in FORBIDDEN_HOSTS {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let exchange = post(&strict, &url).await;
        assert_eq!(error_kind(&exchange.result.unwrap_err()), "blocked_address", "{host}");
        assert_eq!(exchange.address, None, "{host}");
    }
    assert_eq!(receiver.n_connections(), 0);
    let lenient = net(&["127.0.0.0/8"]);
    for host in ["localhost", "[::ffff:127.0.0.1]"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let exchange = post(&lenient, &url).await;
        assert_eq!(exchange.result.unwrap().body, "ok", "{host}");
        assert_eq!(exchange.timings.dns_ms.is_some(), host == "localhost");
    }
}

#[tokio::test]
async fn a_post_to_an_unreachable_or_unsupported_url_returns_the_matching_error_kind() {
    let closed = ClosedPort::reserve();
    let net = net(&["127.0.0.0/8"]);
    for (url, expected) in [
        (format!("http://{}/", closed.address), "refused"),
        ("http://no-such-host.invalid/".to_owned(), "dns"),
        ("ftp://127.0.0.1/".to_owned(), "bad_url"),
        ("data:text/plain,hello".to_owned(), "bad_url"),
    ] {
        let exchange = post(&net, &Url::parse(&url).unwrap()).await;
        assert_eq!(error_kind(&exchange.result.unwrap_err()), expected, "{url}");
    }
}
