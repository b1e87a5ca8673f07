//! The SQL operations for the actions of users on a webhook: resend the webhook now, or cancel the webhook.

use uuid::Uuid;

use super::counters::Delta;
use super::destinations::Destination;
use super::webhooks::{QueueRow, apply_transition, enqueue, remove_waiting};
use super::{Tx, columns, jobs, params, statements};
use crate::destination::{Lane, path_hash};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::webhook::{DueReason, FailureReason, WebhookStatus};
use crate::state::{Created, Scheduled};

columns! {
    ResendOptions as resend_columns, read {
        authority = "r.webhook_authority", url = "r.webhook_url", expires_ms = "r.webhook_expires_ms"
    }
}

statements! {
    FIND = "SELECT w.seq, w.status FROM requests r JOIN webhooks w ON w.seq = r.seq
            WHERE r.id = ?1 AND r.account = ?2";
    MAKE_DUE = "UPDATE webhook_queue SET due_ms = ?2, due_reason = ?3
                WHERE seq = ?1 AND lease_until_ms IS NULL
                RETURNING destination, lane";
    /// This query returns no row for a webhook that never had a payload.
    RESEND_OPTIONS = concat!(
        "SELECT ", resend_columns!(), " FROM requests r JOIN payloads p ON p.seq = r.seq WHERE r.seq = ?1"
    );
    /// After a resend, attempt numbers and fencing tokens continue from the last attempt. They are never used
    /// twice, so a late report of an earlier attempt still finds the row of the reported attempt.
    LAST_ATTEMPT = "SELECT number, fence FROM attempts WHERE seq = ?1 ORDER BY number DESC LIMIT 1";
    REOPEN = "UPDATE webhooks
              SET status = ?3, scheduled_ms = ?4, delivered_ms = NULL, failed_ms = NULL, failure = NULL
              WHERE seq = ?1 AND status = ?2";
    DELETE_JOB = "DELETE FROM jobs WHERE seq = ?1";
}

/// The options of a request that a resend of an ended webhook needs.
struct ResendOptions {
    authority: Authority,
    url: String,
    expires_ms: Option<i64>,
}

/// Makes a webhook due now. A webhook that is being sent does not change. Returns the new status, or `None`
/// when the account has no such webhook.
pub(crate) fn resend(tx: &mut Tx<'_>, account: AccountId, id: Uuid) -> Result<Option<WebhookStatus>, Error> {
    let Some((seq, status)) = tx.query_optional::<(i64, WebhookStatus)>(&FIND, params![id, account])? else {
        return Ok(None);
    };
    resend_one(tx, seq, account, status).map(Some)
}

/// Makes a webhook with the status `status` due now. Returns the new status.
pub(super) fn resend_one(
    tx: &mut Tx<'_>,
    seq: i64,
    account: AccountId,
    status: WebhookStatus,
) -> Result<WebhookStatus, Error> {
    match status {
        WebhookStatus::Created => return Err(Error::WrongStatus(status)),
        WebhookStatus::Dispatched => return Ok(status),
        WebhookStatus::Scheduled => make_due_now(tx, seq)?,
        WebhookStatus::Delivered | WebhookStatus::Failed => reopen(tx, seq, account, status)?,
    }
    Ok(WebhookStatus::Scheduled)
}

/// Cancels a webhook that is not being sent and has not ended. Returns `false` when the account has no such
/// webhook.
pub(crate) fn cancel(tx: &mut Tx<'_>, account: AccountId, id: Uuid) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    let Some((seq, status)) = tx.query_optional::<(i64, WebhookStatus)>(&FIND, params![id, account])? else {
        return Ok(false);
    };
    match status {
        WebhookStatus::Created => {
            // A worker may still be processing the request. The ledger will refuse the result of this worker,
            // because the lease on the job is lost.
            tx.execute(&DELETE_JOB, params![seq])?;
            jobs::delete_input(tx, seq)?;
            apply_transition(tx, seq, account, Created.failed(FailureReason::Cancelled, now_ms))?;
        }
        WebhookStatus::Scheduled => {
            remove_waiting(tx, seq)?;
            apply_transition(tx, seq, account, Scheduled.failed(FailureReason::Cancelled, now_ms))?;
        }
        WebhookStatus::Dispatched | WebhookStatus::Delivered | WebhookStatus::Failed => {
            return Err(Error::WrongStatus(status));
        }
    }
    Ok(true)
}

fn make_due_now(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let (destination, lane): (i64, Lane) =
        tx.query_one(&MAKE_DUE, params![seq, now_ms, DueReason::Resend])?;
    let mut destination = Destination::load(tx, destination)?;
    destination.refresh_earliest_due(tx, lane)?;
    destination.save(tx)
}

/// Returns an ended webhook to the queue, at the start of the retry schedule. The webhook waits in the retry
/// lane, so it takes no send capacity from first attempts.
fn reopen(tx: &mut Tx<'_>, seq: i64, account: AccountId, from: WebhookStatus) -> Result<(), Error> {
    let (now_ms, to) = (tx.now_ms(), WebhookStatus::Scheduled);
    // A webhook that was cancelled before its request was processed has no payload, so it cannot be sent.
    let options: Option<ResendOptions> = tx.query_optional(&RESEND_OPTIONS, params![seq])?;
    let ResendOptions { authority, url, expires_ms } = options.ok_or(Error::WrongStatus(from))?;
    let window_ms = tx.limits().retry_window_ms(expires_ms);
    let last_attempt: Option<(u32, i64)> = tx.query_optional(&LAST_ATTEMPT, params![seq])?;
    let (attempt, fence) = last_attempt.unwrap_or((0, 0));
    let destination = Destination::load_or_create(tx, account, &authority)?;
    let row = QueueRow {
        seq,
        account,
        destination: destination.seq,
        lane: Lane::Retry,
        path: path_hash(&url),
        due_ms: now_ms,
        due_reason: DueReason::Resend,
        expires_ms: window_ms.map(|window_ms| now_ms.saturating_add(window_ms)),
        fence,
        attempt,
        n_counted_attempts: 0,
    };
    enqueue(tx, &[row], &mut destination.into())?;
    tx.execute(&REOPEN, params![seq, from, to, now_ms])?;
    Delta::default().with(from, -1).with(to, 1).apply(tx, account)
}
