//! Lets other tasks run while a peer sends many bytes. tokio counts each read of a socket as one unit of the
//! task's budget, however many bytes the read returns. The parser behind a read needs time for each byte, so
//! a read of a paced stream returns few bytes and uses up the budget for all bytes of the read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

/// The largest number of bytes that one read returns. hyper needs up to 80 ns for each byte of a chunk size,
/// so hyper parses this number of bytes within 1.5 ms.
const READ_BYTES: usize = 16 * 1024;

/// The number of received bytes that use up one unit of the budget. A task has 128 units each time it runs,
/// so other tasks run after each full read.
const BYTES_PER_UNIT: usize = READ_BYTES / 128;

/// A stream whose reads use up the budget of the running task in proportion to the received bytes.
pub struct PacedStream<S>(S);

impl<S> PacedStream<S> {
    /// Paces the reads of `stream`.
    pub fn new(stream: S) -> Self {
        Self(stream)
    }
}

/// Reads at most [`READ_BYTES`] from `stream`, and uses up the budget of the running task for these bytes.
/// When the budget is used up, the next read waits until other tasks have run.
pub(crate) fn poll_read_paced(
    stream: Pin<&mut (impl AsyncRead + ?Sized)>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let n_wanted = buffer.remaining().min(READ_BYTES);
    let mut part = ReadBuf::new(buffer.initialize_unfilled_to(n_wanted));
    let polled = stream.poll_read(cx, &mut part);
    let n_read = part.filled().len();
    buffer.advance(n_read);
    for _ in 0..n_read / BYTES_PER_UNIT {
        match coop::poll_proceed(cx) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => break,
        }
    }
    polled
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read_paced(Pin::new(&mut self.0), cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
