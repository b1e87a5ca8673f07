//! One HTTP/1.1 connection. It is driven by whoever waits for its answer, not by a task of its own: dropping the waiter
//! closes the socket, and nothing is left running.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::NetError;
use super::exchange::elapsed_ms;

/// Bytes that may arrive before the head of the final answer is complete, informational answers included. hyper skips
/// those without a bound of its own.
const MAX_HEAD_BYTES: u64 = 128 * 1024;

/// What hyper buffers of an answer at most.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A connection, plain or not.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that can carry requests, one after the other.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended; it must not be polled again then.
    connection: Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    meter: Arc<Meter>,
    pub(super) address: SocketAddr,
}

impl Wire {
    pub(super) async fn open(stream: Stream, address: SocketAddr) -> Result<Self, NetError> {
        let meter = Arc::new(Meter::default());
        let io = TokioIo::new(Metered { stream, meter: Arc::clone(&meter) });
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_BYTES)
            // A receiver with a sloppy header has still said what it says in the status line.
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(io)
            .await
            .map_err(NetError::from_http)?;
        Ok(Self { sender, connection: Some(connection), meter, address })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.meter.begin();
        let answer = self.sender.send_request(request);
        let answer = drive(&mut self.connection, answer).await;
        self.meter.head_complete();
        answer
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(super) async fn frame(&mut self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        drive(&mut self.connection, body.frame()).await
    }

    /// Whether a byte of the answer to the last request arrived.
    pub(super) fn heard_something(&self) -> bool {
        self.meter.first_byte_ms().is_some()
    }

    /// From the beginning of the last request to the first byte of its answer.
    pub(super) fn first_byte_ms(&self) -> Option<u32> {
        self.meter.first_byte_ms()
    }

    /// Whether another request can be sent: the last one is over, and the peer has not hung up as far as is known.
    pub(super) fn is_reusable(&mut self) -> bool {
        let sender = &mut self.sender;
        let ready =
            drive(&mut self.connection, std::future::poll_fn(|cx| sender.poll_ready(cx))).now_or_never();
        matches!(ready, Some(Ok(()))) && self.connection.is_some()
    }
}

/// Waits for `work` while moving the connection's bytes.
async fn drive<T>(
    connection: &mut Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if let Some(running) = connection
            && let Poll::Ready(_ended) = Pin::new(running).poll(cx)
        {
            // Why it ended reaches the caller through `work`.
            *connection = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// What one answer brought so far.
#[derive(Default)]
struct Meter(Mutex<Reading>);

#[derive(Default)]
struct Reading {
    begun: Option<Instant>,
    first_byte_ms: Option<u32>,
    n_bytes: u64,
    head_complete: bool,
}

impl Meter {
    fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        *self.reading() = Reading { begun: Some(Instant::now()), ..Reading::default() };
    }

    fn head_complete(&self) {
        self.reading().head_complete = true;
    }

    fn first_byte_ms(&self) -> Option<u32> {
        self.reading().first_byte_ms
    }

    /// Refuses when the head has had more than its share of bytes.
    fn check(&self) -> io::Result<()> {
        let reading = self.reading();
        if !reading.head_complete && reading.n_bytes > MAX_HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        Ok(())
    }

    fn count(&self, n_bytes: usize) {
        let mut reading = self.reading();
        reading.n_bytes += n_bytes as u64;
        if n_bytes > 0 && reading.first_byte_ms.is_none() {
            reading.first_byte_ms = reading.begun.map(elapsed_ms);
        }
    }
}

/// A stream whose incoming bytes are counted.
struct Metered {
    stream: Stream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meter.check()?;
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.meter.count(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
