//! Outbound HTTP against receivers that misbehave in every way a receiver can: single exchanges here, whole documents
//! in `fetch`, certificates in `tls`.

mod fetch;
mod proxied;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_net::{AddressPolicy, Exchange, Net, NetError, NetSettings};
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action::{self, Drip, Flood, Hang, ReadByte, ReadHead, ReadRequest};
use pixaven_testkit::script::{respond, respond_status, respond_with};
use url::Url;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const RESPONSE_MAX_BYTES: usize = 16 * 1024;

/// Long enough for a loopback under load, short enough to wait for where a script hangs.
const DEADLINE: Duration = Duration::from_millis(700);

/// A client that may connect to the networks named.
fn net(allow: &[&str]) -> Net {
    let allow = allow.iter().map(|network| network.parse().expect("a network")).collect();
    Net::new(NetSettings { policy: AddressPolicy::allowing(allow), ..NetSettings::default() })
        .expect("no file to fail on")
}

async fn post(net: &Net, url: &Url) -> Exchange {
    let body = Bytes::from_static(b"{\"success\":true}");
    net.post(url, HeaderMap::new(), body, DEADLINE, RESPONSE_MAX_BYTES).await
}

/// The kind of an error, as a word.
fn kind(error: &NetError) -> &'static str {
    match error {
        NetError::BlockedAddress => "blocked_address",
        NetError::Dns(_) => "dns",
        NetError::Refused(_) => "refused",
        NetError::Timeout => "timeout",
        NetError::Tls(_) => "tls",
        NetError::Protocol(_) | NetError::ProtocolSwitch => "protocol",
        NetError::OutOfMemoryBudget => "no room",
        NetError::TooLarge { .. } => "too_large",
        NetError::Status(_) => "status",
        NetError::TooManyRedirects { .. } => "too_many_redirects",
        NetError::InvalidUrl(_) => "bad_url",
        NetError::Local(_) => "local",
        NetError::Proxy(_) => "proxy",
    }
}

/// What a receiver does, and how it must read: a status and the body, or the kind of error.
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

async fn check(cases: Vec<Case>) {
    let net = net(&["127.0.0.0/8"]);
    let checked = cases.into_iter().map(async |Case { name, script, expected }| {
        let receiver = ScriptedReceiver::start(vec![script]);
        let exchange = post(&net, &receiver.url("/hook")).await;
        let got =
            exchange.result.as_ref().map(|answer| (answer.status.as_u16(), &answer.body[..])).map_err(kind);
        assert_eq!(got, expected, "{name}");
        assert!(exchange.duration < 2 * DEADLINE, "{name} took {:?}", exchange.duration);
        assert_eq!(exchange.address, Some(receiver.address), "{name}");
        assert_eq!(receiver.n_connections(), 1, "{name}: nothing is followed, nothing is sent twice");
    });
    join_all(checked).await;
}

#[tokio::test]
async fn the_status_line_is_the_verdict() {
    check(vec![
        case("a length", respond(OK), Ok((200, "ok"))),
        case("no body", respond_with("HTTP/1.1 204 No Content", ""), Ok((204, ""))),
        case(
            "chunks",
            respond_with("HTTP/1.1 201 C\ntransfer-encoding: chunked", "2\r\nok\r\n0\r\n\r\n"),
            Ok((201, "ok")),
        ),
        case("until the end", respond_with("HTTP/1.1 200 OK", "ok"), Ok((200, "ok"))),
        case("HTTP/1.0", respond_with("HTTP/1.0 200 OK", "ok"), Ok((200, "ok"))),
        case("no reason", respond_with("HTTP/1.1 200\ncontent-length: 0", ""), Ok((200, ""))),
        case(
            "a redirect",
            respond_with("HTTP/1.1 302 F\nlocation: /b\ncontent-length: 0", ""),
            Ok((302, "")),
        ),
        case("gone", respond_status(410), Ok((410, ""))),
        case("a server error", respond_status(500), Ok((500, ""))),
        case("an unknown status", respond_status(799), Ok((799, ""))),
        case("informational first", respond_with("HTTP/1.1 103 Early\nlink: x", OK), Ok((200, "ok"))),
        case("an early answer", vec![ReadHead, Action::send(OK), Hang], Ok((200, "ok"))),
        case(
            "a sloppy header",
            respond_with("HTTP/1.1 200 OK\nno colon\ncontent-length: 2", "ok"),
            Ok((200, "ok")),
        ),
        case(
            "a length twice",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 2", "ok"),
            Ok((200, "ok")),
        ),
        case(
            "a length and chunks",
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
async fn a_broken_body_does_not_change_the_verdict() {
    let chunked = "HTTP/1.1 200 OK\ntransfer-encoding: chunked";
    let gzip = "HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 4";
    let mut endless = respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok");
    endless.push(Hang);
    check(vec![
        case("shorter than said", respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok"), Ok((200, "ok"))),
        case("broken chunks", respond_with(chunked, "2\r\nok\r\nx"), Ok((200, "ok"))),
        case("never complete", endless, Ok((200, "ok"))),
        case("compressed, it says", respond_with(gzip, "\x1f\x00ok"), Ok((200, "\x1f\x00ok"))),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_answer_has_a_kind() {
    let flood =
        |head: &str, rest: &str| vec![ReadRequest, Action::send(head), Flood(rest.as_bytes().to_vec())];
    check(vec![
        case("a reset before the head", vec![ReadByte], Err("protocol")),
        case("the end before the head", vec![ReadRequest], Err("protocol")),
        case("the end within the head", vec![ReadRequest, Action::send("HTTP/1.1 200 O")], Err("protocol")),
        case("another protocol", vec![ReadRequest, Action::send("SSH-2.0-OpenSSH_9.6\r\n")], Err("protocol")),
        case("HTTP/0.9", vec![ReadRequest, Action::send("ok")], Err("protocol")),
        case(
            "contradicting lengths",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 3", "ok"),
            Err("protocol"),
        ),
        case("endless informational answers", flood("", "HTTP/1.1 102 Processing\r\n\r\n"), Err("protocol")),
        case("an endless head", flood("HTTP/1.1 200 OK\r\n", "x-again: and again\r\n"), Err("protocol")),
        case("an endless header", flood("HTTP/1.1 200 OK\r\nx: ", "and again "), Err("protocol")),
        case(
            "another protocol, politely",
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
async fn a_body_is_read_up_to_its_cap_and_no_longer_than_the_deadline() {
    let net = net(&["127.0.0.0/8"]);
    let head = |length: &str| Action::send(&format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
    for (name, length) in [("endless", ""), ("a gigabyte", "content-length: 1000000000\r\n")] {
        let receiver =
            ScriptedReceiver::start(vec![vec![ReadRequest, head(length), Flood(vec![b'x'; 4096])]]);
        let exchange = post(&net, &receiver.url("/")).await;
        let answer = exchange.result.expect(name);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, RESPONSE_MAX_BYTES), "{name}");
        assert!(exchange.duration < DEADLINE, "{name}: the cap ends it, not the deadline");
    }
    let receiver = ScriptedReceiver::start(vec![vec![ReadRequest, head(""), Drip(b"drop".to_vec())]]);
    let exchange = post(&net, &receiver.url("/")).await;
    let answer = exchange.result.expect("the status line came");
    assert!(answer.body.starts_with(b"dropdrop") && answer.body.len() < RESPONSE_MAX_BYTES);
    assert!(exchange.duration >= DEADLINE && exchange.duration < 2 * DEADLINE);
}

#[tokio::test]
async fn a_request_says_what_it_should_and_nothing_else() {
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let mut url = receiver.url("/hook/a%20b?c=d#fragment");
    url.set_username("us:er").unwrap();
    url.set_password(Some("pass word")).unwrap();
    let given = [("x-mine", "1"), ("expect", "100-continue"), ("host", "evil"), ("content-length", "3")];
    let headers = given.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
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
async fn connections_are_used_again() {
    let script = [respond(OK), respond(OK), respond_status(500), respond(OK)].concat();
    let receiver = ScriptedReceiver::start(vec![script]);
    let net = net(&["127.0.0.0/8"]);
    let first = post(&net, &receiver.url("/1")).await;
    assert!(first.timings.connect_ms.is_some() && first.timings.first_byte_ms.is_some());
    assert_eq!((first.timings.dns_ms, first.timings.tls_ms), (None, None), "a literal, and plain");
    for path in ["/2", "/3", "/4"] {
        let again = post(&net, &receiver.url(path)).await;
        assert!(again.result.is_ok());
        assert_eq!((again.address, again.timings.connect_ms), (Some(receiver.address), None));
    }
    assert_eq!(receiver.n_connections(), 1);
}

#[tokio::test]
async fn a_connection_whose_body_was_not_read_to_its_end_is_not_used_again() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 20_000, "x".repeat(20_000));
    let receiver = ScriptedReceiver::start(vec![[respond(long), vec![Hang]].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    for body in ["x".repeat(RESPONSE_MAX_BYTES).as_str(), "ok"] {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, body.as_bytes());
    }
    assert_eq!(receiver.n_connections(), 2);
}

#[tokio::test]
async fn a_reused_connection_that_dies_silently_costs_nothing() {
    // The receiver closes its idle connection just when the second request arrives on it.
    let receiver = ScriptedReceiver::start(vec![[respond(OK), vec![ReadRequest]].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    for _ in 0..2 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
    let connections: Vec<_> = receiver.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1], "sent again at once, on a fresh connection");

    // One that closes at once, noticed or not.
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    for _ in 0..20 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
}

#[tokio::test]
async fn a_reused_connection_that_dies_within_its_answer_is_an_error() {
    let receiver = ScriptedReceiver::start(vec![[respond(OK), respond("HTTP/1.1 2")].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    assert!(post(&net, &receiver.url("/")).await.result.is_ok());
    assert_eq!(kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "protocol");
    assert_eq!(receiver.requests().len(), 2, "the receiver began to answer: it is not asked again");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let receiver = ScriptedReceiver::start(vec![[respond(OK), vec![Hang]].concat()]);
    let net = net(&["127.0.0.0/8"]);
    assert!(post(&net, &receiver.url("/")).await.result.is_ok());
    // From here on time jumps to the next timer as soon as nothing else is left to do.
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    tokio::select! {
        () = receiver.wait_for_closed(1) => {}
        () = net.close_idle_connections() => unreachable!("it never completes"),
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn addresses_are_judged_before_they_are_dialled() {
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let port = receiver.address.port();
    let strict = net(&[]);
    for host in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
    ] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let exchange = post(&strict, &url).await;
        assert_eq!(kind(&exchange.result.unwrap_err()), "blocked_address", "{host}");
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
async fn nobody_there_has_a_kind() {
    let closed = ClosedPort::reserve();
    let net = net(&["127.0.0.0/8"]);
    for (url, expected) in [
        (format!("http://{}/", closed.address), "refused"),
        ("http://no-such-host.invalid/".to_owned(), "dns"),
        ("ftp://127.0.0.1/".to_owned(), "bad_url"),
        ("data:text/plain,hello".to_owned(), "bad_url"),
    ] {
        let exchange = post(&net, &Url::parse(&url).unwrap()).await;
        assert_eq!(kind(&exchange.result.unwrap_err()), expected, "{url}");
    }
}
