//! What every answer has: an id, the envelope, the `Status` header, one line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use crate::error::{ApiError, Kind};
use crate::response;
use crate::telemetry::with_causes;

/// The header that repeats the status line.
const STATUS: HeaderName = HeaderName::from_static("status");
/// The header that repeats the envelope's id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Both names under which clients look for the envelope of a binary answer.
const META: [HeaderName; 2] =
    [HeaderName::from_static("x-pixaven-meta"), HeaderName::from_static("x-pixaven-metadata")];

/// The id of a request, made when it arrives and found in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(pub(super) Uuid);

/// An answer that still lacks the request's id. Handlers return it; [`finish`] renders it.
#[derive(Clone)]
pub(super) struct Answer {
    status: StatusCode,
    form: Form,
    error: Option<Arc<ApiError>>,
    binary: bool,
    /// The request whose answer is repeated, if it is not this one's.
    again: Option<Uuid>,
}

#[derive(Clone)]
enum Form {
    /// The envelope with these further members.
    Members(serde_json::Value),
    /// The envelope, rendered already.
    Envelope(String),
    /// A file, with the envelope in its headers.
    File { bytes: bytes::Bytes, media_type: &'static str, envelope: String },
    /// The failure envelope.
    Failure,
}

impl Answer {
    /// Success with further members of the envelope.
    pub(super) fn members(status: StatusCode, members: &impl Serialize) -> Self {
        let members = serde_json::to_value(members).expect("answers are plain data");
        Self { status, form: Form::Members(members), error: None, binary: false, again: None }
    }

    /// Success with an envelope of its own.
    pub(super) fn envelope(envelope: String) -> Self {
        Self {
            status: StatusCode::OK,
            form: Form::Envelope(envelope),
            error: None,
            binary: false,
            again: None,
        }
    }

    /// Success as a file.
    pub(super) fn file(bytes: bytes::Bytes, media_type: &'static str, envelope: String) -> Self {
        let form = Form::File { bytes, media_type, envelope };
        Self { status: StatusCode::OK, form, error: None, binary: true, again: None }
    }

    /// A request that is done later, now that it is durable.
    pub(super) fn accepted() -> Self {
        Self::members(StatusCode::ACCEPTED, &serde_json::json!({}))
    }

    /// The same answer, given to a request once more.
    pub(super) fn again(mut self, id: Uuid) -> Self {
        self.again = Some(id);
        self
    }

    /// The envelope, where the answer is nothing else.
    pub(super) fn envelope_text(&self) -> Option<&str> {
        match &self.form {
            Form::Envelope(envelope) => Some(envelope),
            Form::Members(_) | Form::File { .. } | Form::Failure => None,
        }
    }

    /// On failure: the envelope in the headers and an empty body, as callers who asked for a file expect.
    pub(super) fn binary_if(mut self, binary: bool) -> Self {
        self.binary |= binary;
        self
    }

    fn render(self, id: Uuid) -> Response {
        let (body, media_type, meta) = match self.form {
            Form::Members(members) => {
                (response::plain(id, self.status.as_u16(), &members).into(), "application/json", None)
            }
            Form::Envelope(envelope) => (envelope.into(), "application/json", None),
            Form::File { bytes, media_type, envelope } => (Body::from(bytes), media_type, Some(envelope)),
            Form::Failure => {
                let error = self.error.as_deref().expect("a failure has its error");
                let envelope = response::failure(id, error);
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
        if let Some(envelope) = meta {
            let line = HeaderValue::from_str(&response::ascii(&envelope)).expect("escaped JSON is ASCII");
            for name in META {
                headers.insert(name, line.clone());
            }
        }
        if self.again.is_some() {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(error) = &self.error {
            add_hints(error.kind(), headers);
        }
        answer
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        let status = error.kind().row().status;
        Self { status, form: Form::Failure, error: Some(error.into()), binary: false, again: None }
    }
}

impl IntoResponse for Answer {
    /// Only carries the answer to [`finish`], which knows the id.
    fn into_response(self) -> Response {
        let mut carrier = Response::new(Body::empty());
        *carrier.status_mut() = self.status;
        carrier.extensions_mut().insert(self);
        carrier
    }
}

/// Headers that tell a client what to do about a failure.
fn add_hints(kind: Kind, headers: &mut http::HeaderMap) {
    if kind == Kind::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"pixaven\""));
    }
    if let Some(seconds) = kind.row().retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Gives the request its id, lets it be handled, and gives the answer what all answers have.
pub(super) async fn finish(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = Uuid::new_v4();
    request.extensions_mut().insert(RequestId(id));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| {
        Answer::from(ApiError::internal("a handler panicked; the panic's own message is in the log"))
            .into_response()
    });
    let (mut error, mut answered_id) = (None, id);
    if let Some(answer) = response.extensions_mut().remove::<Answer>() {
        error = answer.error.clone();
        let allow = response.headers_mut().remove(header::ALLOW);
        answered_id = answer.again.unwrap_or(id);
        response = answer.render(answered_id);
        response.headers_mut().extend(allow.map(|methods| (header::ALLOW, methods)));
    }
    let status = response.status();
    let line = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or("")).to_uppercase();
    response.headers_mut().insert(STATUS, HeaderValue::from_str(line.trim()).expect("reasons are ASCII"));
    let id_text = HeaderValue::from_str(&answered_id.to_string()).expect("an id is ASCII");
    response.headers_mut().insert(REQUEST_ID, id_text);
    log(id, &method, &path, status, started, error.as_deref());
    response
}

/// One line per request, as loud as the kind of its failure says.
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

/// The failure of a path that exists under another method.
pub(super) fn method_not_allowed() -> ApiError {
    ApiError::new(
        Kind::MethodNotAllowed,
        "this path does not take that method; the Allow header names those it does",
    )
}
