//! Sends one request on a pooled or a new connection, and waits for the head of the response.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::target::Target;
use crate::timings::ExchangeTrace;
use crate::{Inner, NetError, dial};

/// The parts of an outgoing request. The parts are kept so that the request can be sent a second time when a
/// pooled connection turns out to be closed.
pub(crate) struct OutgoingRequest<'a> {
    pub(crate) method: Method,
    pub(crate) target: &'a Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl OutgoingRequest<'_> {
    /// Sends the request and waits for the head of the response. This function has no deadline of its own;
    /// the caller must set a deadline.
    ///
    /// The address and the timings are written to `trace` as soon as they are known.
    pub(crate) async fn send(
        &self,
        inner: &Inner,
        deadline: &Deadline,
        trace: &mut ExchangeTrace,
    ) -> Result<(Response<Incoming>, Connection), NetError> {
        if let Some(mut connection) = inner.pool.take(&self.target.origin) {
            trace.address = Some(connection.address);
            match connection.send(self.to_http()).await {
                Ok(response) => return accept(response, connection, trace),
                Err(error) if connection.first_byte_ms().is_some() => {
                    return Err(NetError::from_http(error));
                }
                // The peer closed the idle connection before the peer sent a byte of a response. This failure
                // does not count against the peer, so the request is sent again on a new connection under the
                // same deadline.
                Err(_) => {}
            }
        }
        let (stream, address) = dial::dial(inner, &self.target.origin, deadline, trace).await?;
        let mut connection = Connection::start(stream, address).await?;
        let response = connection.send(self.to_http()).await.map_err(NetError::from_http)?;
        accept(response, connection, trace)
    }

    fn to_http(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = self.headers.clone();
        self.target.finish_headers(request.headers_mut());
        request
    }
}

/// Records the time at which the first byte of the response arrived. Returns an error if the peer switched to
/// another protocol (status 101).
fn accept(
    response: Response<Incoming>,
    connection: Connection,
    trace: &mut ExchangeTrace,
) -> Result<(Response<Incoming>, Connection), NetError> {
    trace.timings.first_byte_ms = connection.first_byte_ms();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(NetError::ProtocolSwitch);
    }
    Ok((response, connection))
}
