//! The payload of a webhook is the same JSON as the answer to an interactive request. The API defines this
//! JSON. Jobs render the payload through the trait [`PayloadFormat`], so that no layer below the API depends
//! on an HTTP status or on an error word such as `image_corrupt`.

use uuid::Uuid;

use super::error::WorkError;
use super::pipeline::ProcessedImage;

/// Renders the payload of a webhook, which reports the end of a request. `api::envelope` implements this
/// trait.
pub trait PayloadFormat: Send + Sync {
    /// Returns the JSON that reports a processed image. `url` is the download URL of the result.
    fn success(&self, id: Uuid, image: &ProcessedImage, url: &str) -> String;

    /// Returns the JSON that reports a failed request.
    fn failure(&self, id: Uuid, error: WorkError) -> FailurePayload;
}

/// The payload that reports a failed request, and the two members of this JSON that are also written to the
/// log.
pub struct FailurePayload {
    /// The JSON.
    pub json: String,
    /// The error word in the JSON, such as `image_corrupt`. It is also written to the log.
    pub error_word: &'static str,
    /// The error message in the JSON, which is also written to the log.
    pub message: String,
}
