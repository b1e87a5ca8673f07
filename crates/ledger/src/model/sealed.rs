//! The texts of the ledger that may hold secrets. The caller seals them; the ledger stores them as they are.

use std::fmt;

use uuid::Uuid;

use super::account::Secret;

/// A signing secret of an account, as stored.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// The sequence number of the row.
    pub seq: i64,
    /// The stored text.
    pub secret: Secret,
}

/// The texts of a request that may hold secrets, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestSecrets {
    /// The sequence number of the row.
    pub seq: i64,
    /// The id of the request.
    pub id: Uuid,
    /// The URL of the webhook.
    pub webhook_url: String,
    /// The headers of the webhook.
    pub webhook_headers: Vec<(String, String)>,
    /// The JSON of the request.
    pub spec: String,
}

/// Shows only the id, because all other texts may hold secrets.
impl fmt::Debug for RequestSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSecrets").field("id", &self.id).finish_non_exhaustive()
    }
}
