//! The types of accepted requests, of the jobs that process them, and of their results.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use super::account::{AccountId, UsageDelta};
use super::authority::Authority;

/// A request that the ledger should accept. After the commit, the server must process the request and send
/// the webhook.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The id of the request, which is also the id of its webhook. The caller chooses a random id.
    pub id: Uuid,
    /// The account that sent the request.
    pub account: AccountId,
    /// The JSON of the request, exactly as the server received it.
    pub spec: String,
    /// The place from which the server gets the image.
    pub input: InputRef,
    /// The receiver of the webhook, and how the webhook is sent.
    pub webhook: NewWebhook,
}

/// The source of a request's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputRef {
    /// The server fetches the image from the URL in the request's JSON.
    Url,
    /// The client uploaded the image. The upload is kept until the job ends.
    Upload {
        /// The bytes of the upload, or the key of the file that contains them.
        content: StoredContent,
        /// The file name of the upload.
        name: String,
        /// The size of the upload in bytes.
        bytes: u64,
    },
}

impl InputRef {
    /// The content of an upload: its bytes, or the key of its file.
    pub fn content(&self) -> Option<&StoredContent> {
        match self {
            Self::Url => None,
            Self::Upload { content, .. } => Some(content),
        }
    }
}

/// The content of an upload or of a result.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredContent {
    /// Small content, which the ledger stores in a row.
    Inline(Bytes),
    /// Large content, which is stored as a file of the blob store.
    File {
        /// The key of the file in the blob store.
        key: String,
    },
}

/// An expired result, with the key of its file. With this key the caller can delete the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredResult {
    /// The id of the request that produced the result.
    pub id: Uuid,
    /// The key of the result's file. `None` if the ledger stores the bytes of the result in a row.
    pub blob_key: Option<String>,
}

/// The receiver of a webhook, and how the webhook is sent.
#[derive(Clone)]
pub struct NewWebhook {
    /// The whole URL of the webhook, including credentials.
    pub url: String,
    /// The host and port of the URL.
    pub authority: Authority,
    /// The delay between the end of the image processing and the first attempt, in milliseconds.
    pub delay_ms: i64,
    /// The time from the due time of the first attempt until the webhook expires, in milliseconds. `None` if
    /// the request sets no limit.
    pub expires_ms: Option<i64>,
    /// Whether the server tries again after a failed attempt.
    pub retry: bool,
    /// The headers to send with every attempt, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
}

/// A request that has an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The account that sent the request.
    pub account: AccountId,
    /// The value of the idempotency key.
    pub key: String,
    /// The SHA-256 hash of the request's content. Two requests with the same key must have the same content.
    pub sha256: [u8; 32],
    /// The id that the request gets if no earlier request has the same idempotency key.
    pub id: Uuid,
}

/// The state of an idempotency key when a request with this key arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyStatus {
    /// No earlier request has the key. The key is now reserved for the new request.
    New,
    /// An earlier request with different content has the key.
    KeyReused,
    /// An earlier request with the same content has the key. The earlier request is still being processed.
    InProgress,
    /// An earlier request with the same content has the key. The earlier request was accepted.
    Accepted {
        /// The id of the earlier request.
        id: Uuid,
    },
    /// An earlier request with the same content has the key. The earlier request was answered.
    Answered {
        /// The id of the earlier request.
        id: Uuid,
        /// The stored answer to the earlier request.
        answer: String,
    },
}

/// A job: the task of processing one accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The id of the request.
    pub id: Uuid,
    /// The account that sent the request.
    pub account: AccountId,
    /// The JSON of the request, exactly as the server received it.
    pub spec: String,
    /// The place from which the server gets the image.
    pub input: InputRef,
    /// The time at which the request was accepted.
    pub created_ms: i64,
    /// The number of earlier runs that ended because the worker or the server died, or because the lease ran
    /// out.
    pub n_crashes: u32,
}

/// The outcome of a job. When the processing failed, the payload describes the failure.
#[derive(Clone, Debug)]
pub struct JobOutcome {
    /// The webhook's request body, exactly as every attempt sends it.
    pub payload: String,
    /// The usage that the job adds to the counters of the account.
    pub usage: UsageDelta,
    /// The result of the job. `None` if there is no result.
    pub result: Option<StoredResult>,
    /// The request's JSON without its secrets, which replaces the stored JSON. `None` keeps the stored JSON.
    pub redacted_spec: Option<String>,
}

/// A result of a request: the data that the server needs to answer downloads, and the time at which the
/// result expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The id of the request that produced the result.
    pub id: Uuid,
    /// The account that owns the result.
    pub account: AccountId,
    /// The file name at the end of the result's URL.
    pub name: String,
    /// The bytes.
    pub content: StoredContent,
    /// The media type of the result, such as `image/png`.
    pub media_type: String,
    /// The size of the result in bytes.
    pub bytes: u64,
    /// The SHA-1 hash of the result's bytes, in hexadecimal.
    pub sha1: String,
    /// The time at which the result was created.
    pub created_ms: i64,
    /// The time from which on the server no longer serves the result.
    pub expires_ms: i64,
}

/// Shows the number of bytes or the key of the file in debug output, but never the bytes themselves.
impl fmt::Debug for StoredContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File { key } => f.write_str(key),
        }
    }
}

/// Shows the authority in debug output, but neither the URL nor the headers, because the URL and the headers
/// may contain credentials.
impl fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook")
            .field("authority", &self.authority)
            .field("delay_ms", &self.delay_ms)
            .field("expires_ms", &self.expires_ms)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
