//! The catalogue of all misbehaving receivers. For each receiver, it says which outcome `docs/webhooks.md`
//! documents for the webhooks that are sent to the receiver.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use pixaven_testkit::script::Action::{self, Drip, Flood, Hang, ReadByte, ReadHead, ReadRequest};
use pixaven_testkit::script::{respond, respond_status, respond_with};
use pixaven_testkit::tls::{CertificateAuthority, self_signed_server_config};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::expected::{Expected, RETRY_AFTER_S, RETRY_SCHEDULE_S};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const GZIP: &str = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n";

/// The first bytes of a gzip file, as the webhook history shows them: as text in which each invalid byte is
/// replaced by U+FFFD.
const GZIP_SHOWN: &str = "\u{1f}\u{fffd}\u{8}";

/// The decompressed size of the gzip bomb in MiB.
const BOMB_MIB: usize = 128;

/// A receiver, and the expected outcome of the webhooks that are sent to it.
pub(super) struct ReceiverCase {
    pub(super) name: &'static str,
    pub(super) endpoint: Endpoint,
    /// The members of the request's object `webhook`, without the member `url`.
    pub(super) webhook_options: Value,
    /// The number of webhooks that are sent one after the other. `expected` is the expected outcome of the
    /// last webhook.
    pub(super) n_webhooks: u32,
    pub(super) expected: Expected,
}

/// Creates all receivers of the tool `receivers`. Each call creates new scripts and certificates.
pub(super) fn all_cases(authority: &CertificateAuthority) -> anyhow::Result<Vec<ReceiverCase>> {
    Ok([
        no_response(),
        statuses(),
        unusual_responses(),
        bodies()?,
        retry_after(),
        tls(authority),
        reused_connections(),
    ]
    .into_iter()
    .flatten()
    .collect())
}

fn case(name: &'static str, script: Vec<Action>, expected: Expected) -> ReceiverCase {
    case_at(name, Endpoint::Http(vec![script]), expected)
}

fn case_at(name: &'static str, endpoint: Endpoint, expected: Expected) -> ReceiverCase {
    ReceiverCase { name, endpoint, webhook_options: json!({}), n_webhooks: 1, expected }
}

/// Receivers that send no response or an incomplete response.
fn no_response() -> Vec<ReceiverCase> {
    let protocol = Expected::no_answer("protocol");
    let timeout = Expected::no_answer("timeout").at_deadline();
    let part = Action::send("HTTP/1.1 200 OK\r\ncontent-le");
    vec![
        case_at(
            "refuses the connection",
            Endpoint::ClosedPort,
            Expected::no_answer("refused").connections(0),
        ),
        case_at(
            "may not be dialled",
            Endpoint::ForbiddenAddress,
            Expected::no_answer("blocked_address").connections(0),
        ),
        case("resets before the headers", vec![ReadByte], protocol),
        case("resets within the headers", vec![ReadHead, part.clone()], protocol),
        case("hangs up before the headers", vec![ReadRequest], protocol),
        case("hangs up within the headers", vec![ReadRequest, part.clone()], protocol),
        case("hangs", vec![Hang], timeout),
        case("hangs within the headers", vec![ReadRequest, part, Hang], timeout),
        case("drips its headers", vec![ReadRequest, Action::send(HEAD), Drip(b"x: y\r\n".to_vec())], timeout),
        case(
            "headers without an end",
            vec![ReadRequest, Action::send(HEAD), Flood(b"x: y\r\n".to_vec())],
            protocol,
        ),
    ]
}

/// Receivers that send complete responses with various statuses.
fn statuses() -> Vec<ReceiverCase> {
    let redirect =
        |status: u16| respond_with(&format!("HTTP/1.1 {status} F\nlocation: /\ncontent-length: 0"), "");
    let once = ReceiverCase {
        webhook_options: json!({ "retry": false }),
        ..case("500, retry: false", respond_status(500), Expected::rejected(500).fails("retry_disabled"))
    };
    vec![
        case("200", respond(OK), Expected::delivered(200).shows("ok")),
        case("204", respond_with("HTTP/1.1 204 No Content", ""), Expected::delivered(204)),
        case("301", redirect(301), Expected::rejected(301)),
        case("302", redirect(302), Expected::rejected(302)),
        case("307", redirect(307), Expected::rejected(307)),
        case("308", redirect(308), Expected::rejected(308)),
        case("401", respond_status(401), Expected::rejected(401)),
        case("410", respond_status(410), Expected::rejected(410).fails("gone")),
        case("500", respond_status(500), Expected::rejected(500)),
        once,
    ]
}

/// Receivers whose status line or headers are unusual or invalid, or whose response comes before they have
/// read the whole request.
fn unusual_responses() -> Vec<ReceiverCase> {
    let protocol = Expected::no_answer("protocol");
    let informational = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let lengths = "HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 3";
    let upgrade = "HTTP/1.1 101 Switching Protocols\nconnection: upgrade\nupgrade: x";
    let within =
        vec![ReadByte, Action::send("HTTP/1.1 431 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")];
    let early = |head: &str| vec![ReadHead, Action::send(&format!("{head}\r\ncontent-length: 0\r\n\r\n"))];
    vec![
        case(
            "103, then 200",
            vec![ReadRequest, Action::send(informational), Action::send(OK)],
            Expected::delivered(200),
        ),
        case("1xx without an end", vec![ReadRequest, Flood(informational.into())], protocol),
        case("101", respond_with(upgrade, ""), protocol),
        case("another protocol", respond("SSH-2.0-OpenSSH_9.6\r\n"), protocol),
        case("HTTP/1.0", respond_with("HTTP/1.0 200 OK", "ok"), Expected::delivered(200).shows("ok")),
        case("HTTP/1.0, 500", respond_with("HTTP/1.0 500 No", "no"), Expected::rejected(500).shows("no")),
        case("no length", respond_with("HTTP/1.1 200 OK", "ok"), Expected::delivered(200).shows("ok")),
        case("contradicting lengths", respond_with(lengths, "ok"), protocol),
        case(
            "200 before the body",
            [early("HTTP/1.1 200 OK"), vec![Hang]].concat(),
            Expected::delivered(200),
        ),
        case("200 before the body, then a reset", early("HTTP/1.1 200 OK"), Expected::delivered(200)),
        case("413 before the body", early("HTTP/1.1 413 No"), Expected::rejected(413)),
        with_large_headers("431 within large headers", within, Expected::rejected(431)),
    ]
}

/// Creates a case whose webhook has 80 KiB of headers, which do not fit in one packet.
fn with_large_headers(name: &'static str, script: Vec<Action>, expected: Expected) -> ReceiverCase {
    let headers: Map<String, Value> =
        (0..20).map(|n| (format!("x-large-{n}"), json!("x".repeat(4096)))).collect();
    ReceiverCase { webhook_options: json!({ "headers": headers }), ..case(name, script, expected) }
}

/// Receivers that send a complete status line and then a broken body. The status line alone determines the
/// outcome of the webhook.
fn bodies() -> anyhow::Result<Vec<ReceiverCase>> {
    let delivered = Expected::delivered(200);
    let then = |head: &str, rest: &str, action: Action| {
        vec![ReadRequest, Action::send(&format!("{head}{rest}\r\n")), action]
    };
    let flood = || Flood(vec![b'x'; 16 * 1024]);
    let drip = || Drip(b"drop".to_vec());
    let bomb = gzip_bomb()?;
    let n_bomb_bytes = format!("content-length: {}\r\n", bomb.len());
    let cut = Action::Send(bomb[..100].to_vec());
    Ok(vec![
        case("drips its body", then(HEAD, "", drip()), delivered.at_deadline().shows("drop")),
        case(
            "500, drips its body",
            then("HTTP/1.1 500 No\r\n", "", drip()),
            Expected::rejected(500).at_deadline(),
        ),
        case("no length, no end", then(HEAD, "", Hang), delivered.at_deadline()),
        case("endless body", then(HEAD, "", flood()), delivered.shows("xxx")),
        case("1 GB body", then(HEAD, "content-length: 1000000000\r\n", flood()), delivered.shows("xxx")),
        case(
            "less than announced",
            respond_with("HTTP/1.1 200 OK\ncontent-length: 9", "ok"),
            delivered.shows("ok"),
        ),
        case("gzip bomb", then(GZIP, &n_bomb_bytes, Action::Send(bomb)), delivered.shows(GZIP_SHOWN)),
        case("truncated gzip", then(GZIP, &n_bomb_bytes, cut.clone()), delivered.shows(GZIP_SHOWN)),
        case("truncated gzip, no length", then(GZIP, "", cut), delivered.shows(GZIP_SHOWN)),
    ])
}

/// Creates a small gzip file that decompresses to [`BOMB_MIB`] MiB.
fn gzip_bomb() -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..BOMB_MIB {
        encoder.write_all(&[0; 1024 * 1024])?;
    }
    Ok(encoder.finish()?)
}

/// Receivers that send the header `Retry-After` in all valid and some invalid forms.
fn retry_after() -> Vec<ReceiverCase> {
    let respond_busy = |status: u16, value: &str| {
        respond_with(&format!("HTTP/1.1 {status} Busy\nretry-after: {value}\ncontent-length: 0"), "")
    };
    let (seconds, busy) = (RETRY_AFTER_S.to_string(), Expected::rejected(429));
    let (granted, most) = (busy.pauses(RETRY_AFTER_S), busy.pauses(RETRY_SCHEDULE_S[1]));
    let second = ReceiverCase {
        n_webhooks: 2,
        ..case("429, seconds; the webhook after it", respond_busy(429, &seconds), granted.not_tried())
    };
    vec![
        case("429", respond_status(429), busy),
        case("429, seconds", respond_busy(429, &seconds), granted),
        case("429, a date", respond_busy(429, &retry_after_date()), granted),
        case("429, a date long ago", respond_busy(429, "Sun, 06 Nov 1994 08:49:37 GMT"), busy),
        case("429, the far future", respond_busy(429, "99999999999999999999"), most),
        case("429, a date in the far future", respond_busy(429, "Fri, 31 Dec 9999 23:59:59 GMT"), most),
        case("429, less than the pause", respond_busy(429, "1"), busy),
        case("429, zero", respond_busy(429, "0"), busy),
        case("429, a negative number", respond_busy(429, "-30"), busy),
        case("429, garbage", respond_busy(429, "soon"), busy),
        case("404, seconds", respond_busy(404, &seconds), Expected::rejected(404).pauses(RETRY_AFTER_S)),
        case("503, seconds", respond_busy(503, &seconds), Expected::rejected(503).pauses(RETRY_AFTER_S)),
        case("200, seconds", respond_busy(200, &seconds), Expected::delivered(200)),
        second,
    ]
}

/// Returns the time [`RETRY_AFTER_S`] seconds from now, as an HTTP date.
#[expect(clippy::disallowed_methods, reason = "an HTTP date is a time of the real clock")]
fn retry_after_date() -> String {
    httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(RETRY_AFTER_S.unsigned_abs()))
}

/// Receivers with TLS: valid certificates, invalid certificates, and broken handshakes.
fn tls(authority: &CertificateAuthority) -> Vec<ReceiverCase> {
    let ok = || respond(OK);
    let tls = Expected::no_answer("tls");
    let timeout = Expected::no_answer("timeout").at_deadline();
    // The receiver sends the 5-byte header of a TLS handshake record of 16 KiB. It then sends the content of
    // the record slowly.
    let slow = vec![ReadByte, Action::Send(vec![0x16, 3, 3, 0x40, 0]), Drip(vec![0])];
    let plain = vec![ReadByte, Action::send("HTTP/1.1 400 Bad Request\r\n\r\n"), Hang];
    let certified = Endpoint::Https(authority.server_config("localhost"), ok());
    let wrong_host = Endpoint::Https(authority.server_config("other.test"), ok());
    vec![
        case_at("a good certificate", certified, Expected::delivered(200).shows("ok")),
        case_at("a certificate for another host", wrong_host, tls),
        case_at(
            "a certificate signed by itself",
            Endpoint::Https(self_signed_server_config("localhost"), ok()),
            tls,
        ),
        case_at("plain bytes where TLS is due", Endpoint::HttpsWithoutTls(plain), tls),
        case_at("hangs up in the TLS handshake", Endpoint::HttpsWithoutTls(vec![ReadByte]), tls),
        case_at("a slow TLS handshake", Endpoint::HttpsWithoutTls(slow), timeout),
        case_at("a TLS handshake that hangs", Endpoint::HttpsWithoutTls(vec![Hang]), timeout),
    ]
}

/// Receivers of two webhooks, which are sent one after the other. The server sends the second webhook on the
/// connection of the first webhook if this connection is still open.
fn reused_connections() -> Vec<ReceiverCase> {
    let ok = || respond(OK);
    let twice = |name, scripts, n_connections| ReceiverCase {
        n_webhooks: 2,
        ..case_at(name, Endpoint::Http(scripts), Expected::delivered(200).connections(n_connections))
    };
    vec![
        twice("keeps its connection", vec![[ok(), ok(), vec![Hang]].concat()], 1),
        twice("closes idle connections at once", vec![ok()], 2),
        twice("hangs up on a second request", vec![[ok(), vec![ReadRequest]].concat(), ok()], 2),
        twice("resets a second request", vec![[ok(), vec![ReadByte]].concat(), ok()], 2),
    ]
}
