//! Accepted requests, the jobs that process them, and their results.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use super::account::{AccountId, UsageDelta};
use super::authority::Authority;

/// A request to accept. After the commit the server must process the request and send its webhook.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The id of the request and of its webhook. The caller chooses a random id.
    pub id: Uuid,
    /// The account of the request.
    pub account: AccountId,
    /// The request's JSON as it was received.
    pub spec: String,
    /// Where the image is.
    pub input: InputRef,
    /// Where and how to send the result.
    pub webhook: NewWebhook,
}

/// The source of a request's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputRef {
    /// The image is at the URL in the request's JSON.
    Url,
    /// The image was uploaded. The upload is kept until the job ends.
    Upload {
        /// The bytes of the upload.
        content: StoredContent,
        /// The file name of the upload.
        name: String,
        /// The size in bytes.
        bytes: u64,
    },
}

impl InputRef {
    /// The bytes of an upload.
    pub fn content(&self) -> Option<&StoredContent> {
        match self {
            Self::Url => None,
            Self::Upload { content, .. } => Some(content),
        }
    }
}

/// The bytes of an upload or a result.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredContent {
    /// Small content, which the ledger stores.
    Inline(Bytes),
    /// Large content, which is a file of the blob store.
    File {
        /// The file's key.
        key: String,
    },
}

/// An expired result, with the key of its file, so that the caller can delete the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredResult {
    /// The id of the request that made the result.
    pub id: Uuid,
    /// The key of the result's file, if it has a file.
    pub blob_key: Option<String>,
}

/// Where and how to send a result.
#[derive(Clone)]
pub struct NewWebhook {
    /// The whole URL, including credentials.
    pub url: String,
    /// The host and port of the URL.
    pub authority: Authority,
    /// The delay between the end of processing and the first attempt, in milliseconds.
    pub delay_ms: i64,
    /// The time from the due time of the first attempt until the webhook expires, in milliseconds.
    pub expires_ms: Option<i64>,
    /// Whether a failed attempt is retried.
    pub retry: bool,
    /// The headers to send with every attempt, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
}

/// A request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The account of the request.
    pub account: AccountId,
    /// The idempotency key.
    pub key: String,
    /// SHA-256 of the request's content. Requests with the same key must have the same content.
    pub sha256: [u8; 32],
    /// The id that the request gets if the key is new.
    pub id: Uuid,
}

/// The state of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyStatus {
    /// No other request had the key. It now belongs to this request.
    New,
    /// Another request with different content has the key.
    KeyReused,
    /// Another request with the same content has the key, and is being processed.
    InProgress,
    /// Another request with the same content has the key, and was accepted.
    Accepted {
        /// The request's id.
        id: Uuid,
    },
    /// Another request with the same content has the key, and was answered.
    Answered {
        /// The request's id.
        id: Uuid,
        /// The stored answer.
        answer: String,
    },
}

/// The task of processing one accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The request's id.
    pub id: Uuid,
    /// The account of the request.
    pub account: AccountId,
    /// The request's JSON as it was received.
    pub spec: String,
    /// Where the image is.
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
    /// The exact body that every attempt sends.
    pub payload: String,
    /// The usage to add to the account.
    pub usage: UsageDelta,
    /// The result, if there is one.
    pub result: Option<StoredResult>,
    /// The request's JSON without its secrets, which replaces the stored JSON. `None` keeps the stored JSON.
    pub redacted_spec: Option<String>,
}

/// A result: the data that the server needs to answer downloads, and the time of expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The id of the request that made the result.
    pub id: Uuid,
    /// The account of the request.
    pub account: AccountId,
    /// The file name in the result's URL.
    pub name: String,
    /// The bytes.
    pub content: StoredContent,
    /// The media type.
    pub media_type: String,
    /// The size in bytes.
    pub bytes: u64,
    /// SHA-1 of the bytes, in hexadecimal.
    pub sha1: String,
    /// The time at which the result was created.
    pub created_ms: i64,
    /// The time from which on the result is no longer served.
    pub expires_ms: i64,
}

/// Shows the size of the bytes or the key of the file, but not the bytes themselves.
impl fmt::Debug for StoredContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File { key } => f.write_str(key),
        }
    }
}

/// Shows the authority, but neither the URL nor the headers, because both may contain credentials.
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
