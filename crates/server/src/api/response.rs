//! The answer of a handler. Every answer gets an id, a JSON envelope, the `Status` header, and one line in
//! the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use super::envelope;
use super::error::{ApiError, ErrorKind};
use super::host::check_host;
use super::request_body::RequestBody;
use crate::runtime::telemetry::with_causes;
use crate::work::request::is_binary_requested_by_header;

/// The name of the header that repeats the status line of the response.
const STATUS: HeaderName = HeaderName::from_static("status");
/// The name of the header that repeats the id in the JSON envelope.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The value of `Strict-Transport-Security`. It makes clients connect to this host only by TLS for one year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// The name of the header that marks an answer as the repetition of an earlier answer, because the request
/// has the idempotency key of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The names of two headers. Each of them contains the JSON envelope if the body of the answer is a file.
/// Some official clients read the first header, the others read the second.
const ENVELOPE_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-pixaven-meta"), HeaderName::from_static("x-pixaven-metadata")];

/// The id of a request. The middleware [`finish`] creates the id when the request arrives and puts the id
/// into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(pub(super) Uuid);

/// The answer of a handler, without the id of the request. The middleware [`finish`] adds the id and renders
/// the answer as an HTTP response.
#[derive(Clone)]
pub(super) struct ApiResponse {
    status: StatusCode,
    content: ResponseContent,
    error: Option<Arc<ApiError>>,
    binary: bool,
    /// Whether no cache and no browser may keep the answer.
    no_store: bool,
    /// The id of an earlier request. It is set if this answer repeats the answer to the earlier request.
    replayed: Option<Uuid>,
}

#[derive(Clone)]
enum ResponseContent {
    /// The members of a success that follow the id in the JSON envelope.
    Members(serde_json::Value),
    /// The JSON envelope of a success as text.
    Envelope(String),
    /// A file as the body, and the JSON envelope as text for the headers.
    File { bytes: bytes::Bytes, media_type: &'static str, envelope: String },
    /// A failure, whose JSON envelope is made from the error.
    Failure,
}

impl ApiResponse {
    /// Creates the answer of a success. Its JSON envelope contains `members` in addition to the members of
    /// every envelope.
    pub(super) fn members(status: StatusCode, members: &impl Serialize) -> Self {
        let members = serde_json::to_value(members).expect("answers are plain data");
        Self {
            status,
            content: ResponseContent::Members(members),
            error: None,
            binary: false,
            no_store: false,
            replayed: None,
        }
    }

    /// Creates the answer of a success from the text of its JSON envelope.
    pub(super) fn envelope(envelope: String) -> Self {
        Self {
            status: StatusCode::OK,
            content: ResponseContent::Envelope(envelope),
            error: None,
            binary: false,
            no_store: false,
            replayed: None,
        }
    }

    /// Creates the answer of a success whose body is a file.
    pub(super) fn file(bytes: bytes::Bytes, media_type: &'static str, envelope: String) -> Self {
        let content = ResponseContent::File { bytes, media_type, envelope };
        Self { status: StatusCode::OK, content, error: None, binary: true, no_store: false, replayed: None }
    }

    /// Creates an answer with status 202: the request is durable and will be processed later.
    pub(super) fn accepted() -> Self {
        Self::members(StatusCode::ACCEPTED, &serde_json::json!({}))
    }

    /// Marks this answer as a repetition of the answer to the earlier request `id`.
    pub(super) fn replaying(mut self, id: Uuid) -> Self {
        self.replayed = Some(id);
        self
    }

    /// Marks the answer as one that no cache and no browser may keep, because it contains secrets.
    pub(super) fn not_stored(mut self) -> Self {
        self.no_store = true;
        self
    }

    /// Returns the text of the JSON envelope if the answer was created from such a text.
    pub(super) fn envelope_text(&self) -> Option<&str> {
        match &self.content {
            ResponseContent::Envelope(envelope) => Some(envelope),
            ResponseContent::Members(_) | ResponseContent::File { .. } | ResponseContent::Failure => None,
        }
    }

    /// Marks this answer as a binary answer if `binary` is true. A failure then has an empty body and its
    /// envelope in the headers, because a client that requested a binary response reads the error from the
    /// headers.
    pub(super) fn binary_if(mut self, binary: bool) -> Self {
        self.binary |= binary;
        self
    }

    fn render(self, id: Uuid) -> Response {
        let (body, media_type, header_envelope) = match self.content {
            ResponseContent::Members(members) => {
                (envelope::with_members(id, self.status.as_u16(), &members).into(), "application/json", None)
            }
            ResponseContent::Envelope(envelope) => (envelope.into(), "application/json", None),
            ResponseContent::File { bytes, media_type, envelope } => {
                (Body::from(bytes), media_type, Some(envelope))
            }
            ResponseContent::Failure => {
                let error = self.error.as_deref().expect("a failure has its error");
                let envelope = envelope::failure(id, error);
                match self.binary {
                    true => (Body::empty(), "application/json", Some(envelope)),
                    false => (envelope.into(), "application/json", None),
                }
            }
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(envelope) = header_envelope {
            let line =
                HeaderValue::from_str(&envelope::ascii_line(&envelope)).expect("escaped JSON is ASCII");
            for name in ENVELOPE_HEADERS {
                headers.insert(name, line.clone());
            }
        }
        if self.no_store {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if self.replayed.is_some() {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(error) = &self.error {
            add_retry_headers(error, headers);
        }
        answer
    }
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        let status = error.kind().row().status;
        Self {
            status,
            content: ResponseContent::Failure,
            error: Some(error.into()),
            binary: false,
            no_store: false,
            replayed: None,
        }
    }
}

impl IntoResponse for ApiResponse {
    /// Puts the answer into the extensions of an empty response. [`finish`] renders the answer later.
    fn into_response(self) -> Response {
        let mut carrier = Response::new(Body::empty());
        *carrier.status_mut() = self.status;
        carrier.extensions_mut().insert(self);
        carrier
    }
}

/// Adds the header `WWW-Authenticate` if the request has no valid API key, and the header `Retry-After` if
/// the server is overloaded or temporarily unavailable.
fn add_retry_headers(error: &ApiError, headers: &mut http::HeaderMap) {
    if error.kind() == ErrorKind::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"pixaven\""));
    }
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The middleware of every path: creates the id of the request, checks the header `Host`, runs the handler,
/// renders the answer, and logs the request. A panic of the handler becomes an internal error. `tls` says
/// whether clients connect to this server by TLS.
pub(super) async fn finish(State(tls): State<bool>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = Uuid::new_v4();
    request.extensions_mut().insert(RequestId(id));
    let (request, body, expects_continue) = share_body(request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let checked = check_host(request.version(), request.headers());
    let wants_binary = is_binary_requested_by_header(request.headers());
    let handled = async {
        match checked {
            Ok(()) => next.run(request).await,
            Err(error) => ApiResponse::from(error).binary_if(wants_binary).into_response(),
        }
    };
    let handled = AssertUnwindSafe(handled).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| {
        ApiResponse::from(ApiError::internal("a handler panicked; the panic's own message is in the log"))
            .into_response()
    });
    let (mut error, mut answered_id) = (None, id);
    if let Some(answer) = response.extensions_mut().remove::<ApiResponse>() {
        error = answer.error.clone();
        let allow = response.headers_mut().remove(header::ALLOW);
        answered_id = answer.replayed.unwrap_or(id);
        response = answer.render(answered_id);
        response.headers_mut().extend(allow.map(|methods| (header::ALLOW, methods)));
    }
    if error.is_some() && !body.discard(expects_continue).await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status();
    let line = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or("")).to_uppercase();
    response.headers_mut().insert(STATUS, HeaderValue::from_str(line.trim()).expect("reasons are ASCII"));
    let id_text = HeaderValue::from_str(&answered_id.to_string()).expect("an id is ASCII");
    response.headers_mut().insert(REQUEST_ID, id_text);
    if tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    log(id, &method, &path, status, started, error.as_deref());
    response
}

/// Returns the request with a body that the middleware can still read after the handler has ended, and a
/// second handle to this body. Also returns whether the client waits for status 100 before it sends the body.
fn share_body(request: Request) -> (Request, RequestBody, bool) {
    let (head, body) = request.into_parts();
    let expects_continue = head.headers.contains_key(header::EXPECT);
    let body = RequestBody::new(body);
    (Request::from_parts(head, Body::new(body.clone())), body, expects_continue)
}

/// Logs a request in one line. The level of the line is the log level of the error, or `INFO` for a success.
fn log(
    id: Uuid,
    method: &http::Method,
    path: &str,
    status: StatusCode,
    started: Instant,
    error: Option<&ApiError>,
) {
    let (status, duration_ms) = (status.as_u16(), started.elapsed().as_secs_f64() * 1e3);
    let Some(error) = error else {
        tracing::info!(%id, %method, path, status, duration_ms, "request");
        return;
    };
    let row = error.kind().row();
    let cause = std::error::Error::source(error).map(with_causes);
    match row.level {
        tracing::Level::ERROR => {
            tracing::error!(%id, %method, path, status, duration_ms, error = row.word, message = %error, cause, "request");
        }
        tracing::Level::WARN => {
            tracing::warn!(%id, %method, path, status, duration_ms, error = row.word, message = %error, cause, "request");
        }
        _ => {
            tracing::info!(%id, %method, path, status, duration_ms, error = row.word, message = %error, "request");
        }
    }
}

/// The failure of a request whose path exists, but does not support the request's method.
pub(super) fn method_not_allowed() -> ApiError {
    ApiError::new(
        ErrorKind::MethodNotAllowed,
        "this path does not take that method; the Allow header names those it does",
    )
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn every_response_over_tls_has_the_header_strict_transport_security() {
        for (tls, expected) in [(true, Some("max-age=31536000")), (false, None)] {
            let not_found = || async { ApiResponse::from(ApiError::not_found()) };
            let router = Router::new().fallback(not_found).layer(from_fn_with_state(tls, finish));
            let request = Request::get("/").header(header::HOST, "a").body(Body::empty()).unwrap();
            let response = router.oneshot(request).await.unwrap();
            let value = response.headers().get(header::STRICT_TRANSPORT_SECURITY);
            assert_eq!(value.map(|value| value.to_str().unwrap()), expected, "tls: {tls}");
        }
    }
}
