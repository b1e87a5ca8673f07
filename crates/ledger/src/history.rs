//! The types in which callers read the history of webhooks: lists, single webhooks with their attempts, and
//! bulk resends.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, DueReason, FailureReason, ParseError, WebhookStatus};

/// The largest number of webhooks on one page.
pub const MAX_PAGE_LEN: u32 = 100;

/// The largest total that a list with a filter by host or time reports, even if more webhooks match. A list
/// without such a filter reports its exact total.
pub const MAX_COUNTED: u64 = 100_000;

/// The filters of a list of webhooks. A webhook must match all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookQuery {
    /// The account that owns the webhooks.
    pub account: AccountId,
    /// The allowed statuses. An empty list allows every status.
    pub statuses: Vec<WebhookStatus>,
    /// The host of the webhook's URL, with brackets around an IPv6 address.
    pub host: Option<String>,
    /// The earliest time of acceptance.
    pub start_ms: Option<i64>,
    /// The latest time of acceptance.
    pub end_ms: Option<i64>,
    /// The position of the last webhook of the previous page. `None` for the first page.
    pub before: Option<Cursor>,
    /// The number of matching webhooks to skip before the first one on the page.
    pub offset: u64,
    /// The largest number of webhooks to return. [`MAX_PAGE_LEN`] replaces larger values.
    pub limit: u32,
}

/// One page of webhooks, most recently accepted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPage {
    /// The number of matching webhooks on all pages; at most [`MAX_COUNTED`] when the query filters by host
    /// or time.
    pub total: u64,
    /// The webhooks of this page, without their attempts.
    pub webhooks: Vec<WebhookRecord>,
    /// The cursor to request the next page with. `None` if this page is not full.
    pub next_cursor: Option<Cursor>,
}

/// A position in a list. A list shows new webhooks first, so they do not change the pages after a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) created_ms: i64,
    pub(crate) seq: i64,
}

/// The progress of a bulk resend, which sends many webhooks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkResend {
    /// The sequence number, which identifies the bulk resend within the ledger.
    pub seq: i64,
    /// The time at which the bulk resend was started.
    pub created_ms: i64,
    /// The number of webhooks that matched when the bulk resend was started; at most [`MAX_COUNTED`] when the
    /// query filters by host or time.
    pub n_matched: u64,
    /// The number of webhooks that the bulk resend has made due again.
    pub n_resent: u64,
    /// The number of webhooks that could not be resent, because their image was being processed or they were
    /// being sent.
    pub n_skipped: u64,
    /// The time at which the bulk resend ended or was stopped. `None` while it runs.
    pub ended_ms: Option<i64>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.created_ms, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (created_ms, seq) = text.split_once('-').ok_or(ParseError)?;
        let parse = |part: &str| i64::from_str_radix(part, 16).map_err(|_| ParseError);
        Ok(Self { created_ms: parse(created_ms)?, seq: parse(seq)? })
    }
}

/// A webhook with everything that the ledger stores of it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// The request's id.
    pub id: Uuid,
    /// The current status.
    pub status: WebhookStatus,
    /// The time at which the request was accepted.
    pub created_ms: i64,
    /// The time at which the status last became `scheduled`.
    pub scheduled_ms: Option<i64>,
    /// The time at which the status last became `dispatched`.
    pub dispatched_ms: Option<i64>,
    /// The time at which the receiver accepted the webhook.
    pub delivered_ms: Option<i64>,
    /// The time at which the webhook failed.
    pub failed_ms: Option<i64>,
    /// The reason why the webhook failed. `None` unless the status is `failed`.
    pub failure: Option<FailureReason>,
    /// The whole URL. It may contain credentials, which must be hidden before the URL is shown.
    pub url: String,
    /// The delay between the end of processing and the first attempt, in milliseconds.
    pub delay_ms: i64,
    /// The body that every attempt sends. `None` until the image has been processed.
    pub payload: Option<String>,
    /// The attempts that have ended, oldest first. Empty in lists of webhooks. The attempt that is under way
    /// while the status is `dispatched` is not included.
    pub attempts: Vec<RecordedAttempt>,
    /// The next attempt. Present while the webhook is scheduled.
    pub next_attempt: Option<NextAttempt>,
}

/// The next attempt of a scheduled webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// The due time of the webhook, or the end of its destination's pause if the pause ends later.
    pub due_ms: i64,
    /// The reason why the attempt is due at that time.
    pub due_reason: DueReason,
}

/// An attempt in the history of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// The number of the attempt, counted from 1. The numbers may have a gap where an attempt was deleted
    /// because nothing was sent.
    pub number: u32,
    /// The result of the attempt.
    pub attempt: Attempt,
}

/// Hides the URL, which may contain credentials, and the payload, which belongs to the customer.
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
            .field("next_attempt", &self.next_attempt)
            .finish_non_exhaustive()
    }
}
