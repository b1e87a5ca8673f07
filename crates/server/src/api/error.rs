//! The error answers of the API: one table maps each kind of failure to a status, an error word and a log
//! level. No other module chooses a status or an error word. The module `conversions` maps the errors of the
//! layers below to these kinds.

mod conversions;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tracing::Level;

pub(super) use conversions::net_error_text;

/// The largest value of the `Retry-After` header in seconds.
const RETRY_AFTER_MAX_S: u64 = 600;

/// A kind of failure that clients can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The body is neither a valid JSON object nor valid multipart.
    MalformedRequest,
    /// The request has no API key, or its API key is unknown or revoked.
    Unauthorized,
    /// The request came over plain HTTP where TLS is required.
    TlsRequired,
    /// The path is unknown, or the account has no object with the id in the path.
    NotFound,
    /// The path exists, but does not support the HTTP method of the request.
    MethodNotAllowed,
    /// The request conflicts with the current state of the object that it names.
    Conflict,
    /// The body of the request arrived too slowly.
    BodyTimeout,
    /// The body of the request, or the image behind the URL in the request, has too many bytes.
    BodyTooLarge,
    /// The bytes of the image are in no format that this server can read.
    FormatUnsupported,
    /// A value of the request is wrong.
    InvalidRequest,
    /// The data of the image is damaged.
    ImageCorrupt,
    /// The image is cut off, so that a part of its picture is missing, and the configuration refuses such
    /// images.
    ImageTruncated,
    /// The image has too many pixels, frames, scans or similar parts.
    ImageTooLarge,
    /// The server could not connect to the host of the image's URL: the host name does not exist, the
    /// connection failed, or the address is blocked.
    SourceUnreachable,
    /// The host of the image's URL answered with an error status or with too many redirects.
    SourceRefused,
    /// The bucket that the request names in `store` could not be reached, or its provider failed.
    StoreUnreachable,
    /// The provider of the bucket that the request names in `store` refused the result.
    StoreRefused,
    /// Processing the image took longer than allowed.
    ProcessingTimeout,
    /// Processing the image needed more memory than allowed, or the worker process ended unexpectedly.
    ProcessingFailed,
    /// Too many requests are already waiting to be processed.
    Overloaded,
    /// The server temporarily cannot use its ledger, its disk, its workers or its network.
    Unavailable,
    /// An internal error of this server. The client gets no details.
    Internal,
}

/// The answer that a client gets for an [`ErrorKind`], and the log level of the failure.
pub struct ErrorRow {
    /// The HTTP status, which is also the member `code` of the JSON envelope.
    pub status: StatusCode,
    /// The machine-readable word for the kind of error, in the member `error` of the JSON envelope. The word
    /// of a kind never changes.
    pub word: &'static str,
    /// The log level of the one line that logs the request.
    pub level: Level,
    /// The value of the `Retry-After` header in seconds. `None` means that the answer has no such header.
    pub retry_after_s: Option<u32>,
}

impl ErrorKind {
    /// All kinds of failure. The error table of the documentation has one row for each of them.
    pub const ALL: [Self; 21] = [
        Self::MalformedRequest,
        Self::Unauthorized,
        Self::TlsRequired,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::FormatUnsupported,
        Self::InvalidRequest,
        Self::ImageCorrupt,
        Self::ImageTooLarge,
        Self::SourceUnreachable,
        Self::SourceRefused,
        Self::StoreUnreachable,
        Self::StoreRefused,
        Self::ProcessingTimeout,
        Self::ProcessingFailed,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// THE TABLE of errors: the status, error word, log level and `Retry-After` of each kind.
    pub const fn row(self) -> ErrorRow {
        use StatusCode as S;
        let (status, word, level, retry_after_s) = match self {
            Self::MalformedRequest => (S::BAD_REQUEST, "malformed_request", Level::INFO, None),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", Level::INFO, None),
            Self::TlsRequired => (S::FORBIDDEN, "tls_required", Level::INFO, None),
            Self::NotFound => (S::NOT_FOUND, "not_found", Level::INFO, None),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", Level::INFO, None),
            Self::Conflict => (S::CONFLICT, "conflict", Level::INFO, None),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "timeout", Level::INFO, None),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body_too_large", Level::INFO, None),
            Self::FormatUnsupported => (S::UNSUPPORTED_MEDIA_TYPE, "format_unsupported", Level::INFO, None),
            Self::InvalidRequest => (S::UNPROCESSABLE_ENTITY, "invalid_request", Level::INFO, None),
            Self::ImageCorrupt => (S::UNPROCESSABLE_ENTITY, "image_corrupt", Level::INFO, None),
            Self::ImageTruncated => (S::UNPROCESSABLE_ENTITY, "image_truncated", Level::INFO, None),
            Self::ImageTooLarge => (S::UNPROCESSABLE_ENTITY, "image_too_large", Level::INFO, None),
            Self::SourceUnreachable => (S::UNPROCESSABLE_ENTITY, "source_unreachable", Level::INFO, None),
            Self::SourceRefused => (S::UNPROCESSABLE_ENTITY, "source_refused", Level::INFO, None),
            Self::StoreUnreachable => (S::BAD_GATEWAY, "store_unreachable", Level::INFO, None),
            Self::StoreRefused => (S::UNPROCESSABLE_ENTITY, "store_refused", Level::INFO, None),
            Self::ProcessingTimeout => (S::UNPROCESSABLE_ENTITY, "timeout", Level::WARN, None),
            Self::ProcessingFailed => (S::UNPROCESSABLE_ENTITY, "processing_failed", Level::WARN, None),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", Level::WARN, Some(1)),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", Level::ERROR, Some(10)),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", Level::ERROR, None),
        };
        ErrorRow { status, word, level, retry_after_s }
    }
}

/// The failure of a request. The client gets the message. The error that caused the failure, if there is one,
/// is only logged.
#[derive(Debug)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    /// The time after which the request can succeed, if a more precise time is known than the time in the
    /// table of error kinds.
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// Creates a failure with a message for the client.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }

    /// Sets the time after which the client should repeat the request. This time replaces the time in the
    /// table of error kinds. The function has no effect on a kind without a time in the table.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the value of the `Retry-After` header in seconds, at least 1. `None` means that the answer has
    /// no such header.
    pub fn retry_after_s(&self) -> Option<u64> {
        let wait_s = |wait: Duration| (wait.as_secs_f64().ceil() as u64).clamp(1, RETRY_AFTER_MAX_S);
        self.kind.row().retry_after_s.map(|seconds| self.retry_after.map_or(seconds.into(), wait_s))
    }

    /// Creates the failure for a wrong value in the request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// Creates the failure for an internal error. The error that caused it is only logged. The client gets no
    /// details, but can quote the id of the request.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "something went wrong on our side; quote the id when you report it")
            .with_source(source)
    }

    /// Creates the failure for an unknown path or id.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "there is nothing here")
    }

    /// Adds the error that caused the failure. The cause is only logged.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message for the client.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_of_api_errors_has_every_error_kind_exactly_once_and_with_a_4xx_or_5xx_status() {
        let names: HashSet<String> = ErrorKind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            let row = kind.row();
            assert!(row.status.is_client_error() || row.status.is_server_error(), "{kind:?}");
            assert_eq!(
                row.status == StatusCode::SERVICE_UNAVAILABLE,
                row.retry_after_s.is_some(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn the_header_retry_after_holds_the_expected_wait_in_whole_seconds_at_least_1_and_at_most_600() {
        let after = |ms| {
            ApiError::new(ErrorKind::Overloaded, "").retry_after(Duration::from_millis(ms)).retry_after_s()
        };
        assert_eq!([0, 900, 2_000, 2_001, 9_999_999].map(after), [1, 1, 2, 3, 600].map(Some));
        assert_eq!(ApiError::new(ErrorKind::Overloaded, "").retry_after_s(), Some(1));
        assert_eq!(ApiError::invalid("").retry_after(Duration::from_secs(9)).retry_after_s(), None);
    }

    #[test]
    fn the_message_of_an_internal_error_does_not_contain_the_cause_of_the_error() {
        let error = ApiError::internal("table webhooks is gone");
        assert!(!error.to_string().contains("webhooks"));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("table webhooks is gone"));
    }
}
