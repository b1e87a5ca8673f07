//! Tests of responses whose body is handed out piece by piece.

use bytes::Bytes;
use http::{HeaderMap, Method};
use pixaven_net::{Net, StreamedBody};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond, respond_with};
use url::Url;

use crate::{DEADLINE, OK, error_kind, net};

/// Opens a response and returns its status and its body, or the kind of the error.
async fn open(net: &Net, method: Method, url: &Url) -> Result<(u16, StreamedBody), &'static str> {
    let opened = net.open(method, url, HeaderMap::new(), Bytes::from_static(b"body"), DEADLINE).await;
    opened.map(|response| (response.status.as_u16(), response.body)).map_err(|error| error_kind(&error))
}

/// Reads a body to its end. Returns its bytes, or the kind of the error.
async fn read(mut body: StreamedBody) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| error_kind(&error))?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn the_first_piece_of_a_streamed_body_is_available_before_the_last_piece_was_sent() {
    let net = net(&["127.0.0.0/8"]);
    let mut script = respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok");
    script.push(Action::Hang);
    let receiver = ScriptedReceiver::start(vec![script]);
    let (status, mut body) = open(&net, Method::GET, &receiver.url("/")).await.expect("the head arrives");
    assert_eq!(status, 200);
    assert_eq!(body.next().await.expect("a piece").expect("the piece arrives"), "ok");
    let rest = body.next().await.expect("an error").expect_err("the rest never arrives");
    assert_eq!(error_kind(&rest), "timeout");
    assert!(body.next().await.is_none(), "nothing follows an error");
}

#[tokio::test]
async fn a_connection_is_reused_after_a_streamed_body_and_closed_if_the_body_is_dropped_early() {
    let net = net(&["127.0.0.0/8"]);
    let twice = [respond(OK), respond(OK)].concat();
    let receiver = ScriptedReceiver::start(vec![twice]);
    for _ in 0..2 {
        let (_, body) = open(&net, Method::PUT, &receiver.url("/a?b=c")).await.expect("the head arrives");
        assert_eq!(read(body).await, Ok(b"ok".to_vec()));
    }
    let requests = receiver.requests();
    assert_eq!((receiver.n_connections(), requests.len()), (1, 2));
    assert_eq!(
        (requests[1].request_line.as_str(), requests[1].body.as_slice()),
        ("PUT /a?b=c HTTP/1.1", &b"body"[..])
    );

    let mut script = respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok");
    script.push(Action::Hang);
    let receiver = ScriptedReceiver::start(vec![script]);
    let (_, body) = open(&net, Method::GET, &receiver.url("/")).await.expect("the head arrives");
    drop(body);
    receiver.wait_for_closed(1).await;
}

#[tokio::test]
async fn a_streamed_response_fails_like_a_post_and_its_redirects_are_not_followed() {
    let allowed = net(&["127.0.0.0/8"]);
    for (script, expected) in [
        (respond_with("HTTP/1.1 302 F\nlocation: /b\ncontent-length: 0", ""), Ok(302)),
        (respond_with("HTTP/1.1 404 N\ncontent-length: 0", ""), Ok(404)),
        (vec![Action::ReadRequest], Err("protocol")),
        (vec![Action::Hang], Err("timeout")),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let got = open(&allowed, Method::GET, &receiver.url("/")).await.map(|(status, _)| status);
        assert_eq!(got, expected);
        assert_eq!(receiver.n_connections(), 1);
    }
    let receiver = ScriptedReceiver::start(vec![respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok")]);
    let (_, body) = open(&allowed, Method::GET, &receiver.url("/")).await.expect("the head arrives");
    assert_eq!(read(body).await, Err("protocol"), "the body is cut off");

    let canary = ScriptedReceiver::start(vec![respond(OK)]);
    let blocked = open(&net(&[]), Method::GET, &canary.url("/")).await.map(|(status, _)| status);
    assert_eq!((blocked, canary.n_connections()), (Err("blocked_address"), 0));
}
