//! A client that reads the response while it still sends the request, and that uses each connection once. The
//! client therefore sees a refusal that the server sends before it has read the body.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pixaven_testkit::multipart;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::environment::TestEnvironment;

/// The time limit for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// A prepared request.
#[derive(Clone)]
pub(super) struct Prepared {
    address: SocketAddr,
    head: Bytes,
    body: Bytes,
    expects_continue: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// The status of the response; `None` if the connection ended before a complete response.
    pub(super) status: Option<u16>,
    pub(super) latency: Duration,
    pub(super) at: Instant,
}

impl Outcome {
    pub(super) fn is_success(&self) -> bool {
        self.status == Some(200)
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.status == Some(503)
    }
}

impl Prepared {
    /// Prepares an upload whose result the client waits for.
    pub(super) fn upload(
        environment: &TestEnvironment,
        image: &[u8],
        operations: &Value,
        expects_continue: bool,
    ) -> Self {
        let body = multipart::upload("image", image, &operations.to_string());
        let expect = if expects_continue { "Expect: 100-continue\r\n" } else { "" };
        let head = format!(
            "POST /1.0/upload HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\n{expect}Connection: close\r\n\r\n",
            environment.address,
            environment.installation.key,
            multipart::CONTENT_TYPE,
            body.len()
        );
        Self { address: environment.address, head: head.into(), body: body.into(), expects_continue }
    }

    /// Prepares a request for `/healthz`.
    pub(super) fn health(address: SocketAddr) -> Self {
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        Self { address, head: head.into(), body: Bytes::new(), expects_continue: false }
    }

    /// Sends the request on a new connection. The latency counts from `scheduled`.
    pub(super) async fn send(self, scheduled: Instant) -> Outcome {
        let exchange = tokio::time::timeout(RESPONSE_TIMEOUT, self.exchange()).await;
        let status = exchange.ok().and_then(Result::ok);
        let at = Instant::now();
        Outcome { status, latency: at - scheduled, at }
    }

    async fn exchange(&self) -> io::Result<u16> {
        let stream = connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(&self.head).await?;
        let mut received = Vec::new();
        if self.expects_continue {
            reader.read_buf(&mut received).await?;
            match received.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") {
                Some(rest) => received = rest.to_vec(),
                None => return read_response(&mut reader, received).await,
            }
        }
        let mut response = std::pin::pin!(read_response(&mut reader, received));
        tokio::select! {
            response = &mut response => response,
            // A failed write is no failure of the request, because the server may have answered and closed
            // the connection.
            _sent = writer.write_all(&self.body) => response.await,
        }
    }
}

/// Reads a response to its end. A connection that is reset after the end is no failure.
async fn read_response(
    reader: &mut tokio::net::tcp::OwnedReadHalf,
    mut received: Vec<u8>,
) -> io::Result<u16> {
    loop {
        if let Some(status) = complete_status(&received) {
            return Ok(status);
        }
        if reader.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The status of a response, if it is complete.
fn complete_status(received: &[u8]) -> Option<u16> {
    let head_end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..head_end]).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    let is_complete = received.len() >= head_end + length.trim().parse::<usize>().ok()?;
    is_complete.then(|| head.split(' ').nth(1)?.parse().ok()).flatten()
}

#[expect(clippy::disallowed_methods, reason = "the load tools are clients of the server under test")]
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_status_counts_only_when_the_response_head_and_the_whole_body_were_received() {
        let response = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(complete_status(response), Some(503));
        assert_eq!(complete_status(&response[..response.len() - 1]), None);
        assert_eq!(complete_status(&response[..20]), None);
    }
}
