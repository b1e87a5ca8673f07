//! Origins whose body is endless, slow, huge, cut off, or framed in a way that costs more than its bytes.

use super::{HostileOrigin, NO_IMAGE, OVERLOADED, REFUSED, TOO_LARGE, UNREACHABLE, origin, slow};
use crate::script::Action::{self, Drip, Flood, HalfClose, Hang, ReadByte, ReadRequest, Repeat};

/// The head of a response whose body ends with the connection.
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The length of a block in a large body, in bytes, and the number of its blocks: 60 MiB, which is just below
/// the default limit on a body.
const BLOCK_BYTES: usize = 16 * 1024;
const N_BLOCKS: usize = 60 * 64;

fn with_length(n_bytes: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {n_bytes}\r\n\r\n")
}

/// Reads the request, and sends `head` and `body`.
fn send(head: &str, body: &[u8]) -> Vec<Action> {
    vec![ReadRequest, Action::Send([head.as_bytes(), body].concat())]
}

fn then(mut script: Vec<Action>, actions: impl IntoIterator<Item = Action>) -> Vec<Action> {
    script.extend(actions);
    script
}

/// Sends `repeated` without an end after `head`.
fn endless(head: &str, repeated: &[u8]) -> Vec<Action> {
    then(send(head, b""), [Flood(repeated.repeat(BLOCK_BYTES.div_ceil(repeated.len())))])
}

pub(super) fn origins() -> Vec<HostileOrigin> {
    [slow_or_cut(), large(), chunks(), chunk_syntax()].into_iter().flatten().collect()
}

fn slow_or_cut() -> Vec<HostileOrigin> {
    let reset = |head: &str| vec![ReadByte, Action::send(&format!("{head}part"))];
    vec![
        slow("drips a body without an end", then(send(UNTIL_CLOSE, b""), [Drip(b"x".to_vec())])),
        slow("drips a body with a length", then(send(&with_length(10 << 20), b""), [Drip(b"x".to_vec())])),
        slow("drips chunks of one byte", then(send(CHUNKED, b""), [Drip(b"1\r\nx\r\n".to_vec())])),
        slow("announces 60 MiB and sends nothing", then(send(&with_length(60 << 20), b""), [Hang])),
        slow("stops within a body without a length", then(send(UNTIL_CLOSE, b"part"), [Hang])),
        slow("stops within a chunk size", then(send(CHUNKED, b"4"), [Hang])),
        slow("stops within a chunk", then(send(CHUNKED, b"400\r\npart"), [Hang])),
        origin("resets the connection within the body", reset(&with_length(100)), &[UNREACHABLE]),
        origin(
            "resets the connection within a body without a length",
            reset(UNTIL_CLOSE),
            &[UNREACHABLE, NO_IMAGE],
        ),
        origin("hangs up within the body", send(&with_length(100), b"part"), &[UNREACHABLE]),
        origin(
            "half-closes within the body",
            then(send(&with_length(100), b"part"), [HalfClose, Hang]),
            &[UNREACHABLE],
        ),
        origin("hangs up within a chunk", send(CHUNKED, b"400\r\npart"), &[UNREACHABLE]),
        origin("hangs up before the last chunk", send(CHUNKED, b"4\r\npart\r\n"), &[UNREACHABLE]),
        origin(
            "half-closes after a body without a length",
            then(send(UNTIL_CLOSE, b"part"), [HalfClose, Hang]),
            &[NO_IMAGE],
        ),
        origin("an empty body", send(&with_length(0), b""), &[NO_IMAGE]),
        origin("more bytes than announced", endless(&with_length(4), b"part"), &[NO_IMAGE]),
    ]
}

fn large() -> Vec<HostileOrigin> {
    let received: &[_] = &[NO_IMAGE, OVERLOADED];
    let block = || vec![b'x'; BLOCK_BYTES];
    let chunk = || [format!("{BLOCK_BYTES:x}\r\n").as_bytes(), &block(), b"\r\n"].concat();
    let announced = with_length(N_BLOCKS * BLOCK_BYTES);
    let held = HostileOrigin {
        errors: &[UNREACHABLE, OVERLOADED],
        ..slow("60 MiB without an end", then(send(CHUNKED, b""), [Repeat(chunk(), N_BLOCKS), Hang]))
    };
    vec![
        origin("60 MiB with a length", then(send(&announced, b""), [Repeat(block(), N_BLOCKS)]), received),
        origin(
            "60 MiB without a length",
            then(send(UNTIL_CLOSE, b""), [Repeat(block(), N_BLOCKS)]),
            received,
        ),
        origin(
            "60 MiB in chunks",
            then(send(CHUNKED, b""), [Repeat(chunk(), N_BLOCKS), Action::send("0\r\n\r\n")]),
            received,
        ),
        held,
        origin("announces 1 GB", endless(&with_length(1_000_000_000), b"x"), &[TOO_LARGE]),
        origin("an endless body", endless(UNTIL_CLOSE, b"x"), &[TOO_LARGE, OVERLOADED]),
        origin("endless chunks of 16 KiB", endless(CHUNKED, &chunk()), &[TOO_LARGE, OVERLOADED]),
    ]
}

fn chunks() -> Vec<HostileOrigin> {
    let small_then_slow = [Repeat(b"1\r\nx\r\n".repeat(1_000), 8), Hang];
    vec![
        origin("chunks of one byte", endless(CHUNKED, b"1\r\nx\r\n"), &[REFUSED]),
        origin(
            "chunks of 100 bytes",
            endless(CHUNKED, &[b"64\r\n", &[b'x'; 100][..], b"\r\n"].concat()),
            &[REFUSED],
        ),
        slow("8,000 chunks of one byte, then silence", then(send(CHUNKED, b""), small_then_slow)),
        origin("chunks of one byte with extensions", endless(CHUNKED, b"1;a=b\r\nx\r\n"), &[UNREACHABLE]),
        origin(
            "an endless chunk extension",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a=", b"b"),
            &[UNREACHABLE],
        ),
        origin("a chunk size with endless zeros", endless(CHUNKED, b"0"), &[UNREACHABLE]),
        origin(
            "endless trailers",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
            &[UNREACHABLE],
        ),
    ]
}

fn chunk_syntax() -> Vec<HostileOrigin> {
    let failed: &[_] = &[UNREACHABLE];
    vec![
        origin("a chunk size that overflows", send(CHUNKED, b"fffffffffffffffff\r\nx\r\n"), failed),
        origin("a negative chunk size", send(CHUNKED, b"-1\r\nx\r\n"), failed),
        origin("a chunk size that is no number", send(CHUNKED, b"size\r\nx\r\n"), failed),
        origin("a chunk longer than its size", send(CHUNKED, b"1\r\nxxxx\r\n0\r\n\r\n"), failed),
        origin(
            "endless spaces after a chunk size",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1", b" "),
            failed,
        ),
    ]
}
