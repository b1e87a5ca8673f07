//! What can be seen of webhooks: lists, single ones with their attempts, and the limits of looking.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, UnknownWord, WebhookStatus, Why};

/// The most webhooks one page holds.
pub const PAGE_LIMIT: u32 = 100;

/// How far matches are counted when a time range is asked for: a list that matches more says this number. Lists
/// by status alone, or without any filter, always say the exact number.
pub const COUNT_LIMIT: u64 = 100_000;

/// Which webhooks of an account to list. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookQuery {
    /// Whose webhooks.
    pub account: AccountId,
    /// In any of these statuses; empty means in any at all.
    pub statuses: Vec<WebhookStatus>,
    /// To this host only, as its URL names it.
    pub host: Option<String>,
    /// Accepted at this time or later.
    pub start_ms: Option<i64>,
    /// Accepted at this time or earlier.
    pub end_ms: Option<i64>,
    /// Only those that come after the page that ended here.
    pub before: Option<Cursor>,
    /// How many of the matches to skip.
    pub offset: u64,
    /// How many to return at most; more than [`PAGE_LIMIT`] counts as that.
    pub limit: u32,
}

/// One page of webhooks, most recently accepted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPage {
    /// How many match altogether, up to [`COUNT_LIMIT`] where a time range was asked for.
    pub total: u64,
    /// Those of this page, without their attempts.
    pub webhooks: Vec<WebhookRecord>,
    /// Where the next page begins, if this one is full.
    pub next: Option<Cursor>,
}

/// A place in a list: however much is accepted meanwhile, what comes after it stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) created_ms: i64,
    pub(crate) no: i64,
}

/// How far sending many webhooks again is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkResend {
    /// Names it.
    pub no: i64,
    /// When it was asked for.
    pub created_ms: i64,
    /// How many webhooks matched then, up to [`COUNT_LIMIT`] where a host or a time range was asked for.
    pub n_matched: u64,
    /// How many were made due again.
    pub n_resent: u64,
    /// How many could not be: their image is being processed, or they are being sent.
    pub n_skipped: u64,
    /// When it ended, by itself or by a stop.
    pub ended_ms: Option<i64>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.created_ms, self.no)
    }
}

impl FromStr for Cursor {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let (created_ms, no) = text.split_once('-').ok_or(UnknownWord)?;
        let read = |part: &str| i64::from_str_radix(part, 16).map_err(|_| UnknownWord);
        Ok(Self { created_ms: read(created_ms)?, no: read(no)? })
    }
}

/// Everything there is to see of one webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// The request's id.
    pub id: Uuid,
    /// Where it stands.
    pub status: WebhookStatus,
    /// When the request was accepted.
    pub created_ms: i64,
    /// When it last became scheduled.
    pub scheduled_ms: Option<i64>,
    /// When it was last sent.
    pub dispatched_ms: Option<i64>,
    /// When the receiver took it.
    pub delivered_ms: Option<i64>,
    /// When it was given up.
    pub failed_ms: Option<i64>,
    /// Why it was given up.
    pub failure: Option<String>,
    /// The whole URL: hide its credentials before showing it.
    pub url: String,
    /// How long after the end of processing the first attempt was due.
    pub delay_ms: i64,
    /// What is sent; absent while the image is being processed.
    pub payload: Option<String>,
    /// The attempts that ended, oldest first. Empty in lists. One that is under way is not among them: the status
    /// says so.
    pub attempts: Vec<RecordedAttempt>,
    /// The next attempt, while it is scheduled.
    pub next: Option<NextAttempt>,
}

/// The attempt that a scheduled webhook waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// When it is due, or when its destination is no longer left alone, if that is later.
    pub due_ms: i64,
    /// Where that time comes from.
    pub why: Why,
}

/// An attempt in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// From 1. A number may be missing where an attempt was taken back before anything was sent.
    pub number: u32,
    /// What came of it.
    pub attempt: Attempt,
}

/// Shows neither the URL, which may carry credentials, nor the payload, which is the customer's.
impl fmt::Debug for WebhookRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRecord")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("created_ms", &self.created_ms)
            .field("scheduled_ms", &self.scheduled_ms)
            .field("dispatched_ms", &self.dispatched_ms)
            .field("delivered_ms", &self.delivered_ms)
            .field("failed_ms", &self.failed_ms)
            .field("failure", &self.failure)
            .field("delay_ms", &self.delay_ms)
            .field("attempts", &self.attempts)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
