//! Tests of the function that fetches whole documents: size limits, file names and redirects.

use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_net::FetchLimits;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action::{self, Drip, Flood, Hang, ReadRequest};
use pixaven_testkit::script::{respond, respond_status, respond_with};

use super::{DEADLINE, OK, error_kind, net};

/// The limits of each fetch in these tests.
pub(super) const LIMITS: FetchLimits = FetchLimits { max_bytes: 1_000, deadline: DEADLINE, max_redirects: 3 };

/// The script of a receiver that responds with a redirect to the URL `to`.
fn redirect(to: &str) -> Vec<Action> {
    respond_with(&format!("HTTP/1.1 302 Found\nlocation: {to}\ncontent-length: 0"), "")
}

#[tokio::test]
async fn a_document_is_fetched_with_its_file_name() {
    let receiver = ScriptedReceiver::start(vec![
        respond_with("HTTP/1.1 200 OK\ncontent-length: 3", "abc"),
        respond_with("HTTP/1.1 200 OK\ntransfer-encoding: chunked", "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
        respond_with(
            "HTTP/1.1 200 OK\ncontent-disposition: attachment; filename=\"x/../y.gif\"",
            "until the end",
        ),
    ]);
    let net = net(&["127.0.0.0/8"]);
    for (path, bytes, file_name) in [
        ("/a/photo%20one.png?x=1", "abc", Some("photo one.png")),
        ("/a/", "abcdef", None),
        ("/a/b", "until the end", Some("y.gif")),
    ] {
        let fetched = net.fetch(&receiver.url(path), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap();
        assert_eq!(fetched.bytes, bytes);
        assert_eq!(fetched.file_name.as_deref(), file_name);
    }
    let received = &receiver.requests()[0];
    assert_eq!(received.request_line, "GET /a/photo%20one.png?x=1 HTTP/1.1");
    assert_eq!(received.header("accept-encoding"), Some("identity"));
    assert_eq!(received.header("accept"), Some("image/*,*/*;q=0.5"));
    assert_eq!(received.header("content-length"), None);
}

#[tokio::test]
async fn a_failed_fetch_returns_the_error_kind_that_matches_the_cause() {
    let net = net(&["127.0.0.0/8"]);
    let endless = vec![ReadRequest, Action::send("HTTP/1.1 200 OK\r\n\r\n"), Flood(vec![b'x'; 500])];
    let chunked = "HTTP/1.1 200 OK\ntransfer-encoding: chunked";
    let dripping = vec![ReadRequest, Action::send("HTTP/1.1 200 OK\r\n\r\n"), Drip(b"x".to_vec())];
    for (name, script, expected) in [
        (
            "a content length over the limit",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 1001", ""),
            "too_large",
        ),
        ("an endless body without a length", endless, "too_large"),
        ("shorter than announced", respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok"), "protocol"),
        ("broken chunks", respond_with(chunked, "2\r\nok\r\nx"), "protocol"),
        ("not found", respond_status(404), "status"),
        ("not modified", respond_with("HTTP/1.1 304 Not Modified", ""), "status"),
        ("a redirect to nowhere", respond_with("HTTP/1.1 302 Found\ncontent-length: 0", ""), "status"),
        ("a redirect to another scheme", redirect("ftp://127.0.0.1/x"), "bad_url"),
        ("a redirect to a file", redirect("file:///etc/passwd"), "bad_url"),
        ("a redirect to no URL", redirect("http://[/"), "bad_url"),
        ("a slow body", dripping, "timeout"),
        ("silence", vec![ReadRequest, Hang], "timeout"),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let error = net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap_err();
        assert_eq!(error_kind(&error), expected, "{name}");
    }
    let exact_size = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "x".repeat(1_000));
    let receiver = ScriptedReceiver::start(vec![respond(exact_size)]);
    assert_eq!(
        net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap().bytes.len(),
        1_000
    );
}

#[tokio::test]
async fn a_fetch_follows_redirects_up_to_its_redirect_limit() {
    let net = net(&["127.0.0.0/8"]);
    let receiver = ScriptedReceiver::start(vec![
        redirect("b?c=d"),
        redirect("/e/f"),
        redirect("//localhost:1/"),
        respond(OK),
    ]);
    let error = net.fetch(&receiver.url("/a/a"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap_err();
    assert_eq!(error_kind(&error), "refused", "the third redirect leads to a closed port");
    let lines: Vec<_> = receiver.requests().into_iter().map(|request| request.request_line).collect();
    assert_eq!(lines, ["GET /a/a HTTP/1.1", "GET /a/b?c=d HTTP/1.1", "GET /e/f HTTP/1.1"]);

    let receiver = ScriptedReceiver::start(vec![redirect("/"), redirect("/"), redirect("/"), respond(OK)]);
    assert_eq!(
        net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap().bytes,
        "ok"
    );
    let receiver = ScriptedReceiver::start(vec![redirect("/")]);
    let error = net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap_err();
    assert_eq!(error_kind(&error), "too_many_redirects");
    assert_eq!(receiver.requests().len(), 4);
}

#[tokio::test]
async fn the_address_policy_applies_to_every_redirect() {
    let forbidden = ScriptedReceiver::start_on("127.0.0.2:0", vec![respond(OK)]);
    let allowed = ScriptedReceiver::start(vec![redirect(forbidden.url("/secret").as_str())]);
    let error = net(&["127.0.0.1/32"])
        .fetch(&allowed.url("/"), HeaderMap::new(), LIMITS, &mut |_| true)
        .await
        .unwrap_err();
    assert_eq!(error_kind(&error), "blocked_address");
    assert_eq!((allowed.requests().len(), forbidden.n_connections()), (1, 0));
}

#[tokio::test]
async fn after_a_redirect_to_another_origin_a_fetch_sends_neither_credentials_nor_headers_of_the_caller() {
    let other_origin = ScriptedReceiver::start(vec![respond(OK)]);
    let origin =
        ScriptedReceiver::start(vec![redirect("/same"), redirect(other_origin.url("/other").as_str())]);
    let mut url = origin.url("/");
    url.set_username("user").unwrap();
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-token"), HeaderValue::from_static("secret")),
        (HeaderName::from_static("cookie"), HeaderValue::from_static("secret")),
    ]);
    net(&["127.0.0.0/8"]).fetch(&url, headers, LIMITS, &mut |_| true).await.unwrap();
    for request in origin.requests() {
        assert_eq!(request.header("x-token"), Some("secret"));
        assert_eq!(request.header("authorization"), Some("Basic dXNlcjo="));
    }
    assert_eq!(origin.requests().len(), 2);
    for name in ["x-token", "cookie", "authorization"] {
        assert_eq!(other_origin.requests()[0].header(name), None, "{name}");
    }
}
