//! An HTTP client for tests that sees what is really on the wire: header names keep their capitals.
#![expect(clippy::disallowed_methods, reason = "a client of the server, not a part of it")]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, byte for byte.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names as they were sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The value of a header, its name compared letter by letter.
    pub(crate) fn header(&self, exact_name: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == exact_name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends `head` (request line and headers, without the final empty line) and `body`, on a connection of its own.
pub(crate) async fn send_raw(address: SocketAddr, head: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = format!("{head}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the server reads the head");
    stream.write_all(body).await.expect("the server reads the body");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    parse(&answer)
}

/// Sends a request with the headers a body needs.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}");
    for (name, value) in headers {
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    send_raw(address, &head, body).await
}

fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("the answer has no end of headers: {:?}", String::from_utf8_lossy(answer));
    });
    let head = std::str::from_utf8(&answer[..end]).expect("headers are ASCII here");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "Transfer-Encoding" && value == "chunked") {
        body = unchunk(&body);
    }
    Reply { status: status.expect("a status line"), headers, body }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's length");
        let length = std::str::from_utf8(&rest[..line_end]).expect("hexadecimal");
        let length = usize::from_str_radix(length, 16).expect("hexadecimal");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[line_end + 2..line_end + 2 + length]);
        rest = &rest[line_end + 2 + length + 2..];
    }
}
