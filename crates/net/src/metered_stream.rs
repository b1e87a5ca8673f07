//! A stream that counts the bytes it receives. The count limits the size of a response head and shows when
//! the first byte of a response arrives.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::timings::elapsed_ms;

/// The limit, in bytes, for everything that arrives before the head of the final response is complete.
/// Informational (1xx) responses count as well, because hyper skips any number of them.
const MAX_HEAD_BYTES: u64 = 128 * 1024;

/// A TCP connection, with or without TLS.
pub(crate) enum MaybeTlsStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Counts the bytes received for the current request. The stream and its owner share one meter.
#[derive(Default)]
pub(crate) struct ReadMeter(Mutex<ReadState>);

#[derive(Default)]
struct ReadState {
    request_started: Option<Instant>,
    first_byte_ms: Option<u32>,
    n_bytes: u64,
    head_complete: bool,
}

impl ReadMeter {
    fn state(&self) -> MutexGuard<'_, ReadState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets the meter at the start of a request.
    pub(crate) fn start_request(&self) {
        *self.state() = ReadState { request_started: Some(Instant::now()), ..ReadState::default() };
    }

    /// Ends the limit on the head: the bytes that follow belong to the body.
    pub(crate) fn end_head(&self) {
        self.state().head_complete = true;
    }

    /// Milliseconds from the start of the request to the first byte of its response. `None` before that byte.
    pub(crate) fn first_byte_ms(&self) -> Option<u32> {
        self.state().first_byte_ms
    }

    /// Fails when the head of the response is longer than [`MAX_HEAD_BYTES`].
    fn check_head_size(&self) -> io::Result<()> {
        let state = self.state();
        if !state.head_complete && state.n_bytes > MAX_HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        Ok(())
    }

    fn add(&self, n_bytes: usize) {
        let mut state = self.state();
        state.n_bytes += n_bytes as u64;
        if n_bytes > 0 && state.first_byte_ms.is_none() {
            state.first_byte_ms = state.request_started.map(elapsed_ms);
        }
    }
}

/// A stream that reports every received byte to a [`ReadMeter`].
pub(crate) struct MeteredStream {
    pub(crate) stream: MaybeTlsStream,
    pub(crate) meter: Arc<ReadMeter>,
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meter.check_head_size()?;
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.meter.add(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            MaybeTlsStream::Plain(stream) => stream.is_write_vectored(),
            MaybeTlsStream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            MaybeTlsStream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            MaybeTlsStream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
