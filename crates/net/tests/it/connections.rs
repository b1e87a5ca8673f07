//! Tests of connections that stay open after an exchange and are reused.

use std::time::Duration;

use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action::{Hang, ReadRequest};
use pixaven_testkit::script::{respond, respond_status};

use super::{OK, RESPONSE_MAX_BYTES, error_kind, net, post};

#[tokio::test]
async fn a_connection_is_reused_for_the_next_http_exchange_with_the_same_server() {
    let script = [respond(OK), respond(OK), respond_status(500), respond(OK)].concat();
    let receiver = ScriptedReceiver::start(vec![script]);
    let net = net(&["127.0.0.0/8"]);
    let first = post(&net, &receiver.url("/1")).await;
    assert!(first.timings.connect_ms.is_some() && first.timings.first_byte_ms.is_some());
    assert_eq!(
        (first.timings.dns_ms, first.timings.tls_ms),
        (None, None),
        "an IP address needs no DNS, and http no TLS"
    );
    for path in ["/2", "/3", "/4"] {
        let again = post(&net, &receiver.url(path)).await;
        assert!(again.result.is_ok());
        assert_eq!((again.address, again.timings.connect_ms), (Some(receiver.address), None));
    }
    assert_eq!(receiver.n_connections(), 1);
}

#[tokio::test]
async fn a_connection_with_an_unread_response_body_is_not_reused() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 20_000, "x".repeat(20_000));
    let receiver = ScriptedReceiver::start(vec![[respond(long), vec![Hang]].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    for body in ["x".repeat(RESPONSE_MAX_BYTES).as_str(), "ok"] {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, body.as_bytes());
    }
    assert_eq!(receiver.n_connections(), 2);
}

#[tokio::test]
async fn a_request_is_sent_again_on_a_new_connection_if_the_peer_has_closed_the_idle_connection() {
    // The receiver keeps its first connection open after the first response. When the second request arrives
    // on this connection, the receiver closes the connection.
    let receiver = ScriptedReceiver::start(vec![[respond(OK), vec![ReadRequest]].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    for _ in 0..2 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
    let connections: Vec<_> = receiver.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1], "the request is sent again on a new connection");

    // The receiver closes each connection after its response. The client may notice the close only after it
    // has begun to send the next request.
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    for _ in 0..20 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
}

#[tokio::test]
async fn a_broken_response_on_a_reused_connection_is_an_error_and_the_request_is_not_sent_again() {
    let receiver = ScriptedReceiver::start(vec![[respond(OK), respond("HTTP/1.1 2")].concat(), respond(OK)]);
    let net = net(&["127.0.0.0/8"]);
    assert!(post(&net, &receiver.url("/")).await.result.is_ok());
    assert_eq!(error_kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "protocol");
    assert_eq!(receiver.requests().len(), 2, "a request is not sent again after the response has begun");
}

#[tokio::test]
async fn an_idle_connection_in_the_pool_is_closed_within_five_seconds() {
    let receiver = ScriptedReceiver::start(vec![[respond(OK), vec![Hang]].concat()]);
    let net = net(&["127.0.0.0/8"]);
    assert!(post(&net, &receiver.url("/")).await.result.is_ok());
    // From this line on, the clock of the `tokio` runtime is paused: the clock jumps to the next timer as
    // soon as no task can run.
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    tokio::select! {
        () = receiver.wait_for_closed(1) => {}
        () = net.close_idle_connections() => unreachable!("close_idle_connections never completes"),
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
