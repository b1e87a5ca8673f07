//! Tests with servers whose response bodies cost much more processor time or memory than their bytes are
//! worth.

use std::future::Future as _;
use std::pin::pin;
use std::time::Duration;

use http::HeaderMap;
use pixaven_net::{FetchLimits, NetError};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action::{self, Flood, ReadRequest};
use pixaven_testkit::script::respond;

use super::{error_kind, net, post};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The deadline is far away, so that a test fails instead of hanging if a limit is not enforced.
const LIMITS: FetchLimits =
    FetchLimits { max_bytes: 64 << 20, deadline: Duration::from_secs(60), max_redirects: 0 };

/// A script that sends a response head, and then `repeated` until the peer closes the connection.
fn endless(head: &str, repeated: &[u8]) -> Vec<Action> {
    vec![ReadRequest, Action::send(head), Flood(repeated.repeat(16 * 1024 / repeated.len()))]
}

async fn fetch(script: Vec<Action>) -> Result<usize, NetError> {
    let receiver = ScriptedReceiver::start(vec![script]);
    let fetched =
        net(&["127.0.0.0/8"]).fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await;
    fetched.map(|document| document.bytes.len())
}

#[tokio::test]
async fn a_fetch_of_an_endless_body_in_tiny_or_empty_pieces_is_refused_before_the_deadline() {
    let empty_gzip_member = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let empty_zstd_frame = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0";
    let encoded = |coding: &str| format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n");
    for (name, script, expected) in [
        ("chunks of one byte", endless(CHUNKED, b"1\r\nx\r\n"), "too_many_pieces"),
        ("chunks of two bytes with extensions", endless(CHUNKED, b"2;a=b\r\nxx\r\n"), "protocol"),
        ("a chunk size with endless zeros", endless(CHUNKED, b"0"), "protocol"),
        ("empty members of gzip", endless(&encoded("gzip"), empty_gzip_member), "too_many_pieces"),
        ("empty frames of zstd", endless(&encoded("zstd"), empty_zstd_frame), "too_many_pieces"),
    ] {
        let error = fetch(script).await.unwrap_err();
        assert_eq!(error_kind(&error), expected, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_fetch_of_a_small_body_in_chunks_of_one_byte_succeeds() {
    let body = format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(8_000));
    assert_eq!(fetch(respond(body)).await.unwrap(), 8_000);
}

#[tokio::test]
async fn a_post_succeeds_and_closes_its_connection_if_the_response_body_has_too_many_pieces() {
    let receiver = ScriptedReceiver::start(vec![endless(CHUNKED, b"1\r\nx\r\n")]);
    let exchange = post(&net(&["127.0.0.0/8"]), &receiver.url("/")).await;
    assert_eq!(exchange.result.unwrap().status, 200);
    receiver.wait_for_closed(1).await;
}

#[tokio::test]
async fn a_fetch_lets_other_tasks_run_after_at_most_128_pieces_of_a_response_body() {
    let body = format!("{CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(8_000));
    let mut fetching = pin!(fetch(respond(body)));
    let mut n_polls = 0;
    let counted = std::future::poll_fn(|cx| {
        n_polls += 1;
        fetching.as_mut().poll(cx)
    });
    assert_eq!(counted.await.unwrap(), 8_000);
    assert!(n_polls >= 8_000 / 128, "the fetch ran {n_polls} times");
}
