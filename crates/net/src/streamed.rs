//! Sends one request and hands out the body of its response piece by piece, as the caller asks for it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use url::Url;

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::request::OutgoingRequest;
use crate::target::{Origin, Target};
use crate::timings::ExchangeTrace;
use crate::{Net, NetError};

/// A response whose head arrived completely, and whose body is read later.
pub struct StreamedResponse {
    /// The status code of the response.
    pub status: StatusCode,
    /// The headers of the response, as received.
    pub headers: HeaderMap,
    /// The body of the response, as received and never decompressed.
    pub body: StreamedBody,
}

/// The body of a response that arrives piece by piece. The connection is reused after the last piece, and closed
/// if this value is dropped earlier.
pub struct StreamedBody {
    net: Net,
    origin: Origin,
    /// `None` after the last piece or an error.
    connection: Option<Connection>,
    incoming: Incoming,
    /// The longest time in which the next piece must arrive.
    patience: Duration,
}

impl Net {
    /// Sends `body` to `url` and waits for the head of the response. Redirects are not followed.
    ///
    /// `deadline` limits the time until the head is complete, and then the wait for each piece of the body.
    pub async fn open(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
    ) -> Result<StreamedResponse, NetError> {
        let target = Target::new(url)?;
        let mut trace = ExchangeTrace::default();
        let request = OutgoingRequest { method, target: &target, headers, body };
        let limit = Deadline::after(deadline);
        let sent = limit.run(request.send(&self.inner, &limit, &mut trace)).await;
        let (response, connection) = match sent {
            Some(sent) => sent?,
            None => return Err(self.inner.error_after_deadline(&limit, &trace).await),
        };
        let (head, incoming) = response.into_parts();
        let body = StreamedBody {
            net: self.clone(),
            origin: target.origin,
            connection: Some(connection),
            incoming,
            patience: deadline,
        };
        Ok(StreamedResponse { status: head.status, headers: head.headers, body })
    }
}

impl StreamedBody {
    /// Waits for the next piece of the body. Returns `None` after the last piece, and after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, NetError>> {
        let mut connection = self.connection.take()?;
        loop {
            let frame = tokio::time::timeout(self.patience, connection.next_frame(&mut self.incoming)).await;
            match frame {
                Err(_) => return Some(Err(NetError::Timeout)),
                Ok(Some(Err(error))) => return Some(Err(NetError::from_http(error))),
                Ok(None) => {
                    self.net.inner.pool.put(&self.origin, connection);
                    return None;
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        self.connection = Some(connection);
                        return Some(Ok(piece));
                    }
                }
            }
        }
    }
}
