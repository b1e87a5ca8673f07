//! The queue of webhooks to be sent, and the attempts at sending them.

use std::collections::BTreeMap;

use super::counters::Delta;
use super::{Row, Tx, column, headers, params, statements};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, DueWebhook, Next, Outcome, WebhookStatus};
use crate::state::{Dispatched, Scheduled, State, Transition};
use crate::wake::{Queue, Wake};

statements! {
    ADD = "INSERT INTO webhooks (no, account, created_ms, status) VALUES (?1, ?2, ?3, ?4)";
    ENTER = "UPDATE webhooks
             SET status = ?3, scheduled_ms = COALESCE(?4, scheduled_ms), dispatched_ms = COALESCE(?5, dispatched_ms),
                 delivered_ms = COALESCE(?6, delivered_ms), failed_ms = COALESCE(?7, failed_ms),
                 failure = COALESCE(?8, failure)
             WHERE no = ?1 AND status = ?2";
    ADD_PAYLOAD = "INSERT INTO payloads (no, finished_ms, payload) VALUES (?1, ?2, ?3)";
    SCHEDULE_FIRST = "INSERT INTO webhook_queue (no, account, authority, due_ms, fence, attempt)
                      SELECT no, account, webhook_authority, webhook_delay_ms + ?2, 0, 0
                      FROM requests WHERE no = ?1
                      RETURNING due_ms";
    CLAIM = "UPDATE webhook_queue SET fence = fence + 1, attempt = attempt + 1, lease_until_ms = ?1
             WHERE no IN (SELECT no FROM webhook_queue
                          WHERE lease_until_ms IS NULL AND due_ms <= ?2
                          ORDER BY due_ms, no LIMIT ?3 {skip_locked})
             RETURNING due_ms, no, fence, attempt";
    DUE = "SELECT r.id, r.account, r.webhook_url, r.webhook_authority, r.webhook_headers, p.payload, r.webhook_retry,
                  r.created_ms, p.finished_ms, r.webhook_delay_ms, r.webhook_expires_ms
           FROM requests r JOIN payloads p ON p.no = r.no WHERE r.no = ?1";
    REAP = "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?2
            WHERE lease_until_ms <= ?1 RETURNING no, account, attempt, fence";
    NEXT_DUE = "SELECT due_ms FROM webhook_queue WHERE lease_until_ms IS NULL ORDER BY due_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT lease_until_ms FROM webhook_queue WHERE lease_until_ms IS NOT NULL
                   ORDER BY lease_until_ms LIMIT 1";
    OPEN_ATTEMPT = "INSERT INTO attempts (no, number, fence, started_ms) VALUES (?1, ?2, ?3, ?4)";
    CLOSE_ATTEMPT = "UPDATE attempts
                     SET started_ms = ?4, duration_ms = ?5, outcome = ?6, status = ?7, address = ?8, dns_ms = ?9,
                         connect_ms = ?10, tls_ms = ?11, first_byte_ms = ?12, response = ?13
                     WHERE no = ?1 AND number = ?2 AND fence = ?3";
    /// How long an interrupted attempt lasted nobody knows.
    INTERRUPT_ATTEMPT = "UPDATE attempts SET outcome = ?4, duration_ms = 0
                         WHERE no = ?1 AND number = ?2 AND fence = ?3";
    REMOVE_ATTEMPT = "DELETE FROM attempts WHERE no = ?1 AND number = ?2 AND fence = ?3";
    END = "DELETE FROM webhook_queue WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    RESCHEDULE = "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?3, attempt = attempt - ?4
                  WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
}

/// Whether an attempt was recorded by the one who holds the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    InTime,
    /// The webhook is somebody else's by now: only the attempt was added.
    Late,
}

/// Makes the webhook of a request that was just accepted.
pub(super) fn create(tx: &mut Tx<'_>, no: i64, account: AccountId) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD, params![no, account, now_ms, WebhookStatus::Created.as_str()])?;
    Ok(())
}

/// Keeps the payload and makes the first attempt due, after the request's delay from now.
pub(super) fn schedule_first(tx: &mut Tx<'_>, no: i64, payload: &str) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD_PAYLOAD, params![no, now_ms, payload])?;
    let due_ms = tx.query_one(&SCHEDULE_FIRST, params![no, now_ms], column)?;
    tx.wake(Queue::Webhooks, Wake::At(due_ms));
    Ok(())
}

/// Moves the row of a webhook along. The counters are the caller's, who may have more to count.
pub(super) fn enter(tx: &mut Tx<'_>, no: i64, step: Transition) -> Result<(), Error> {
    let to = step.to.status();
    let (scheduled, dispatched, delivered, failed, reason) = match step.to {
        State::Scheduled { since_ms } => (Some(since_ms), None, None, None, None),
        State::Dispatched { since_ms } => (None, Some(since_ms), None, None, None),
        State::Delivered { at_ms } => (None, None, Some(at_ms), None, None),
        State::Failed { at_ms, reason } => (None, None, None, Some(at_ms), Some(reason)),
    };
    let n_rows = tx.execute(
        &ENTER,
        params![
            no,
            step.from.as_str(),
            to.as_str(),
            scheduled,
            dispatched,
            delivered,
            failed,
            reason.as_deref()
        ],
    )?;
    if n_rows == 1 {
        return Ok(());
    }
    Err(Error::Corrupt(format!("webhook {no} is not {} and cannot become {to}", step.from)))
}

pub(crate) fn claim(tx: &mut Tx<'_>, limit: u32, lease_ms: i64) -> Result<Vec<Lease<DueWebhook>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms)?;
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut claimed = tx.query(&CLAIM, params![until_ms, now_ms, limit], |row| {
        Ok(Claimed { due_ms: row.take()?, no: row.take()?, fence: row.take()?, attempt: row.take()? })
    })?;
    // A database returns what it changed in any order.
    claimed.sort_unstable_by_key(|webhook| (webhook.due_ms, webhook.no));
    let mut leases = Vec::with_capacity(claimed.len());
    let mut deltas = BTreeMap::<AccountId, Delta>::new();
    for claimed in &claimed {
        let dispatched = Scheduled.dispatched(now_ms);
        let lease = dispatch(tx, claimed, until_ms)?;
        let delta = deltas.entry(lease.value.account).or_default();
        *delta = delta.with_step(&dispatched);
        enter(tx, lease.no, dispatched)?;
        leases.push(lease);
    }
    for (account, delta) in deltas {
        delta.apply(tx, account)?;
    }
    note_earliest(tx)?;
    Ok(leases)
}

/// Takes back every webhook whose lease ended by `until_ms`, and closes its attempt as interrupted. Returns how
/// many.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let reaped = tx.query(&REAP, params![until_ms, now_ms], |row| {
        Ok((row.take()?, row.take()?, row.take()?, row.take()?))
    })?;
    let n_reaped = reaped.len() as u64;
    for (no, account, attempt, fence) in reaped {
        let _: (i64, AccountId, u32, i64) = (no, account, attempt, fence);
        tx.execute(&INTERRUPT_ATTEMPT, params![no, attempt, fence, Outcome::Interrupted.as_str()])?;
        step(tx, no, account, Dispatched.returned(now_ms))?;
    }
    if n_reaped > 0 {
        tx.wake(Queue::Webhooks, Wake::At(now_ms));
    }
    Ok(n_reaped)
}

pub(crate) fn record(
    tx: &mut Tx<'_>,
    lease: &Lease<DueWebhook>,
    attempt: &Attempt,
    next: Next,
) -> Result<Recorded, Error> {
    let now_ms = tx.now_ms();
    close_attempt(tx, lease, attempt)?;
    let held = match next {
        Next::Retry { due_ms } => reschedule(tx, lease, due_ms, 0),
        Next::Delivered | Next::Failed { .. } => tx.execute_held(&END, params![lease.no, lease.fence]),
    };
    match held {
        Ok(()) => step(tx, lease.no, lease.value.account, Dispatched.attempted(next, now_ms))?,
        Err(Error::LostLease) => return Ok(Recorded::Late),
        Err(error) => return Err(error),
    }
    Ok(Recorded::InTime)
}

pub(crate) fn release(tx: &mut Tx<'_>, lease: &Lease<DueWebhook>, due_ms: i64) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    reschedule(tx, lease, due_ms, 1)?;
    tx.execute(&REMOVE_ATTEMPT, params![lease.no, lease.attempt, lease.fence])?;
    step(tx, lease.no, lease.value.account, Dispatched.returned(now_ms))
}

pub(crate) fn abandon(tx: &mut Tx<'_>, lease: &Lease<DueWebhook>, reason: String) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute_held(&END, params![lease.no, lease.fence])?;
    tx.execute(&REMOVE_ATTEMPT, params![lease.no, lease.attempt, lease.fence])?;
    step(tx, lease.no, lease.value.account, Dispatched.attempted(Next::Failed { reason }, now_ms))
}

/// What a claim knows of a webhook before it has read its request.
struct Claimed {
    due_ms: i64,
    no: i64,
    fence: i64,
    attempt: u32,
}

/// Opens the attempt and reads what is to be sent.
fn dispatch(tx: &mut Tx<'_>, claimed: &Claimed, until_ms: i64) -> Result<Lease<DueWebhook>, Error> {
    let (no, fence, attempt, now_ms) = (claimed.no, claimed.fence, claimed.attempt, tx.now_ms());
    tx.execute(&OPEN_ATTEMPT, params![no, attempt, fence, now_ms])?;
    let value = tx.query_one(&DUE, params![no], read_due)?;
    Ok(Lease { value, fence, until_ms, attempt, no })
}

fn read_due(row: &mut Row<'_>) -> Result<DueWebhook, Error> {
    let mut webhook = DueWebhook {
        id: row.take()?,
        account: row.take()?,
        url: row.take()?,
        authority: row.take()?,
        headers: headers::decode(&row.take::<String>()?)?,
        payload: row.take()?,
        retry: row.take()?,
        created_ms: row.take()?,
        finished_ms: row.take()?,
        expires_at_ms: None,
    };
    let delay_ms: i64 = row.take()?;
    let expires_ms: Option<i64> = row.take()?;
    let first_due_ms = webhook.finished_ms.saturating_add(delay_ms);
    webhook.expires_at_ms = expires_ms.map(|expires_ms| first_due_ms.saturating_add(expires_ms));
    Ok(webhook)
}

/// Finds its row by the fence under which it was opened, so a late one replaces what the reaper assumed.
fn close_attempt(tx: &mut Tx<'_>, lease: &Lease<DueWebhook>, attempt: &Attempt) -> Result<(), Error> {
    let timings = attempt.timings;
    tx.execute(
        &CLOSE_ATTEMPT,
        params![
            lease.no,
            lease.attempt,
            lease.fence,
            attempt.started_ms,
            attempt.duration_ms,
            attempt.outcome.as_str(),
            attempt.status,
            attempt.address.as_ref(),
            timings.dns_ms,
            timings.connect_ms,
            timings.tls_ms,
            timings.first_byte_ms,
            attempt.response.as_ref()
        ],
    )?;
    Ok(())
}

/// Puts a webhook that is held back into the queue, with `n_unused` of its attempts given back.
fn reschedule(tx: &mut Tx<'_>, lease: &Lease<DueWebhook>, due_ms: i64, n_unused: i64) -> Result<(), Error> {
    tx.execute_held(&RESCHEDULE, params![lease.no, lease.fence, due_ms, n_unused])?;
    tx.wake(Queue::Webhooks, Wake::At(due_ms));
    Ok(())
}

fn step(tx: &mut Tx<'_>, no: i64, account: AccountId, step: Transition) -> Result<(), Error> {
    Delta::default().with_step(&step).apply(tx, account)?;
    enter(tx, no, step)
}

/// Tells the waiters what is due first: the end of a lease makes work due as well.
fn note_earliest(tx: &mut Tx<'_>) -> Result<(), Error> {
    let due_ms = tx.query_optional(&NEXT_DUE, params![], column)?;
    let expiry_ms = tx.query_optional(&NEXT_EXPIRY, params![], column)?;
    let earliest_ms: Option<i64> = [due_ms, expiry_ms].into_iter().flatten().min();
    tx.wake(Queue::Webhooks, Wake::Earliest(earliest_ms));
    Ok(())
}
