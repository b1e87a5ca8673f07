//! Webhooks on their way: their statuses, what is due, and what came of an attempt.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::account::AccountId;

/// Where a webhook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebhookStatus {
    /// Accepted, the image is still being processed.
    Created,
    /// Waiting for its delay or its next attempt.
    Scheduled,
    /// Being sent.
    Dispatched,
    /// The receiver took it.
    Delivered,
    /// Given up.
    Failed,
}

/// A webhook whose next attempt is to be made now.
#[derive(Clone, PartialEq, Eq)]
pub struct DueWebhook {
    /// The id of the request, sent with every attempt.
    pub id: Uuid,
    /// Whose webhook it is.
    pub account: AccountId,
    /// The whole URL, credentials included.
    pub url: String,
    /// `host:port` of the URL.
    pub authority: String,
    /// Headers to be sent, in order.
    pub headers: Vec<(String, String)>,
    /// The exact bytes to be sent.
    pub payload: String,
    /// Whether a failed attempt is to be followed by another.
    pub retry: bool,
    /// When the request was accepted.
    pub created_ms: i64,
    /// When processing ended.
    pub finished_ms: i64,
    /// When trying stops: the time the first attempt was due, or it was last sent again, plus the request's `expires`.
    pub expires_at_ms: Option<i64>,
    /// How many earlier attempts the schedule counts: those that came to an end.
    pub n_counted: u32,
    /// Whether it takes from the room of those that were tried before or are sent again.
    pub is_retry: bool,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started_ms: i64,
    /// How long it took, body included.
    pub duration_ms: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The address that was dialled, with its port.
    pub address: Option<String>,
    /// Where the time went.
    pub timings: Timings,
    /// The first KiB of the answer's body, as text.
    pub response: Option<String>,
    /// How long the receiver asked to be left alone, as far as the schedule grants it.
    pub retry_after_ms: Option<i64>,
}

/// Where the time of an attempt went. What did not happen has no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the name.
    pub dns_ms: Option<u32>,
    /// Opening the connection.
    pub connect_ms: Option<u32>,
    /// The TLS handshake.
    pub tls_ms: Option<u32>,
    /// From the start to the first byte of the answer.
    pub first_byte_ms: Option<u32>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A 2xx answer.
    Delivered,
    /// The connection was refused or reset.
    Refused,
    /// The deadline passed.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// The name could not be resolved.
    Dns,
    /// The address policy forbids every address of the name.
    BlockedAddress,
    /// The answer was not HTTP.
    Protocol,
    /// The server stopped or lost its lease in the middle: whether the receiver got it is unknown.
    Interrupted,
    /// An answer, but no 2xx.
    Rejected,
}

/// Where the time of a next attempt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The delay that the request asked for.
    Delay,
    /// The schedule of retries.
    Retry,
    /// The receiver asked for it.
    RetryAfter,
    /// An attempt was cut off and is made again.
    Interrupted,
    /// The server could not send it.
    LocalTrouble,
    /// Somebody asked for it to be sent again.
    Resend,
    /// The receiver failed too often in a row and is left alone.
    Breaker,
}

/// What follows an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The receiver took it: the end.
    Delivered,
    /// Another attempt.
    Retry {
        /// When it is due.
        due_ms: i64,
    },
    /// Given up: the end, until somebody resends it.
    Failed {
        /// Why, in a word that is shown.
        reason: String,
    },
}

impl WebhookStatus {
    /// Every status, in the order of a webhook's life.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Scheduled, Self::Dispatched, Self::Delivered, Self::Failed];

    /// The word of the wire and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Scheduled => "scheduled",
            Self::Dispatched => "dispatched",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Delivered,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::Dns,
        Self::BlockedAddress,
        Self::Protocol,
        Self::Interrupted,
        Self::Rejected,
    ];

    /// The word of the wire and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::BlockedAddress => "blocked_address",
            Self::Protocol => "protocol",
            Self::Interrupted => "interrupted",
            Self::Rejected => "rejected",
        }
    }
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Delay,
        Self::Retry,
        Self::RetryAfter,
        Self::Interrupted,
        Self::LocalTrouble,
        Self::Resend,
        Self::Breaker,
    ];

    /// The word of the wire and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Retry => "retry",
            Self::RetryAfter => "retry_after",
            Self::Interrupted => "interrupted",
            Self::LocalTrouble => "local_trouble",
            Self::Resend => "resend",
            Self::Breaker => "breaker",
        }
    }
}

impl FromStr for Why {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|why| why.as_str() == word).ok_or(UnknownWord)
    }
}

/// A word that names none of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

impl FromStr for WebhookStatus {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or(UnknownWord)
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word).ok_or(UnknownWord)
    }
}

impl fmt::Display for WebhookStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows neither URL nor headers, which may carry credentials, nor the payload, which is the customer's.
impl fmt::Debug for DueWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueWebhook")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("authority", &self.authority)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}
