//! A stream that counts the received bytes. The count limits the size of a response head and of the framing
//! of a response body, lets other tasks run after some kilobytes, and shows when the first byte of a response
//! arrives. After a failed write, the stream continues to read, because a peer may respond and close the
//! connection before the peer has read the whole request (RFC 9112, section 9.6).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::paced_stream::poll_read_paced;
use crate::timings::elapsed_ms;

/// The largest number of bytes that may arrive before the head of the final response is complete. The bytes
/// of informational (1xx) responses count as well, because hyper skips any number of informational responses.
const MAX_HEAD_BYTES: u64 = 128 * 1024;

/// The largest permitted difference, in bytes, between the bytes received for a body and twice the length of
/// the body. The chunked transfer coding adds at least five bytes to each chunk, and hyper reads up to 64 KiB
/// ahead. Without this limit, a chunk size with endless leading zeros would keep hyper busy until the
/// deadline.
const MAX_FRAMING_BYTES: u64 = 128 * 1024;

/// A TCP connection, with or without TLS.
pub(crate) enum MaybeTlsStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Counts the bytes received for the current request. The stream and the connection share one meter.
#[derive(Default)]
pub(crate) struct ReadMeter(Mutex<ReadState>);

#[derive(Default)]
struct ReadState {
    request_started: Option<Instant>,
    first_byte_ms: Option<u32>,
    n_bytes: u64,
    head_complete: bool,
    /// The number of bytes of the body that hyper has returned. The framing of the transfer coding does not
    /// count.
    n_body_bytes: u64,
}

impl ReadMeter {
    fn state(&self) -> MutexGuard<'_, ReadState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets the meter at the start of a request.
    pub(crate) fn start_request(&self) {
        *self.state() = ReadState { request_started: Some(Instant::now()), ..ReadState::default() };
    }

    /// Ends the size limit of the response head: all bytes that follow belong to the body.
    pub(crate) fn end_head(&self) {
        let mut state = self.state();
        state.head_complete = true;
        state.n_bytes = 0;
    }

    /// Counts bytes of the body that hyper has returned.
    pub(crate) fn add_body(&self, n_bytes: usize) {
        self.state().n_body_bytes += n_bytes as u64;
    }

    /// Returns the milliseconds from the start of the request to the first byte of its response, or `None`
    /// before this byte has arrived.
    pub(crate) fn first_byte_ms(&self) -> Option<u32> {
        self.state().first_byte_ms
    }

    /// Fails when the head of the response is longer than [`MAX_HEAD_BYTES`], or when the framing of the body
    /// is longer than the sum of the length of the body and [`MAX_FRAMING_BYTES`].
    fn check_size(&self) -> io::Result<()> {
        let state = self.state();
        let excess = if !state.head_complete {
            (state.n_bytes > MAX_HEAD_BYTES).then_some("the head of the answer is too long")
        } else {
            let n_framing = state.n_bytes.saturating_sub(state.n_body_bytes.saturating_mul(2));
            (n_framing > MAX_FRAMING_BYTES)
                .then_some("the framing of the answer's body is longer than the body")
        };
        excess.map_or(Ok(()), |message| Err(io::Error::new(io::ErrorKind::InvalidData, message)))
    }

    fn add(&self, n_bytes: usize) {
        let mut state = self.state();
        state.n_bytes += n_bytes as u64;
        if n_bytes > 0 && state.first_byte_ms.is_none() {
            state.first_byte_ms = state.request_started.map(elapsed_ms);
        }
    }
}

/// A stream that reports the number of received bytes to a [`ReadMeter`]. The stream reports a failed write
/// only when no more bytes of the response can be read.
pub(crate) struct MeteredStream {
    stream: MaybeTlsStream,
    meter: Arc<ReadMeter>,
    /// The error of a failed write. The next read that receives no bytes returns the error. Until then,
    /// further bytes of the request are discarded.
    write_error: Option<io::Error>,
}

impl MeteredStream {
    pub(crate) fn new(stream: MaybeTlsStream, meter: Arc<ReadMeter>) -> Self {
        Self { stream, meter, write_error: None }
    }

    /// Stores the error of a failed write and returns `success` instead, as if the write had succeeded.
    fn keep_write_error<T>(&mut self, polled: Poll<io::Result<T>>, success: T) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) => {
                self.write_error = Some(error);
                Poll::Ready(Ok(success))
            }
            other => other,
        }
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meter.check_size()?;
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            MaybeTlsStream::Plain(stream) => poll_read_paced(Pin::new(stream), cx, buffer),
            MaybeTlsStream::Tls(stream) => poll_read_paced(Pin::new(&mut **stream), cx, buffer),
        };
        let n_bytes = buffer.filled().len() - before;
        self.meter.add(n_bytes);
        if polled.is_ready()
            && n_bytes == 0
            && let Some(error) = self.write_error.take()
        {
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.keep_write_error(polled, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n_bytes = slices.iter().map(|slice| slice.len()).sum();
        if self.write_error.is_some() {
            return Poll::Ready(Ok(n_bytes));
        }
        let polled = match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.keep_write_error(polled, n_bytes)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            MaybeTlsStream::Plain(stream) => stream.is_write_vectored(),
            MaybeTlsStream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_error.is_some() {
            return Poll::Ready(Ok(()));
        }
        let polled = match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.keep_write_error(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test connects to its own listener")]
    async fn a_response_that_arrived_before_a_connection_reset_can_still_be_read_after_a_failed_write() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the listener is bound");
        let client = TcpStream::connect(address).await.expect("the listener accepts");
        let (mut peer, _) = listener.accept().await.expect("the client connects");
        let mut stream = MeteredStream::new(MaybeTlsStream::Plain(client), Arc::default());
        stream.write_all(b"the start of a request").await.expect("the peer is connected");
        peer.readable().await.expect("the request arrives");
        peer.write_all(b"431").await.expect("the client is connected");
        // When a socket with unread bytes is closed, the kernel resets the connection.
        drop(peer);

        for _ in 0..2 {
            stream.write_all(b"the rest").await.expect("the error of a write is kept for the read");
            stream.flush().await.expect("the error of a write is kept for the read");
        }
        assert!(stream.write_error.is_some(), "the reset makes the write fail");
        let mut response = Vec::new();
        let error = stream.read_to_end(&mut response).await.expect_err("the reset is reported at the end");
        assert_eq!(response, b"431");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
