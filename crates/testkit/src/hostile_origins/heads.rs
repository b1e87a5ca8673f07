//! Origins whose status line or headers are endless, huge or invalid.

use super::{HostileOrigin, NO_IMAGE, REFUSED, UNREACHABLE, origin, slow};
use crate::script::Action::{self, Drip, Flood, Hang, ReadRequest};
use crate::script::{respond, respond_with};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// Reads the request, sends `start`, and then `repeated` without an end.
fn endless(start: &str, repeated: &str) -> Vec<Action> {
    let block = repeated.repeat(16 * 1024 / repeated.len());
    vec![ReadRequest, Action::send(start), Flood(block.into_bytes())]
}

pub(super) fn origins() -> Vec<HostileOrigin> {
    [endless_heads(), invalid_heads(), statuses()].into_iter().flatten().collect()
}

fn endless_heads() -> Vec<HostileOrigin> {
    let failed: &[_] = &[UNREACHABLE];
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    vec![
        origin("endless status line", endless("HTTP/1.1 200 ", "x"), failed),
        origin("endless headers", endless(OK, "x: y\r\n"), failed),
        origin("endless header line", endless("HTTP/1.1 200 OK\r\nx: ", "y"), failed),
        origin("endless header name", endless(OK, "x"), failed),
        origin("endless folded header", endless("HTTP/1.1 200 OK\r\nx: y", "\r\n y"), failed),
        origin("endless empty lines before the status line", endless("", "\r\n"), failed),
        origin("endless status 100", endless("", "HTTP/1.1 100 Continue\r\n\r\n"), failed),
        origin("endless status 103", endless("", hints), failed),
        slow("drips status 103", vec![ReadRequest, Drip(hints.into())]),
        slow("drips headers", vec![ReadRequest, Action::send(OK), Drip(b"x: y\r\n".to_vec())]),
        origin("endless zero bytes", endless("", "\0"), failed),
        origin("endless text that is not HTTP", endless("", "garbage\r\n"), failed),
    ]
}

fn invalid_heads() -> Vec<HostileOrigin> {
    let failed: &[_] = &[UNREACHABLE];
    let thousands: String = (0..5_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let long_reason = "x".repeat(200 * 1024);
    let head = |line: &str| respond(format!("{OK}{line}\r\n\r\nx"));
    vec![
        origin("5,000 headers", respond(format!("{OK}{thousands}content-length: 1\r\n\r\nx")), failed),
        origin("a status line of 200 KiB", respond(format!("HTTP/1.1 200 {long_reason}\r\n\r\n")), failed),
        origin("a header line of 200 KiB", head(&format!("x: {long_reason}")), failed),
        origin("another protocol", respond("SSH-2.0-OpenSSH_9.6\r\n"), failed),
        origin("HTTP/0.9", respond("<html>not found</html>"), failed),
        origin("HTTP/2 frames", respond(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80".to_vec()), failed),
        origin("HTTP/3.0", respond("HTTP/3.0 200 OK\r\n\r\nx"), failed),
        origin("contradicting lengths", head("content-length: 1\r\ncontent-length: 2"), failed),
        origin("a negative length", head("content-length: -1"), failed),
        origin("a length that overflows", head("content-length: 99999999999999999999999"), failed),
        origin("a length that is no number", head("content-length: many"), failed),
        origin("a length and chunks", head("content-length: 1\r\ntransfer-encoding: chunked"), failed),
        origin("an unknown transfer coding", head("transfer-encoding: rot13"), &[UNREACHABLE, NO_IMAGE]),
        origin("a header with a zero byte", head("x: a\0b"), &[UNREACHABLE, NO_IMAGE]),
        origin("a header without a colon", head("nothing"), &[UNREACHABLE, NO_IMAGE]),
    ]
}

fn statuses() -> Vec<HostileOrigin> {
    let upgrade = "HTTP/1.1 101 Switching Protocols\nconnection: upgrade\nupgrade: x";
    vec![
        origin("switches to another protocol", respond_with(upgrade, ""), &[UNREACHABLE]),
        origin("status 204", respond_with("HTTP/1.1 204 No Content", ""), &[NO_IMAGE]),
        origin("status 304", respond_with("HTTP/1.1 304 Not Modified", ""), &[REFUSED]),
        origin("status 404 with an endless body", endless("HTTP/1.1 404 No\r\n\r\n", "x"), &[REFUSED]),
        origin(
            "status 500 and silence",
            [respond("HTTP/1.1 500 No\r\n\r\n"), vec![Hang]].concat(),
            &[REFUSED],
        ),
        origin("status 999", respond_with("HTTP/1.1 999 No\ncontent-length: 0", ""), &[REFUSED, UNREACHABLE]),
    ]
}
