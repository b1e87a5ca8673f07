//! The form in which the ledger keeps an accepted request until its job runs.

use serde::{Deserialize, Serialize};

use super::RequestKind;

/// An accepted request: its JSON as the client sent it, the endpoint, and the base URL of the server. The
/// plan that results from the JSON is never stored, because a newer version of this program may run the job.
#[derive(Serialize, Deserialize)]
pub struct StoredRequest {
    /// Whether the request was a `fetch` or an `upload`. In the stored JSON this member is called `origin`.
    #[serde(rename = "origin")]
    pub kind: RequestKind,
    /// The base URL under which the client reached this server. The download URL of the result begins with
    /// this URL.
    pub base_url: String,
    /// The JSON of the request, byte for byte as the client sent it.
    pub request: String,
}
