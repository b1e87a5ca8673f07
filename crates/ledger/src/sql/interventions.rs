//! What users do to a webhook on its way: send it again now, or give it up.

use uuid::Uuid;

use super::destinations::Destination;
use super::webhooks::{step, unqueue};
use super::{Row, Tx, jobs, params, statements};
use crate::destination::{Fairness, Lane};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::webhook::{WebhookStatus, Why};
use crate::sql::counters::Delta;
use crate::state::{Created, Scheduled};

/// Why a webhook was given up that its owner did not want any more.
const CANCELLED: &str = "cancelled";

statements! {
    FIND = "SELECT w.no, w.status FROM requests r JOIN webhooks w ON w.no = r.no WHERE r.id = ?1 AND r.account = ?2";
    HURRY = "UPDATE webhook_queue SET due_ms = ?2, why = ?3 WHERE no = ?1 AND lease_until_ms IS NULL
             RETURNING destination, lane";
    /// What a webhook that ended wants, if it ever had something to send.
    WANTED = "SELECT r.webhook_authority, r.webhook_expires_ms FROM requests r JOIN payloads p ON p.no = r.no
              WHERE r.no = ?1";
    /// Numbers and fences go on where the attempts so far ended, so that a late one still finds its own row.
    LATEST = "SELECT number, fence FROM attempts WHERE no = ?1 ORDER BY number DESC LIMIT 1";
    QUEUE = "INSERT INTO webhook_queue (no, account, destination, lane, due_ms, why, expires_ms, fence, attempt, n_counted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)";
    REOPEN = "UPDATE webhooks
              SET status = ?3, scheduled_ms = ?4, delivered_ms = NULL, failed_ms = NULL, failure = NULL
              WHERE no = ?1 AND status = ?2";
    END_JOB = "DELETE FROM jobs WHERE no = ?1";
}

/// Makes a webhook due now. One that is being sent already is left to that. Returns the status it has now; `None` when
/// the account has no such webhook.
pub(crate) fn resend(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: Uuid,
    fairness: &Fairness,
) -> Result<Option<WebhookStatus>, Error> {
    let Some((no, status)) = tx.query_optional(&FIND, params![id, account], read_found)? else {
        return Ok(None);
    };
    resend_one(tx, no, account, status, fairness).map(Some)
}

/// The same for a webhook of which it is known where it stands.
pub(super) fn resend_one(
    tx: &mut Tx<'_>,
    no: i64,
    account: AccountId,
    status: WebhookStatus,
    fairness: &Fairness,
) -> Result<WebhookStatus, Error> {
    match status {
        WebhookStatus::Created => return Err(Error::NotNow(status)),
        WebhookStatus::Dispatched => return Ok(status),
        WebhookStatus::Scheduled => hurry(tx, no, fairness)?,
        WebhookStatus::Delivered | WebhookStatus::Failed => reopen(tx, no, account, status, fairness)?,
    }
    Ok(WebhookStatus::Scheduled)
}

/// Gives up a webhook that is not being sent and has not ended. `false` when the account has none of this id.
pub(crate) fn cancel(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: Uuid,
    fairness: &Fairness,
) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    let Some((no, status)) = tx.query_optional(&FIND, params![id, account], read_found)? else {
        return Ok(false);
    };
    match status {
        WebhookStatus::Created => {
            // Whoever works on it finds its lease lost and keeps nothing.
            tx.execute(&END_JOB, params![no])?;
            jobs::remove_input(tx, no)?;
            step(tx, no, account, Created.ended(CANCELLED, now_ms))?;
        }
        WebhookStatus::Scheduled => {
            unqueue(tx, no, fairness)?;
            step(tx, no, account, Scheduled.ended(CANCELLED, now_ms))?;
        }
        WebhookStatus::Dispatched | WebhookStatus::Delivered | WebhookStatus::Failed => {
            return Err(Error::NotNow(status));
        }
    }
    Ok(true)
}

fn hurry(tx: &mut Tx<'_>, no: i64, fairness: &Fairness) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let (destination, lane): (i64, i64) =
        tx.query_one(&HURRY, params![no, now_ms, Why::Resend.as_str()], |row| {
            Ok((row.take()?, row.take()?))
        })?;
    let mut destination = Destination::load(tx, destination, fairness)?;
    destination.look_again(tx, Lane::from_number(lane))?;
    destination.save(tx, fairness)
}

/// Puts a webhook that ended back into the queue, with the whole schedule before it. It takes no room from first
/// attempts.
fn reopen(
    tx: &mut Tx<'_>,
    no: i64,
    account: AccountId,
    from: WebhookStatus,
    fairness: &Fairness,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let wanted = tx.query_optional(&WANTED, params![no], |row| Ok((row.take()?, row.take()?)))?;
    // It was cancelled before there was anything to send.
    let Some((authority, expires_ms)) = wanted else { return Err(Error::NotNow(from)) };
    let (authority, expires_ms): (String, Option<i64>) = (authority, expires_ms);
    let expires_ms = fairness.longest_trying(expires_ms).map(|expires_ms| now_ms.saturating_add(expires_ms));
    let latest = tx.query_optional(&LATEST, params![no], |row| Ok((row.take()?, row.take()?)))?;
    let (attempt, fence): (u32, i64) = latest.unwrap_or((0, 0));
    let (lane, why, to) = (Lane::Retry, Why::Resend.as_str(), WebhookStatus::Scheduled);
    let mut destination = Destination::named(tx, account, &authority, fairness)?;
    tx.execute(
        &QUEUE,
        params![no, account, destination.no, lane.number(), now_ms, why, expires_ms, fence, attempt],
    )?;
    destination.waits(lane, now_ms);
    destination.save(tx, fairness)?;
    tx.execute(&REOPEN, params![no, from.as_str(), to.as_str(), now_ms])?;
    Delta::default().with(from, -1).with(to, 1).apply(tx, account)
}

fn read_found(row: &mut Row<'_>) -> Result<(i64, WebhookStatus), Error> {
    Ok((row.take()?, row.take_word()?))
}
