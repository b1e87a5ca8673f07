//! One HTTP/1.1 connection. No background task drives the connection. Instead, the caller polls the
//! connection while the caller waits for the response. When the caller drops this future, the socket closes
//! and no task remains.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::coop::consume_budget;

use crate::NetError;
use crate::metered_stream::{MaybeTlsStream, MeteredStream, ReadMeter};

/// The largest number of response bytes that hyper may hold in its read buffer.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// The future of hyper that reads from the socket and writes to the socket. A request makes progress only
/// while this future is polled.
type HyperConnection = http1::Connection<TokioIo<MeteredStream>, Full<Bytes>>;

/// A connection that carries requests, one after the other.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// The running connection. `None` after the connection has ended, because a completed future must not be
    /// polled again.
    driver: Option<HyperConnection>,
    meter: Arc<ReadMeter>,
    pub(crate) address: SocketAddr,
}

impl Connection {
    /// Starts HTTP/1.1 on an open stream. `address` is the peer's address.
    pub(crate) async fn start(stream: MaybeTlsStream, address: SocketAddr) -> Result<Self, NetError> {
        let meter = Arc::new(ReadMeter::default());
        let io = TokioIo::new(MeteredStream::new(stream, Arc::clone(&meter)));
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_BYTES)
            // A response with invalid header lines is accepted, because the status code alone decides whether
            // a webhook was delivered.
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(io)
            .await
            .map_err(NetError::from_http)?;
        Ok(Self { sender, driver: Some(driver), meter, address })
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.meter.start_request();
        let response = self.sender.send_request(request);
        let response = drive(&mut self.driver, response).await;
        self.meter.end_head();
        response
    }

    /// Reads the next frame of a response body. Returns `None` at the end of the body.
    ///
    /// Many frames can be complete in hyper's buffer at once. The function therefore lets other tasks run
    /// after a number of frames, although the function need not wait for the peer.
    pub(crate) async fn next_frame(&mut self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        consume_budget().await;
        let frame = drive(&mut self.driver, body.frame()).await;
        if let Some(Ok(frame)) = &frame {
            self.meter.add_body(frame.data_ref().map_or(0, Bytes::len));
        }
        frame
    }

    /// Returns the milliseconds from the start of the last request to the first byte of its response, or
    /// `None` while no byte of the response has arrived.
    pub(crate) fn first_byte_ms(&self) -> Option<u32> {
        self.meter.first_byte_ms()
    }

    /// Returns whether the connection can carry another request: the last exchange is complete, and the peer
    /// has not closed the connection as far as the client has noticed.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let sender = &mut self.sender;
        let ready = drive(&mut self.driver, std::future::poll_fn(|cx| sender.poll_ready(cx))).now_or_never();
        matches!(ready, Some(Ok(()))) && self.driver.is_some()
    }
}

/// Waits for the future `work` and polls the connection at the same time, because data moves only while the
/// connection is polled.
async fn drive<T>(driver: &mut Option<HyperConnection>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if let Some(running) = driver
            && let Poll::Ready(_ended) = Pin::new(running).poll(cx)
        {
            // An error that ended the connection is ignored at this point, because `work` fails with the same
            // error and returns the error to the caller.
            *driver = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}
