//! Sends the requests of the crate `object_store` through the crate `net`.

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use pixaven_net::{Net, NetError, StreamedBody};
use url::Url;

/// Connects the clients of `object_store` to a [`Net`].
#[derive(Clone)]
pub(super) struct NetConnector {
    pub(super) net: Net,
    /// The time limit of one request.
    pub(super) deadline: Duration,
}

impl fmt::Debug for NetConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetConnector")
    }
}

impl HttpConnector for NetConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for NetConnector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let url = Url::parse(&head.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let sent = self.net.open(head.method, &url, head.headers, body, self.deadline).await;
        let sent = sent.map_err(http_error)?;
        let mut response = Response::new(HttpResponseBody::new(PieceBody::new(sent.body)));
        *response.status_mut() = sent.status;
        *response.headers_mut() = sent.headers;
        Ok(response)
    }
}

/// The kind decides whether `object_store` repeats the request.
fn http_error(error: NetError) -> HttpError {
    let kind = match error {
        NetError::Timeout => HttpErrorKind::Timeout,
        NetError::Refused(_) | NetError::Dns(_) | NetError::Local(_) | NetError::Proxy(_) => {
            HttpErrorKind::Connect
        }
        NetError::Protocol(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// The body of a response in the form that `object_store` requires. The mutex makes the type shareable between
/// threads; it is never locked, because every access has the only reference.
struct PieceBody(Mutex<BoxStream<'static, Result<Bytes, HttpError>>>);

impl PieceBody {
    fn new(body: StreamedBody) -> Self {
        let pieces = stream::unfold(body, |mut body| async move {
            let piece = body.next().await?;
            Some((piece.map_err(http_error), body))
        });
        Self(Mutex::new(pieces.boxed()))
    }
}

impl Body for PieceBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let pieces = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        pieces.as_mut().poll_next(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
