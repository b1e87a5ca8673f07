//! A recorded HTTP request as it arrived on a connection, and functions that read a request from a stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The largest accepted size of a request head, in bytes. No test sends a larger head.
const MAX_HEAD_BYTES: usize = 1 << 20;

/// A request that arrived at a receiver or a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// The number of the connection on which the request arrived, counted from 0.
    pub connection: usize,
    /// The request line without its line end, such as `POST /hook HTTP/1.1`.
    pub request_line: String,
    /// The headers in the order of arrival. Names are in lower case, and values have no surrounding spaces.
    pub headers: Vec<(String, String)>,
    /// The body of the request. Empty if only the head was read.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// Returns the value of a header, or `None` when the request does not have the header. `name` is in lower
    /// case.
    ///
    /// # Panics
    ///
    /// Panics when the request has the header more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "the header {name} is there more than once");
        value
    }

    fn content_length(&self) -> io::Result<usize> {
        match self.header("content-length") {
            Some(length) => length.parse().map_err(|_| io::ErrorKind::InvalidData.into()),
            None => Ok(0),
        }
    }
}

/// Reads a request with its body. The header `content-length` gives the length of the body, and the function
/// does not read beyond the body.
///
/// # Errors
///
/// Fails when the stream ends early, or when its bytes are not the head of a request.
pub async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    connection: usize,
) -> io::Result<ReceivedRequest> {
    let mut request = read_head(stream, connection).await?;
    request.body = vec![0; request.content_length()?];
    stream.read_exact(&mut request.body).await?;
    Ok(request)
}

/// Reads the head of a request up to and including its empty line. Does not read the body.
///
/// # Errors
///
/// Fails when the stream ends early, or when its bytes are not the head of a request.
pub async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    connection: usize,
) -> io::Result<ReceivedRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.trim_end().split("\r\n");
    let request_line = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(ReceivedRequest { connection, request_line, headers, body: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_an_http_request_stops_after_the_number_of_body_bytes_in_its_content_length() {
        let mut bytes = &b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nX-Own:  v \r\n\r\nabcdef"[..];
        let request = read_request(&mut bytes, 7).await.unwrap();
        assert_eq!((request.connection, request.request_line.as_str()), (7, "POST /a HTTP/1.1"));
        assert_eq!((request.header("x-own"), request.header("missing")), (Some("v"), None));
        assert_eq!((request.body.as_slice(), bytes), (&b"abc"[..], &b"def"[..]));
    }

    #[tokio::test]
    async fn reading_an_http_request_that_is_cut_off_fails() {
        for bytes in [&b"POST / HTTP/1.1\r\n"[..], b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab"] {
            let error = read_request(&mut &*bytes, 0).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        let mut bytes = &b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"[..];
        assert_eq!(read_request(&mut bytes, 0).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
