//! The payload of a webhook is the same JSON as the answer to an interactive request. The API defines this
//! JSON. Jobs render it through [`PayloadFormat`], so that no layer below the API depends on a status or an
//! error word.

use uuid::Uuid;

use super::error::WorkError;
use super::pipeline::ProcessedImage;

/// Renders the payload of a webhook, which reports the end of a request. `api::envelope` implements this
/// trait.
pub trait PayloadFormat: Send + Sync {
    /// The JSON for a processed image; `url` is the download URL of the result.
    fn success(&self, id: Uuid, image: &ProcessedImage, url: &str) -> String;

    /// The JSON for a failed request.
    fn failure(&self, id: Uuid, error: WorkError) -> FailurePayload;
}

/// The payload for a failed request, and two of its members for the log.
pub struct FailurePayload {
    /// The JSON.
    pub json: String,
    /// The error word in the JSON, for the log.
    pub error_word: &'static str,
    /// The public text in the JSON, for the log.
    pub message: String,
}
