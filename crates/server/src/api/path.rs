//! Parses the ids in the paths of URLs.

use std::str::FromStr;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;

use super::error::ApiError;

/// Parses the id in the path of a URL. A malformed id gets status 404, like an unknown id.
pub(super) fn parse_id<T: FromStr>(id: Result<Path<String>, PathRejection>) -> Result<T, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::not_found())?;
    id.parse().map_err(|_| ApiError::not_found())
}
