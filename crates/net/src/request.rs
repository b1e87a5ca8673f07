//! One request on a connection that is waiting, or on a fresh one, up to the head of its answer.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::connection::Wire;
use super::exchange::Trace;
use super::target::Target;
use super::{Inner, NetError, dial};

/// What is asked, ready to be sent more than once.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Call<'_> {
    /// Sends the request and waits for the head of the answer. No deadline is known here.
    pub(super) async fn send(
        &self,
        inner: &Inner,
        trace: &mut Trace,
    ) -> Result<(Response<Incoming>, Wire), NetError> {
        if let Some(mut wire) = inner.pool.take(&self.target.origin) {
            trace.address = Some(wire.address);
            match wire.request(self.request()).await {
                Ok(answer) => return self.answered(answer, wire, trace),
                Err(error) if wire.heard_something() => return Err(NetError::from_http(error)),
                // The peer closed the idle connection while the request was on its way. That says nothing about the
                // request: a fresh connection decides, within the same deadline.
                Err(_) => {}
            }
        }
        let (stream, address) = dial::dial(inner, &self.target.origin, trace).await?;
        let mut wire = Wire::open(stream, address).await?;
        let answer = wire.request(self.request()).await.map_err(NetError::from_http)?;
        self.answered(answer, wire, trace)
    }

    fn answered(
        &self,
        answer: Response<Incoming>,
        wire: Wire,
        trace: &mut Trace,
    ) -> Result<(Response<Incoming>, Wire), NetError> {
        trace.timings.first_byte_ms = wire.first_byte_ms();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(NetError::Switched);
        }
        Ok((answer, wire))
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = self.headers.clone();
        self.target.complete(request.headers_mut());
        request
    }
}
