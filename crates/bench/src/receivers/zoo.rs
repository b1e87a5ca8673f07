//! THE ZOO: every receiver with what becomes of a webhook that is sent to it. The expectations are those of the
//! documentation; see `docs/webhooks.md`.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::act::Act::{self, Drip, Flood, Hold, Read, ReadByte, ReadHead, Say};
use super::endpoint::{Authority, Place, self_signed};
use super::outcome::{ASKED_S, Expected, PAUSES_S};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const GZIP: &str = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n";

/// How the bytes of a gzip file begin when they are shown as text.
const GZIP_SHOWN: &str = "\u{1f}\u{fffd}\u{8}";

/// What a decompressor would make of the bomb.
const BOMB_MIB: usize = 128;

/// A receiver, and what is expected of webhooks to it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) place: Place,
    /// What the request says about its webhook besides the URL.
    pub(super) wishes: Value,
    /// Sent one after the other; the expectation is that of the last one.
    pub(super) n_webhooks: u32,
    pub(super) expected: Expected,
}

/// All receivers, fresh.
pub(super) fn rows(authority: &Authority) -> anyhow::Result<Vec<Row>> {
    Ok([silent(), answers(), unusual(), bodies()?, asking(), secure(authority)?, reused()]
        .into_iter()
        .flatten()
        .collect())
}

fn row(name: &'static str, script: Vec<Act>, expected: Expected) -> Row {
    at(name, Place::Plain(vec![script]), expected)
}

fn at(name: &'static str, place: Place, expected: Expected) -> Row {
    Row { name, place, wishes: json!({}), n_webhooks: 1, expected }
}

fn say(text: &str) -> Act {
    Say(text.as_bytes().to_vec())
}

/// `Read`, then an answer with this head, its lines separated by `\n`.
fn reply(head: &str, body: &str) -> Vec<Act> {
    vec![Read, say(&format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")))]
}

fn status(status: u16) -> Vec<Act> {
    reply(&format!("HTTP/1.1 {status} Said\ncontent-length: 0"), "")
}

/// No answer at all, or not enough of one.
fn silent() -> Vec<Row> {
    let protocol = Expected::no_answer("protocol");
    let timeout = Expected::no_answer("timeout").at_deadline();
    let part = say("HTTP/1.1 200 OK\r\ncontent-le");
    vec![
        at("refuses the connection", Place::Nobody, Expected::no_answer("refused").connections(0)),
        at("may not be dialled", Place::Forbidden, Expected::no_answer("blocked_address").connections(0)),
        row("resets before the headers", vec![ReadByte], protocol),
        row("resets within the headers", vec![ReadHead, part.clone()], protocol),
        row("hangs up before the headers", vec![Read], protocol),
        row("hangs up within the headers", vec![Read, part.clone()], protocol),
        row("hangs", vec![Hold], timeout),
        row("hangs within the headers", vec![Read, part, Hold], timeout),
        row("drips its headers", vec![Read, say(HEAD), Drip(b"x: y\r\n".to_vec())], timeout),
        row("headers without an end", vec![Read, say(HEAD), Flood(b"x: y\r\n".to_vec())], protocol),
    ]
}

/// A status in a sound answer.
fn answers() -> Vec<Row> {
    let redirect = |status: u16| reply(&format!("HTTP/1.1 {status} F\nlocation: /\ncontent-length: 0"), "");
    let once = Row {
        wishes: json!({ "retry": false }),
        ..row("500, retry: false", status(500), Expected::rejected(500).fails("retry_disabled"))
    };
    vec![
        row("200", vec![Read, say(OK)], Expected::delivered(200).shows("ok")),
        row("204", reply("HTTP/1.1 204 No Content", ""), Expected::delivered(204)),
        row("301", redirect(301), Expected::rejected(301)),
        row("302", redirect(302), Expected::rejected(302)),
        row("307", redirect(307), Expected::rejected(307)),
        row("308", redirect(308), Expected::rejected(308)),
        row("401", status(401), Expected::rejected(401)),
        row("410", status(410), Expected::rejected(410).fails("gone")),
        row("500", status(500), Expected::rejected(500)),
        once,
    ]
}

/// What few receivers say, and some do.
fn unusual() -> Vec<Row> {
    let protocol = Expected::no_answer("protocol");
    let informational = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let lengths = "HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 3";
    let upgrade = "HTTP/1.1 101 Switching Protocols\nconnection: upgrade\nupgrade: x";
    let within = vec![ReadByte, say("HTTP/1.1 431 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")];
    let early = |head: &str| vec![ReadHead, say(&format!("{head}\r\ncontent-length: 0\r\n\r\n"))];
    vec![
        row("103, then 200", vec![Read, say(informational), say(OK)], Expected::delivered(200)),
        row("1xx without an end", vec![Read, Flood(informational.into())], protocol),
        row("101", reply(upgrade, ""), protocol),
        row("another protocol", vec![Read, say("SSH-2.0-OpenSSH_9.6\r\n")], protocol),
        row("HTTP/1.0", reply("HTTP/1.0 200 OK", "ok"), Expected::delivered(200).shows("ok")),
        row("HTTP/1.0, 500", reply("HTTP/1.0 500 No", "no"), Expected::rejected(500).shows("no")),
        row("no length", reply("HTTP/1.1 200 OK", "ok"), Expected::delivered(200).shows("ok")),
        row("contradicting lengths", reply(lengths, "ok"), protocol),
        row("200 before the body", [early("HTTP/1.1 200 OK"), vec![Hold]].concat(), Expected::delivered(200)),
        row("200 before the body, then a reset", early("HTTP/1.1 200 OK"), Expected::delivered(200)),
        row("413 before the body", early("HTTP/1.1 413 No"), Expected::rejected(413)),
        large_headers("431 within large headers", within, Expected::rejected(431)),
    ]
}

/// A request whose headers take some more than one packet.
fn large_headers(name: &'static str, script: Vec<Act>, expected: Expected) -> Row {
    let headers: serde_json::Map<String, Value> =
        (0..20).map(|n| (format!("x-large-{n}"), json!("x".repeat(4096)))).collect();
    Row { wishes: json!({ "headers": headers }), ..row(name, script, expected) }
}

/// Trouble behind the status line, which is the verdict.
fn bodies() -> anyhow::Result<Vec<Row>> {
    let delivered = Expected::delivered(200);
    let then = |head: &str, rest: &str, act: Act| vec![Read, say(&format!("{head}{rest}\r\n")), act];
    let flood = || Flood(vec![b'x'; 16 * 1024]);
    let drip = || Drip(b"drop".to_vec());
    let bomb = bomb()?;
    let n_bomb_bytes = format!("content-length: {}\r\n", bomb.len());
    let cut = Say(bomb[..100].to_vec());
    Ok(vec![
        row("drips its body", then(HEAD, "", drip()), delivered.at_deadline().shows("drop")),
        row(
            "500, drips its body",
            then("HTTP/1.1 500 No\r\n", "", drip()),
            Expected::rejected(500).at_deadline(),
        ),
        row("no length, no end", then(HEAD, "", Hold), delivered.at_deadline()),
        row("endless body", then(HEAD, "", flood()), delivered.shows("xxx")),
        row("1 GB body", then(HEAD, "content-length: 1000000000\r\n", flood()), delivered.shows("xxx")),
        row("less than announced", reply("HTTP/1.1 200 OK\ncontent-length: 9", "ok"), delivered.shows("ok")),
        row("gzip bomb", then(GZIP, &n_bomb_bytes, Say(bomb)), delivered.shows(GZIP_SHOWN)),
        row("truncated gzip", then(GZIP, &n_bomb_bytes, cut.clone()), delivered.shows(GZIP_SHOWN)),
        row("truncated gzip, no length", then(GZIP, "", cut), delivered.shows(GZIP_SHOWN)),
    ])
}

fn bomb() -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..BOMB_MIB {
        encoder.write_all(&[0; 1024 * 1024])?;
    }
    Ok(encoder.finish()?)
}

/// `Retry-After` in every form.
fn asking() -> Vec<Row> {
    let asks = |status: u16, value: &str| {
        reply(&format!("HTTP/1.1 {status} Busy\nretry-after: {value}\ncontent-length: 0"), "")
    };
    let (asked, busy) = (ASKED_S.to_string(), Expected::rejected(429));
    let (granted, most) = (busy.pauses(ASKED_S), busy.pauses(PAUSES_S[1]));
    let second = Row {
        n_webhooks: 2,
        ..row("429, seconds; the webhook after it", asks(429, &asked), granted.not_tried())
    };
    vec![
        row("429", status(429), busy),
        row("429, seconds", asks(429, &asked), granted),
        row("429, a date", asks(429, &date()), granted),
        row("429, a date long ago", asks(429, "Sun, 06 Nov 1994 08:49:37 GMT"), busy),
        row("429, the far future", asks(429, "99999999999999999999"), most),
        row("429, a date in the far future", asks(429, "Fri, 31 Dec 9999 23:59:59 GMT"), most),
        row("429, less than the pause", asks(429, "1"), busy),
        row("429, zero", asks(429, "0"), busy),
        row("429, a negative number", asks(429, "-30"), busy),
        row("429, garbage", asks(429, "soon"), busy),
        row("404, seconds", asks(404, &asked), Expected::rejected(404).pauses(ASKED_S)),
        row("503, seconds", asks(503, &asked), Expected::rejected(503).pauses(ASKED_S)),
        row("200, seconds", asks(200, &asked), Expected::delivered(200)),
        second,
    ]
}

#[expect(clippy::disallowed_methods, reason = "an HTTP date is one of the world's clock")]
fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(ASKED_S.unsigned_abs()))
}

/// TLS, good and bad.
fn secure(authority: &Authority) -> anyhow::Result<Vec<Row>> {
    let ok = || vec![Read, say(OK)];
    let tls = Expected::no_answer("tls");
    let timeout = Expected::no_answer("timeout").at_deadline();
    // The head of a TLS record of a handshake, which is long in coming.
    let slow = vec![ReadByte, Say(vec![0x16, 3, 3, 0x40, 0]), Drip(vec![0])];
    let plain = vec![ReadByte, say("HTTP/1.1 400 Bad Request\r\n\r\n"), Hold];
    let certified = Place::Tls(authority.certified("localhost")?, ok());
    let wrong_host = Place::Tls(authority.certified("other.test")?, ok());
    Ok(vec![
        at("a good certificate", certified, Expected::delivered(200).shows("ok")),
        at("a certificate for another host", wrong_host, tls),
        at("a certificate signed by itself", Place::Tls(self_signed("localhost")?, ok()), tls),
        at("plain bytes where TLS is due", Place::PlainBehindHttps(plain), tls),
        at("hangs up in the TLS handshake", Place::PlainBehindHttps(vec![ReadByte]), tls),
        at("a slow TLS handshake", Place::PlainBehindHttps(slow), timeout),
        at("a TLS handshake that hangs", Place::PlainBehindHttps(vec![Hold]), timeout),
    ])
}

/// Two webhooks, the second on the connection of the first, if it is still good for that.
fn reused() -> Vec<Row> {
    let ok = || vec![Read, say(OK)];
    let twice = |name, scripts, n_connections| Row {
        n_webhooks: 2,
        ..at(name, Place::Plain(scripts), Expected::delivered(200).connections(n_connections))
    };
    vec![
        twice("keeps its connection", vec![[ok(), ok(), vec![Hold]].concat()], 1),
        twice("closes idle connections at once", vec![ok()], 2),
        twice("hangs up on a second request", vec![[ok(), vec![Read]].concat(), ok()], 2),
        twice("resets a second request", vec![[ok(), vec![ReadByte]].concat(), ok()], 2),
    ]
}
