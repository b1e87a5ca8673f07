//! What the API answers when it cannot do what was asked: the one table from kinds of failure to status, stable
//! word and log level. No status code is chosen anywhere else.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::request::Problem;

/// A kind of failure, as clients may tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The body is not JSON, not an object or not multipart.
    MalformedRequest,
    /// No key, or none we know.
    Unauthorized,
    /// Plain HTTP where TLS is required.
    TlsRequired,
    /// No such path, or nothing with that id for this account.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// What is asked for does not go with the state that its object is in.
    Conflict,
    /// The body arrived too slowly.
    BodyTimeout,
    /// The body, or the image behind the URL, has too many bytes.
    BodyTooLarge,
    /// The bytes are no image we read.
    FormatUnsupported,
    /// A value of the request is wrong.
    InvalidRequest,
    /// The image is damaged.
    ImageCorrupt,
    /// The image has too many pixels, frames, scans …
    ImageTooLarge,
    /// The image behind the URL could not be had: no connection, no name, an address that may not be used.
    SourceUnreachable,
    /// The source answered, but not with the image.
    SourceRefused,
    /// Processing took longer than allowed.
    ProcessingTimeout,
    /// Processing needed more memory than allowed, or ended abnormally.
    ProcessingFailed,
    /// Too much work is waiting already.
    Overloaded,
    /// The ledger or the disk cannot take anything at the moment.
    Unavailable,
    /// Our fault; no detail is told.
    Internal,
}

/// What a client sees of a [`Kind`], and how loud we log it.
pub struct Row {
    /// HTTP status, also the envelope's `code`.
    pub status: StatusCode,
    /// Stable machine-readable word, the envelope's `error`.
    pub word: &'static str,
    /// Log level of the request's line.
    pub level: Level,
    /// `Retry-After` in seconds, where trying again makes sense.
    pub retry_after_s: Option<u32>,
}

impl Kind {
    /// Every kind, for the documentation.
    pub const ALL: [Self; 19] = [
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
        Self::ProcessingTimeout,
        Self::ProcessingFailed,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The table.
    pub const fn row(self) -> Row {
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
            Self::ImageTooLarge => (S::UNPROCESSABLE_ENTITY, "image_too_large", Level::INFO, None),
            Self::SourceUnreachable => (S::UNPROCESSABLE_ENTITY, "source_unreachable", Level::INFO, None),
            Self::SourceRefused => (S::UNPROCESSABLE_ENTITY, "source_refused", Level::INFO, None),
            Self::ProcessingTimeout => (S::UNPROCESSABLE_ENTITY, "timeout", Level::WARN, None),
            Self::ProcessingFailed => (S::UNPROCESSABLE_ENTITY, "processing_failed", Level::WARN, None),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", Level::WARN, Some(1)),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", Level::ERROR, Some(10)),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", Level::ERROR, None),
        };
        Row { status, word, level, retry_after_s }
    }
}

/// A failure on its way to the client. `message` is public; the cause, if any, is for the log alone.
#[derive(Debug)]
pub struct ApiError {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// A failure the client can read about.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// A value of the request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, message)
    }

    /// Our fault: the cause goes to the log, the client gets the id to quote.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "something went wrong on our side; quote the id when you report it")
            .with_source(source)
    }

    /// Nothing with that id, whoever asks.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is nothing here")
    }

    /// Adds a cause for the log.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the cause lies with this machine and the same request can succeed later.
    pub fn is_local_trouble(&self) -> bool {
        matches!(self.kind, Kind::Overloaded | Kind::Unavailable)
    }

    /// The public text.
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

impl From<pixaven_ledger::Error> for ApiError {
    fn from(error: pixaven_ledger::Error) -> Self {
        if let pixaven_ledger::Error::NotNow(_) = error {
            return Self::new(Kind::Conflict, error.to_string());
        }
        Self::new(Kind::Unavailable, "the server cannot take work at the moment; try again later")
            .with_source(error)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NotJson(text) => Self::new(Kind::MalformedRequest, text),
            Problem::Invalid(text) => Self::invalid(text),
        }
    }
}

/// The image that was sent is not to blame, so a watermark of an unknown format is a wrong value and no 415.
fn of_watermark(error: &pixaven_imaging::Error) -> Kind {
    use pixaven_imaging::Error as E;
    match error {
        E::Corrupt { .. } | E::Unsupported { .. } => Kind::ImageCorrupt,
        E::Limit { .. } => Kind::ImageTooLarge,
        E::UnknownFormat { .. } | E::Plan(_) | E::Watermark(_) | E::Encode { .. } => Kind::InvalidRequest,
    }
}

impl From<pixaven_imaging::Error> for ApiError {
    fn from(error: pixaven_imaging::Error) -> Self {
        use pixaven_imaging::Error as E;
        let kind = match &error {
            E::UnknownFormat { .. } => Kind::FormatUnsupported,
            E::Corrupt { .. } | E::Unsupported { .. } => Kind::ImageCorrupt,
            E::Limit { .. } => Kind::ImageTooLarge,
            E::Plan(_) => Kind::InvalidRequest,
            E::Watermark(inner) => return Self::new(of_watermark(inner), error.to_string()),
            E::Encode { .. } => return Self::internal(error),
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_names_every_kind_once_and_only_with_error_statuses() {
        let names: HashSet<String> = Kind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
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
    fn an_internal_failure_does_not_tell_its_cause() {
        let error = ApiError::internal("table webhooks is gone");
        assert!(!error.to_string().contains("webhooks"));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("table webhooks is gone"));
    }
}
