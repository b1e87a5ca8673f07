//! Decides whether the server accepts an upload before the body of the upload is read. The decision depends
//! on the declared length, on the free memory, and on the time for which the image would probably wait for a
//! worker.

use http::{HeaderMap, header};

use super::ApiState;
use super::error::ApiError;
use crate::work::Caller;
use crate::work::error::WorkError;
use crate::work::sandbox::Ticket;

/// Gives an upload a place in the queue for workers.
///
/// # Errors
/// If the server has too much to do. The caller must not read the body.
pub(super) fn admit_upload(api: &ApiState, headers: &HeaderMap) -> Result<Ticket, ApiError> {
    let pipeline = &api.shared.pipeline;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // The declared length is the length of the whole body. A body that is too large even for an idle server
    // fails with a different error when the body is read.
    let file_bytes = length.unwrap_or(0).min(api.shared.settings.body_bytes as u64);
    if !pipeline.sources.memory.can_hold(file_bytes) {
        return Err(WorkError::Overloaded.into());
    }
    Ok(pipeline.sandbox.admit(Caller::Interactive, length)?)
}
