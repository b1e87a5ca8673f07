//! The types of accounts, API keys, signing secrets, and the usage of accounts.

use std::fmt;

use super::webhook::WebhookStatus;

/// The id of an account within one ledger.
pub type AccountId = i64;

/// A new API key to add. The ledger gets only the hash of the key, never the key itself.
#[derive(Clone)]
pub struct NewKey {
    /// The SHA-256 hash of the key.
    pub sha256: [u8; 32],
    /// The first characters of the key, in plain text. Lists of keys show these characters, so that people
    /// recognise the key.
    pub prefix: String,
    /// The name that the operator gave to the key.
    pub label: String,
    /// The first signing secret of the account. The ledger ignores this secret when the account already
    /// exists.
    pub webhook_secret: String,
}

/// An API key, with the data that a list of keys shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// A short public id of the key: the first ten hexadecimal digits of the key's hash.
    pub id: String,
    /// The first characters of the key, in plain text.
    pub prefix: String,
    /// The name that the operator gave to the key.
    pub label: String,
    /// The account that the key belongs to.
    pub account: AccountId,
    /// The time at which the key was added.
    pub created_ms: i64,
    /// The time at which the key was revoked. `None` while the key is valid.
    pub revoked_ms: Option<i64>,
}

/// An account, with the data that the server needs to handle the account's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id of the account.
    pub id: AccountId,
    /// The name of the account.
    pub name: String,
    /// The time at which the account was created.
    pub created_ms: i64,
    /// The active signing secrets of the account, newest first. Every webhook is signed with each of these
    /// secrets.
    pub webhook_secrets: Vec<Secret>,
}

/// The total usage of an account, and the number of the account's stored webhooks in each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of processed requests.
    pub requests: u64,
    /// The total size of all input images in bytes.
    pub input_bytes: u64,
    /// The total size of all results in bytes.
    pub output_bytes: u64,
    /// The number of webhooks in each status, in the order of [`WebhookStatus::ALL`].
    pub webhooks: Vec<(WebhookStatus, u64)>,
}

/// The usage that is added to the counters of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageDelta {
    /// The number of processed requests.
    pub requests: u64,
    /// The total size of the processed input images in bytes.
    pub input_bytes: u64,
    /// The total size of the results in bytes.
    pub output_bytes: u64,
}

/// A secret string. Debug output does not show the content of the string.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// An active signing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// The secret.
    pub secret: Secret,
    /// The time at which the secret was added.
    pub created_ms: i64,
    /// The time at which the secret retires. `None` until a rotation replaces the secret.
    pub retires_ms: Option<i64>,
}

impl Secret {
    /// Returns the secret itself in plain text. Only code that signs with the secret or stores the secret
    /// should call this function.
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

/// Hides the hash of the key and the signing secret in debug output.
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
