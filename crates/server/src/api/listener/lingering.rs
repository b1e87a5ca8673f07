//! Closes a connection without losing the last answer. A client may still send the body of a request that the
//! server has refused. If the server closed the connection at once, the kernel would answer the next bytes of
//! the body with a reset, and some clients would then lose the answer. So the server first closes only its own
//! direction, and reads for a short time what the client still sends (RFC 9112, section 9.6).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The most bytes that are read and discarded after the last answer of a connection: a little more than a client
/// sends before the first acknowledgement (10 segments, RFC 6928). A client that has sent more has received the
/// acknowledgement, and the answer close behind it.
const LINGER_BYTES: usize = 16 << 10;
/// The longest time for which bytes are read and discarded after the last answer of a connection.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// A stream that can discard the rest of an unread body when it is shut down.
pub(super) struct LingeringStream<S> {
    stream: S,
    has_unread_body: Arc<AtomicBool>,
    state: State,
}

enum State {
    Open,
    /// The server's direction is closed.
    Discarding {
        n_bytes: usize,
        deadline: Pin<Box<Sleep>>,
    },
}

impl<S> LingeringStream<S> {
    /// `has_unread_body` says, when the stream is shut down, whether the client may still send a body.
    pub(super) fn new(stream: S, has_unread_body: Arc<AtomicBool>) -> Self {
        Self { stream, has_unread_body, state: State::Open }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, has_unread_body, state } = &mut *self;
        if let State::Open = state {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            if !has_unread_body.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            *state = State::Discarding { n_bytes: 0, deadline: Box::pin(tokio::time::sleep(LINGER_TIME)) };
        }
        let State::Discarding { n_bytes, deadline } = state else { return Poll::Ready(Ok(())) };
        poll_discard(Pin::new(stream), n_bytes, deadline.as_mut(), context).map(Ok)
    }
}

/// Reads and discards bytes until the client closes its direction, until `n_bytes` has reached
/// [`LINGER_BYTES`], or until `deadline`.
fn poll_discard(
    mut stream: Pin<&mut impl AsyncRead>,
    n_bytes: &mut usize,
    deadline: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let mut discarded = [0; 8 << 10];
    while *n_bytes < LINGER_BYTES {
        let mut buffer = ReadBuf::new(&mut discarded);
        match stream.as_mut().poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => *n_bytes += buffer.filled().len(),
            Poll::Ready(_ended) => return Poll::Ready(()),
            Poll::Pending => return deadline.poll(context),
        }
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn lingering(has_unread_body: bool) -> (LingeringStream<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(2 * LINGER_BYTES);
        (LingeringStream::new(server, Arc::new(AtomicBool::new(has_unread_body))), client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_without_an_unread_body_does_not_wait_for_the_client() {
        let (mut server, _client) = lingering(false);
        let began = tokio::time::Instant::now();
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_with_an_unread_body_closes_the_direction_of_the_server_and_waits_for_the_client() {
        let (mut server, mut client) = lingering(true);
        let is_closed = std::cell::Cell::new(false);
        let closing = async {
            server.shutdown().await.expect("the stream is shut down");
            is_closed.set(true);
        };
        let sending = async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("the client reads to the end of the answer");
            client.write_all(&[0; LINGER_BYTES / 2]).await.expect("the server discards these bytes");
            tokio::task::yield_now().await;
            assert!(!is_closed.get(), "the server waits for the end of the body");
            drop(client);
        };
        tokio::join!(closing, sending);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_with_an_unread_body_ends_after_16_kib_or_after_a_second() {
        let (mut server, mut client) = lingering(true);
        client.write_all(&[0; LINGER_BYTES]).await.expect("the pipe holds these bytes");
        let began = tokio::time::Instant::now();
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), Duration::ZERO, "16 KiB are the limit");

        let (mut server, _silent_client) = lingering(true);
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), LINGER_TIME, "a second is the limit");
    }
}
