//! One POST under one deadline. The status line is the verdict; of the body only a first piece is wanted.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::connection::Wire;
use super::request::Call;
use super::target::Target;
use super::{Net, NetError};

/// What one exchange brought, and how long each part of it took.
#[derive(Debug)]
pub struct Exchange {
    /// From the first thought of dialling to the end of what was read.
    pub duration: Duration,
    /// The address connected to, or the one that was tried first.
    pub address: Option<SocketAddr>,
    /// The phases that took place.
    pub timings: PhaseTimings,
    /// The answer, or why there is none.
    pub result: Result<Answer, NetError>,
}

impl Exchange {
    /// One that ended before anything was sent.
    pub fn not_begun(error: NetError) -> Self {
        Self { duration: Duration::ZERO, address: None, timings: PhaseTimings::default(), result: Err(error) }
    }
}

/// An answer whose head is complete.
#[derive(Debug)]
pub struct Answer {
    /// The verdict.
    pub status: StatusCode,
    /// As received.
    pub headers: HeaderMap,
    /// The beginning of the body as it came over the wire, never decompressed. Shorter than the cap does not mean
    /// complete: the deadline may have passed, or the peer may have hung up.
    pub body: Bytes,
}

/// Milliseconds spent in each phase, one after the other; absent where the phase did not take place or did not end. A
/// connection that was still open from an earlier exchange has no `dns`, `connect` and `tls`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimings {
    /// Resolving the host name.
    pub dns_ms: Option<u32>,
    /// Connecting, over all addresses tried.
    pub connect_ms: Option<u32>,
    /// The TLS handshake.
    pub tls_ms: Option<u32>,
    /// From sending the request to the first byte of the answer.
    pub first_byte_ms: Option<u32>,
}

/// What is known of an exchange while it goes on.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) address: Option<SocketAddr>,
    pub(super) timings: PhaseTimings,
}

impl Net {
    /// Sends `body` to `url` and waits at most `deadline` for everything: dial, TLS, head and body. Redirects are
    /// answers like any other. At most `max_body_bytes` of the answer's body are kept.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
        max_body_bytes: usize,
    ) -> Exchange {
        let begun = Instant::now();
        let mut trace = Trace::default();
        let result = self.exchange(url, headers, body, (begun + deadline, max_body_bytes), &mut trace).await;
        Exchange { duration: begun.elapsed(), address: trace.address, timings: trace.timings, result }
    }

    async fn exchange(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        (until, max_body_bytes): (Instant, usize),
        trace: &mut Trace,
    ) -> Result<Answer, NetError> {
        let target = Target::new(url)?;
        let call = Call { method: Method::POST, target: &target, headers, body };
        let (answer, mut wire) =
            timeout_at(until, call.send(&self.inner, trace)).await.map_err(|_| NetError::Timeout)??;
        let (head, mut incoming) = answer.into_parts();
        let mut kept = BytesMut::new();
        // Whatever happens to the body from here on, the status has been said.
        let reading = read_beginning(&mut wire, &mut incoming, &mut kept, max_body_bytes);
        let complete = timeout_at(until, reading).await.unwrap_or(false);
        if complete {
            self.inner.pool.put(&target.origin, wire);
        }
        Ok(Answer { status: head.status, headers: head.headers, body: kept.freeze() })
    }
}

/// Reads up to `limit` bytes; returns whether that was the whole body.
async fn read_beginning(wire: &mut Wire, body: &mut Incoming, kept: &mut BytesMut, limit: usize) -> bool {
    while let Some(frame) = wire.frame(body).await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        let room = limit - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return false;
        }
    }
    true
}

/// Whole milliseconds since `begun`.
pub(super) fn elapsed_ms(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX)
}
