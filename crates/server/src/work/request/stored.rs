//! The form in which the ledger keeps an accepted request until its job runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{REQUEST_SCHEMA, RequestKind, json, redacted};

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

impl StoredRequest {
    /// The stored form without the secrets of the request, for a job that has ended. Returns `None` if the
    /// request has no secrets.
    ///
    /// # Errors
    /// If the stored JSON is not the JSON of a request.
    pub fn without_secrets(&self) -> Result<Option<Self>, super::RequestError> {
        let object = json::parse_object(self.request.as_bytes(), self.kind)?;
        let redacted = redacted::without_secrets(&object, REQUEST_SCHEMA);
        if redacted == object {
            return Ok(None);
        }
        let request = Value::Object(redacted).to_string();
        Ok(Some(Self { kind: self.kind, base_url: self.base_url.clone(), request }))
    }
}
