//! Accounts, their API keys, the secrets their webhooks are signed with, and what they have used.

use std::fmt;

use super::webhook::WebhookStatus;

/// Names an account within one ledger.
pub type AccountId = i64;

/// An API key to be added. The key itself never reaches the ledger, only its hash.
#[derive(Clone)]
pub struct NewKey {
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// The first characters of the key, to recognise it by in lists.
    pub prefix: String,
    /// What the operator calls it.
    pub label: String,
    /// The first signing secret of the account. Used only when this key makes the account.
    pub webhook_secret: String,
}

/// An API key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Short public id: the first ten hex digits of the key's hash.
    pub id: String,
    /// The first characters of the key.
    pub prefix: String,
    /// What the operator calls it.
    pub label: String,
    /// Whose key it is.
    pub account: AccountId,
    /// When it was made.
    pub created_ms: i64,
    /// When it stopped being valid, if it has.
    pub revoked_ms: Option<i64>,
}

/// An account as the request path needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Names the account.
    pub id: AccountId,
    /// What the account is called.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// The active signing secrets, newest first. A webhook is signed with each of them.
    pub webhook_secrets: Vec<Secret>,
}

/// What an account has used since it exists, and its webhooks still in the history by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that were processed.
    pub requests: u64,
    /// Bytes of the images that came in.
    pub input_bytes: u64,
    /// Bytes of the images that went out.
    pub output_bytes: u64,
    /// Number of webhooks in each status, every status once, in the order of their lives.
    pub webhooks: Vec<(WebhookStatus, u64)>,
}

/// What one request adds to the usage of its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageDelta {
    /// Requests processed.
    pub requests: u64,
    /// Bytes of their images.
    pub input_bytes: u64,
    /// Bytes of their results.
    pub output_bytes: u64,
}

/// A string that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A signing secret that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// The secret.
    pub secret: Secret,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends, once another took its place.
    pub retires_ms: Option<i64>,
}

impl Secret {
    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

/// Shows what a list would show: neither the hash nor the signing secret.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("prefix", &self.prefix)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
