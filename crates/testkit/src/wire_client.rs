//! An HTTP client for tests that returns a response exactly as the server sent it. For example, header names
//! keep their capital letters.
#![expect(clippy::disallowed_methods, reason = "a client of the server, not a part of it")]

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A response as the server sent it.
pub struct WireResponse {
    /// The status code.
    pub status: u16,
    /// The headers of the response. The names keep the capital letters that the server sent, and the values
    /// have no surrounding spaces.
    pub headers: Vec<(String, String)>,
    /// The body of the response. If the server sent the body in chunks, the chunks are joined.
    pub body: Vec<u8>,
}

impl WireResponse {
    /// Returns the value of a header, or `None` if the response does not have the header. The comparison of
    /// header names is case-sensitive.
    pub fn header(&self, exact_name: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == exact_name).map(|(_, value)| value.as_str())
    }

    /// Parses the body of the response as JSON.
    ///
    /// # Panics
    ///
    /// Panics when the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends a request on a new connection, and reads the whole response. If the request has a body, the function
/// adds the header `Content-Length`.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> WireResponse {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}");
    for (name, value) in headers {
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("\r\nContent-Length: {}", body.len()));
    }
    send_raw(address, &head, body).await
}

/// Sends `head` and `body` on a new connection, and reads the whole response. `head` contains the request
/// line and the headers without the final empty line. The function adds `Connection: close` and the empty
/// line.
pub async fn send_raw(address: SocketAddr, head: &str, body: &[u8]) -> WireResponse {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts the connection");
    let head = format!("{head}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the server reads the head");
    stream.write_all(body).await.expect("the server reads the body");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("the server sends a response and closes the connection");
    parse(&response)
}

fn parse(response: &[u8]) -> WireResponse {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("the response has no empty line: {:?}", String::from_utf8_lossy(response));
    });
    let head = std::str::from_utf8(&response[..end]).expect("the server sends ASCII headers");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut body = response[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "Transfer-Encoding" && value == "chunked") {
        body = join_chunks(&body);
    }
    WireResponse { status: status.expect("a response begins with a status line"), headers, body }
}

/// Joins the chunks of a body with the transfer encoding `chunked`.
fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line_end =
            rest.windows(2).position(|two| two == b"\r\n").expect("a chunk begins with its length");
        let length = std::str::from_utf8(&rest[..line_end]).expect("a chunk's length is hexadecimal");
        let length = usize::from_str_radix(length, 16).expect("a chunk's length is hexadecimal");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[line_end + 2..line_end + 2 + length]);
        rest = &rest[line_end + 2 + length + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsed_response_keeps_the_capitals_of_header_names_and_joins_the_chunks_of_the_body() {
        let response = parse(
            b"HTTP/1.1 201 Created\r\nX-Own: a\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\n{\"a\r\n4\r\n\": 1\r\n1\r\n}\r\n0\r\n\r\n",
        );
        assert_eq!(
            (response.status, response.header("X-Own"), response.header("x-own")),
            (201, Some("a"), None)
        );
        assert_eq!(response.json()["a"], 1);
    }
}
