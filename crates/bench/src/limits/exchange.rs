//! Sends one upload, and measures the time from the end of the upload to the end of the response.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use pixaven_testkit::multipart;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

/// The time limit for one request. It is longer than the time limits of the server.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A complete response.
pub(super) struct Exchange {
    pub(super) status: u16,
    pub(super) json: Value,
    /// Milliseconds from the end of the upload to the end of the response. If the response came before the end of
    /// the upload, milliseconds from the start of the request.
    pub(super) ms: f64,
}

/// Uploads an image on a new connection.
pub(super) async fn upload(
    address: SocketAddr,
    key: &str,
    image: &[u8],
    data: &Value,
) -> anyhow::Result<Exchange> {
    let body = multipart::upload("image", image, &data.to_string());
    let head = format!(
        "POST /1.0/upload HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        multipart::CONTENT_TYPE,
        body.len()
    );
    tokio::time::timeout(TIMEOUT, exchange(address, head.as_bytes(), &body))
        .await
        .context("no answer in time")?
}

async fn exchange(address: SocketAddr, head: &[u8], body: &[u8]) -> anyhow::Result<Exchange> {
    let stream = connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut start = Instant::now();
    let mut received = std::pin::pin!(read_response(&mut reader));
    let sent = async {
        writer.write_all(head).await?;
        writer.write_all(body).await
    };
    let response = tokio::select! {
        response = &mut received => response?,
        // A failed write is no failure of the request, because the server may have answered and closed the
        // connection.
        _sent = sent => {
            start = Instant::now();
            received.await?
        }
    };
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let (status, json) = parse(&response)?;
    Ok(Exchange { status, json, ms })
}

/// Reads until the response is complete. The connection may stay open, because the server reads the rest of an upload
/// that it has refused.
async fn read_response(reader: &mut OwnedReadHalf) -> anyhow::Result<Vec<u8>> {
    let mut response = Vec::new();
    while parse(&response).is_err() {
        let n_bytes = reader.read_buf(&mut response).await?;
        ensure!(n_bytes > 0, "the response was cut short: {}", String::from_utf8_lossy(&response));
    }
    Ok(response)
}

/// Reads the status and the JSON of a complete response.
fn parse(response: &[u8]) -> anyhow::Result<(u16, Value)> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").context("no complete head")?;
    let head = std::str::from_utf8(&response[..end])?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let json = serde_json::from_slice(&response[end + 4..]).context("the response is no JSON")?;
    Ok((status, json))
}

#[expect(clippy::disallowed_methods, reason = "the load tools are clients of the server under test")]
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_parsed_only_if_its_json_is_complete() {
        let response =
            b"HTTP/1.1 422 Unprocessable\r\nContent-Type: application/json\r\n\r\n{\"error\":\"x\"}";
        let (status, json) = parse(response).unwrap();
        assert_eq!((status, json["error"].as_str()), (422, Some("x")));
        assert!(parse(&response[..response.len() - 1]).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
