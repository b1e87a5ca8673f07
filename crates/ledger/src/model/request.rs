//! Accepted requests, the jobs that process them, and the result files they leave behind.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use super::account::{AccountId, UsageDelta};

/// A request to be accepted: from the commit on, the ledger owes its webhook.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The request's id, which is also the webhook's. Chosen by the caller, at random.
    pub id: Uuid,
    /// Whose request it is.
    pub account: AccountId,
    /// The request's JSON as it came.
    pub spec: String,
    /// Where the image is.
    pub input: InputRef,
    /// Where the result is to be sent.
    pub webhook: NewWebhook,
}

/// Where the image of a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputRef {
    /// At the URL that the request names.
    Url,
    /// Uploaded, and kept until the job ended.
    Upload {
        /// Its bytes.
        content: Content,
        /// The name it was uploaded with.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

impl InputRef {
    /// Where the bytes of an upload are.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Url => None,
            Self::Upload { content, .. } => Some(content),
        }
    }
}

/// Where the bytes of an upload or a result are.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Here: they are few enough to ride in the commit of the row they belong to.
    Inline(Bytes),
    /// In one of our files.
    File {
        /// The file's key.
        key: String,
    },
}

/// A result whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredResult {
    /// The id of the request that made it.
    pub id: Uuid,
    /// The key of its file, if it has one.
    pub blob_key: Option<String>,
}

/// Where and how a result is to be sent.
#[derive(Clone)]
pub struct NewWebhook {
    /// The whole URL, credentials included.
    pub url: String,
    /// `host:port` of the URL: what deliveries are counted and paused by.
    pub authority: String,
    /// How long after the end of processing the first attempt is due.
    pub delay_ms: i64,
    /// How long after the first attempt was due trying stops.
    pub expires_ms: Option<i64>,
    /// Whether a failed attempt is followed by another.
    pub retry: bool,
    /// Headers to be sent with every attempt, in order.
    pub headers: Vec<(String, String)>,
}

/// A request with the name its caller gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRequest {
    /// Whose request it is.
    pub account: AccountId,
    /// The name.
    pub key: String,
    /// Of everything that was asked for: the same name must mean the same.
    pub sha256: [u8; 32],
    /// The request's id, should the name be new.
    pub id: Uuid,
}

/// What is known of the name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Nothing: it names the new request from now on.
    New,
    /// It named another request.
    Other,
    /// The request that has it is being processed.
    Processing,
    /// The request that has it was accepted.
    Accepted {
        /// Its id.
        id: Uuid,
    },
    /// The request that has it was answered.
    Answered {
        /// Its id.
        id: Uuid,
        /// What was answered.
        answer: String,
    },
}

/// One request being processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The request's id.
    pub id: Uuid,
    /// Whose request it is.
    pub account: AccountId,
    /// The request's JSON as it came.
    pub spec: String,
    /// Where the image is.
    pub input: InputRef,
    /// When the request was accepted.
    pub created_ms: i64,
    /// How many earlier tries ended with a dead worker, a dead server or a lost lease.
    pub n_crashes: u32,
}

/// How a job ended. A failure is an end too: its payload says so.
#[derive(Clone, Debug)]
pub struct JobDone {
    /// The exact bytes that every delivery sends.
    pub payload: String,
    /// What the request adds to its account's usage.
    pub usage: UsageDelta,
    /// The result file, if there is one.
    pub result: Option<StoredResult>,
}

/// A result: what a download needs, and when it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The id of the request that made it.
    pub id: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// The file name of its address.
    pub name: String,
    /// Its bytes.
    pub content: Content,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-1 of its bytes, in hex.
    pub sha1: String,
    /// When it was made.
    pub created_ms: i64,
    /// From when on it is no longer served.
    pub expires_ms: i64,
}

/// Shows where, not what: pictures are no debugging text.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File { key } => f.write_str(key),
        }
    }
}

/// Shows the authority only: the URL may carry credentials in any of its parts, the headers too.
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
