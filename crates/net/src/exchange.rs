//! Sends one request and reads its response under one deadline. Only the first bytes of the response body are
//! kept.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use url::Url;

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::piece_limit::PieceLimit;
use crate::request::OutgoingRequest;
use crate::target::Target;
use crate::timings::{ExchangeTrace, PhaseTimings};
use crate::{Net, NetError};

/// The result of one request, with the time that each phase took.
#[derive(Debug)]
pub struct Exchange {
    /// The time from the start of the call to the last byte of the response that was read.
    pub duration: Duration,
    /// The address of the connection. When no connection was made, this is the first address that was tried.
    /// `None` when no address was tried.
    pub address: Option<SocketAddr>,
    /// The time that each phase took.
    pub timings: PhaseTimings,
    /// The response, or the error that prevented a response.
    pub result: Result<HttpResponse, NetError>,
}

impl Exchange {
    /// Creates the result of an exchange that failed with `error` before anything was sent.
    pub fn not_started(error: NetError) -> Self {
        Self { duration: Duration::ZERO, address: None, timings: PhaseTimings::default(), result: Err(error) }
    }
}

/// A response whose head arrived completely.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code of the response. The status code alone decides whether a webhook was delivered.
    pub status: StatusCode,
    /// The headers of the response, as received.
    pub headers: HeaderMap,
    /// The first bytes of the body, as received and never decompressed. A body that is shorter than the size
    /// limit can still be incomplete, because the deadline passed or the peer closed the connection.
    pub body: Bytes,
}

impl Net {
    /// Sends `body` to `url` in a POST request and reads the response, as [`Self::send`] does.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
        max_body_bytes: usize,
    ) -> Exchange {
        self.send(Method::POST, url, headers, body, deadline, max_body_bytes).await
    }

    /// Sends `body` to `url` in a request with the given method and reads the response.
    ///
    /// `deadline` limits the whole exchange: lookup, connect, TLS handshake, head and body. A redirect is
    /// returned like any other response. At most `max_body_bytes` of the response body are kept. When the
    /// body breaks off or takes too long, the call still succeeds, because the status is already known.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
        max_body_bytes: usize,
    ) -> Exchange {
        let started = Instant::now();
        let mut trace = ExchangeTrace::default();
        let result = match Target::new(url) {
            Ok(target) => {
                let request = OutgoingRequest { method, target: &target, headers, body };
                self.exchange(&request, &Deadline::after(deadline), max_body_bytes, &mut trace).await
            }
            Err(error) => Err(error),
        };
        Exchange { duration: started.elapsed(), address: trace.address, timings: trace.timings, result }
    }

    async fn exchange(
        &self,
        request: &OutgoingRequest<'_>,
        deadline: &Deadline,
        max_body_bytes: usize,
        trace: &mut ExchangeTrace,
    ) -> Result<HttpResponse, NetError> {
        let (response, mut connection) = match deadline.run(request.send(&self.inner, deadline, trace)).await
        {
            Some(sent) => sent?,
            None => return Err(self.inner.error_after_deadline(deadline, trace).await),
        };
        let (head, mut incoming) = response.into_parts();
        let mut kept = BytesMut::new();
        // The status of the response is known at this point, so the exchange succeeds even if reading the
        // body fails.
        let reading = read_beginning(&mut connection, &mut incoming, &mut kept, max_body_bytes);
        let complete = deadline.run(reading).await.unwrap_or(false);
        if complete {
            self.inner.pool.put(&request.target.origin, connection);
        }
        Ok(HttpResponse { status: head.status, headers: head.headers, body: kept.freeze() })
    }
}

/// Appends up to `limit_bytes` of the response body to `kept`. Returns whether `kept` now contains the whole
/// body. Reading ends early if the body arrives in too many pieces.
async fn read_beginning(
    connection: &mut Connection,
    body: &mut Incoming,
    kept: &mut BytesMut,
    limit_bytes: usize,
) -> bool {
    let mut pieces = PieceLimit::default();
    while let Some(frame) = connection.next_frame(body).await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        if pieces.count(data.len()).is_err() {
            return false;
        }
        let remaining = limit_bytes - kept.len();
        kept.extend_from_slice(&data[..data.len().min(remaining)]);
        if data.len() > remaining {
            return false;
        }
    }
    true
}
