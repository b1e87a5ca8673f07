//! The types in which the ledger returns the history of webhooks: pages of lists, single webhooks with their
//! attempts, and bulk resends.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, DueReason, FailureReason, ParseError, WebhookStatus};

/// The largest number of webhooks on one page of a list.
pub const MAX_PAGE_LEN: u32 = 100;

/// The largest total that a list reports when the list is filtered by host or time, even if more webhooks
/// match. A list without such a filter reports its exact total.
pub const MAX_COUNTED: u64 = 100_000;

/// The filters of a list of webhooks. The list contains only the webhooks that match every filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookQuery {
    /// The account that owns the webhooks.
    pub account: AccountId,
    /// The statuses that the list may contain. An empty list allows every status.
    pub statuses: Vec<WebhookStatus>,
    /// The host of the webhook's URL, with brackets around an IPv6 address. `None` allows every host.
    pub host: Option<String>,
    /// The earliest acceptance time of a webhook, in milliseconds since the Unix epoch. `None` means no
    /// limit.
    pub start_ms: Option<i64>,
    /// The latest acceptance time of a webhook, in milliseconds since the Unix epoch. `None` means no limit.
    pub end_ms: Option<i64>,
    /// The position of the last webhook of the previous page. `None` for the first page.
    pub before: Option<Cursor>,
    /// The number of matching webhooks to skip before the first webhook of the page.
    pub offset: u64,
    /// The largest number of webhooks to return. Values above [`MAX_PAGE_LEN`] are reduced to
    /// [`MAX_PAGE_LEN`].
    pub limit: u32,
}

/// One page of a list of webhooks, most recently accepted webhook first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPage {
    /// The number of matching webhooks on all pages; at most [`MAX_COUNTED`] when the query filters by host
    /// or time.
    pub total: u64,
    /// The webhooks of this page, without their attempts.
    pub webhooks: Vec<WebhookRecord>,
    /// The cursor with which the caller requests the next page. `None` if this page is not full.
    pub next_cursor: Option<Cursor>,
}

/// A position in a list of webhooks. New webhooks appear at the beginning of a list, so new webhooks do not
/// change the pages after a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) created_ms: i64,
    pub(crate) seq: i64,
}

/// The progress of a bulk resend, which sends many webhooks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkResend {
    /// The sequence number, which identifies the bulk resend within this ledger.
    pub seq: i64,
    /// The time at which the bulk resend was started.
    pub created_ms: i64,
    /// The number of webhooks that matched when the bulk resend was started; at most [`MAX_COUNTED`] when the
    /// query filters by host or time.
    pub n_matched: u64,
    /// The number of webhooks that the bulk resend has made due again.
    pub n_resent: u64,
    /// The number of webhooks that the bulk resend skipped, because their image was still being processed or
    /// they were being sent at that time.
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

/// A webhook with all data that the ledger stores about the webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// The id of the request, which is also the id of the webhook.
    pub id: Uuid,
    /// The current status of the webhook.
    pub status: WebhookStatus,
    /// The time at which the server accepted the request.
    pub created_ms: i64,
    /// The time at which the status last changed to `scheduled`.
    pub scheduled_ms: Option<i64>,
    /// The time at which the status last changed to `dispatched`.
    pub dispatched_ms: Option<i64>,
    /// The time at which the receiver accepted the webhook.
    pub delivered_ms: Option<i64>,
    /// The time at which the webhook failed.
    pub failed_ms: Option<i64>,
    /// The reason why the webhook failed. `None` unless the status is `failed`.
    pub failure: Option<FailureReason>,
    /// The whole URL of the webhook. The URL may contain credentials, which the caller must hide before it
    /// shows the URL.
    pub url: String,
    /// The delay between the end of the image processing and the first attempt, in milliseconds.
    pub delay_ms: i64,
    /// The request body that every attempt sends. `None` until the image has been processed.
    pub payload: Option<String>,
    /// The attempts that have ended, oldest first. In lists of webhooks, this field is empty. The attempt
    /// that is under way while the status is `dispatched` is not included.
    pub attempts: Vec<RecordedAttempt>,
    /// The next attempt of the webhook. `None` unless the status is `scheduled`.
    pub next_attempt: Option<NextAttempt>,
}

/// The next attempt of a scheduled webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// The time at which the next attempt is due, or the end of the destination's pause if the pause ends
    /// later.
    pub due_ms: i64,
    /// The reason why the next attempt is due at `due_ms`.
    pub due_reason: DueReason,
}

/// An attempt in the history of a webhook, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// The number of the attempt, counted from 1. Numbers can be missing, because an attempt is deleted when
    /// nothing was sent.
    pub number: u32,
    /// The result of the attempt.
    pub attempt: Attempt,
}

/// Hides the URL, which may contain credentials, and the payload, which belongs to the customer, in debug
/// output.
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
