//! Closes a connection without losing the last answer. A client may still send the body of a request that the
//! server has refused. If the server closed the connection at once, the kernel would answer the next bytes of
//! the body with a reset, and some clients would then lose the answer. So the server first closes only its own
//! direction, and reads for a short time what the client still sends (RFC 9112, section 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// The most bytes that are read and discarded after the last answer of a connection: a little more than a client
/// sends before the first acknowledgement (10 segments, RFC 6928). A client that has sent more has received the
/// acknowledgement, and the answer close behind it.
const LINGER_BYTES: usize = 16 << 10;
/// The longest time for which bytes are read and discarded after the last answer of a connection.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// The wait for the end of an unread body, after the server has closed its own direction.
pub(super) struct Lingering {
    n_bytes: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new() -> Self {
        Self { n_bytes: 0, deadline: Box::pin(tokio::time::sleep(LINGER_TIME)) }
    }

    /// Reads and discards bytes until the client closes its direction, until [`LINGER_BYTES`] were read, or for
    /// [`LINGER_TIME`].
    pub(super) fn poll_discard(
        &mut self,
        mut stream: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut discarded = [0; 8 << 10];
        while self.n_bytes < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut discarded);
            match stream.as_mut().poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.n_bytes += buffer.filled().len(),
                Poll::Ready(_ended) => return Poll::Ready(()),
                Poll::Pending => return self.deadline.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::api::listener::connections::{ConnectionLimits, Connections};
    use crate::api::listener::tracked::TrackedStream;

    async fn lingering(has_unread_body: bool) -> (TrackedStream<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(2 * LINGER_BYTES);
        let limits = ConnectionLimits { total: 1, per_client: 0, trusted: Vec::new() };
        let admitted = Connections::new(limits).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let connection = admitted.expect("the table of connections is empty");
        connection.set_has_unread_body(has_unread_body);
        (TrackedStream::new(server, Arc::new(connection)), client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_without_an_unread_body_does_not_wait_for_the_client() {
        let (mut server, _client) = lingering(false).await;
        let began = tokio::time::Instant::now();
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_with_an_unread_body_closes_the_direction_of_the_server_and_waits_for_the_client() {
        let (mut server, mut client) = lingering(true).await;
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
        let (mut server, mut client) = lingering(true).await;
        client.write_all(&[0; LINGER_BYTES]).await.expect("the pipe holds these bytes");
        let began = tokio::time::Instant::now();
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), Duration::ZERO, "16 KiB are the limit");

        let (mut server, _silent_client) = lingering(true).await;
        server.shutdown().await.expect("the stream is shut down");
        assert_eq!(began.elapsed(), LINGER_TIME, "a second is the limit");
    }
}
