//! The queue of webhooks: adds webhooks to the queue, removes webhooks from it, and records attempts. The
//! module `claims` takes the leases on the queued webhooks.

use super::counters::Delta;
use super::destinations::Destination;
use super::{Params, Tx, attempts, columns, params, statements, waiting};
use crate::destination::{BreakerChange, Lane, path_hash};
use crate::error::Error;
use crate::lease::LeaseKey;
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::webhook::{Attempt, Disposition, DueReason, FailureReason, Outcome, WebhookStatus};
use crate::state::{Dispatched, Transition, WebhookState};

columns! {
    DeliveryOptions as delivery_columns, read {
        account, authority = "webhook_authority", url = "webhook_url", delay_ms = "webhook_delay_ms",
        expires_ms = "webhook_expires_ms"
    }
}
columns! {
    QueueRow as queue_columns, write {
        seq, account, destination, lane, path, due_ms, due_reason, expires_ms, fence, attempt,
        n_counted_attempts
    }
}
statements! {
    ADD = "INSERT INTO webhooks (seq, account, created_ms, status, host) VALUES (?1, ?2, ?3, ?4, ?5)";
    SET_STATUS = "UPDATE webhooks
                  SET status = ?3, scheduled_ms = COALESCE(?4, scheduled_ms),
                      dispatched_ms = COALESCE(?5, dispatched_ms), delivered_ms = COALESCE(?6, delivered_ms),
                      failed_ms = COALESCE(?7, failed_ms), failure = COALESCE(?8, failure)
                  WHERE seq = ?1 AND status = ?2";
    ADD_PAYLOAD = "INSERT INTO payloads (seq, finished_ms, payload) VALUES (?1, ?2, ?3)";
    DELIVERY_OPTIONS = concat!("SELECT ", delivery_columns!(), " FROM requests WHERE seq = ?1");
    ENQUEUE = concat!("INSERT INTO webhook_queue ", queue_columns!(insert));
    DEQUEUE_WAITING = "DELETE FROM webhook_queue WHERE seq = ?1 AND lease_until_ms IS NULL
                       RETURNING destination, lane";
    DEQUEUE_LEASED = "DELETE FROM webhook_queue WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL
                      RETURNING destination, path";
    REQUEUE = "UPDATE webhook_queue
               SET lease_until_ms = NULL, is_last_chance = 0, due_ms = ?3, due_reason = ?4,
                   attempt = attempt - ?5, n_counted_attempts = n_counted_attempts + ?6,
                   lane = CASE WHEN ?6 > 0 THEN 1 ELSE lane END
               WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL
               RETURNING destination, lane, path";
}

/// The effect of a report about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordEffect {
    /// The lease was still held: the attempt was stored and its disposition applied. The value is the change
    /// if the circuit breaker of the destination opened or closed.
    Applied(Option<BreakerChange>),
    /// The lease was lost: the attempt was stored in the history, and nothing else changed.
    HistoryOnly,
}

/// A new row of the queue of webhooks.
pub(super) struct QueueRow {
    pub(super) seq: i64,
    pub(super) account: AccountId,
    pub(super) destination: i64,
    pub(super) lane: Lane,
    pub(super) path: i64,
    pub(super) due_ms: i64,
    pub(super) due_reason: DueReason,
    pub(super) expires_ms: Option<i64>,
    pub(super) fence: i64,
    pub(super) attempt: u32,
    pub(super) n_counted_attempts: u32,
}

/// The changes to the queue row of a leased webhook that returns to the queue.
struct Requeue {
    due_ms: i64,
    due_reason: DueReason,
    /// The number of attempts that are deleted, so that their numbers are used again: 0 or 1.
    n_deleted_attempts: i64,
    /// The number of attempts that count against the retry schedule: 0 or 1.
    n_counted_attempts: i64,
}

/// The options of a request that the delivery of its webhook needs.
struct DeliveryOptions {
    account: AccountId,
    authority: Authority,
    url: String,
    delay_ms: i64,
    expires_ms: Option<i64>,
}

/// Adds the webhook of a request that was just accepted.
pub(super) fn create(
    tx: &mut Tx<'_>,
    seq: i64,
    account: AccountId,
    authority: &Authority,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD, params![seq, account, now_ms, WebhookStatus::Created, authority.host()])?;
    Ok(())
}

/// Stores the payload of a webhook, and makes the first attempt due after the delay that the request
/// specified.
pub(super) fn schedule_first(tx: &mut Tx<'_>, seq: i64, payload: &str) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD_PAYLOAD, params![seq, now_ms, payload])?;
    let options: DeliveryOptions = tx.query_one(&DELIVERY_OPTIONS, params![seq])?;
    let due_ms = now_ms.saturating_add(options.delay_ms);
    let window_ms = tx.limits().retry_window_ms(options.expires_ms);
    let destination = Destination::load_or_create(tx, options.account, &options.authority)?;
    let row = QueueRow {
        seq,
        account: options.account,
        destination: destination.seq,
        lane: Lane::First,
        path: path_hash(&options.url),
        due_ms,
        due_reason: DueReason::Delay,
        expires_ms: window_ms.map(|window_ms| due_ms.saturating_add(window_ms)),
        fence: 0,
        attempt: 0,
        n_counted_attempts: 0,
    };
    enqueue(tx, &row, destination)
}

/// Adds a row to the queue of webhooks, and records the row in the state of its destination.
pub(super) fn enqueue(tx: &mut Tx<'_>, row: &QueueRow, mut destination: Destination) -> Result<(), Error> {
    tx.execute(&ENQUEUE, Params::of(row).as_slice())?;
    destination.webhook_added(row.lane, row.due_ms);
    let failed_path = destination.state.only_failed_path(tx.now_ms());
    if row.lane == Lane::First && failed_path.is_some_and(|failed_path| failed_path != row.path) {
        let other_path_due_ms = &mut destination.due.other_path_due_ms;
        *other_path_due_ms = Some(other_path_due_ms.map_or(row.due_ms, |due_ms| due_ms.min(row.due_ms)));
    }
    destination.save(tx)
}

/// Changes the status of a webhook, and updates the counters of its account.
pub(super) fn apply_transition(
    tx: &mut Tx<'_>,
    seq: i64,
    account: AccountId,
    transition: Transition,
) -> Result<(), Error> {
    Delta::default().with_transition(&transition).apply(tx, account)?;
    write_status(tx, seq, transition)
}

/// Changes the status of a webhook. The caller must update the counters of the account.
pub(super) fn write_status(tx: &mut Tx<'_>, seq: i64, transition: Transition) -> Result<(), Error> {
    let Transition { from, to } = transition;
    let status = to.status();
    let (scheduled_ms, dispatched_ms, delivered_ms, failed_ms, failure) = match to {
        WebhookState::Scheduled { since_ms } => (Some(since_ms), None, None, None, None),
        WebhookState::Dispatched { since_ms } => (None, Some(since_ms), None, None, None),
        WebhookState::Delivered { at_ms } => (None, None, Some(at_ms), None, None),
        WebhookState::Failed { at_ms, reason } => (None, None, None, Some(at_ms), Some(reason)),
    };
    let n_rows = tx.execute(
        &SET_STATUS,
        params![seq, from, status, scheduled_ms, dispatched_ms, delivered_ms, failed_ms, failure],
    )?;
    if n_rows == 1 {
        return Ok(());
    }
    Err(Error::Corrupt(format!("webhook {seq} is not {from} and cannot become {status}")))
}

/// Removes a waiting webhook from the queue. The webhook does not return to the queue.
pub(super) fn remove_waiting(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    let (destination, lane): (i64, Lane) = tx.query_one(&DEQUEUE_WAITING, params![seq])?;
    let mut destination = Destination::load(tx, destination)?;
    destination.refresh_earliest_due(tx, lane)?;
    // The destination may have been chosen to use free capacity at its IP address. After the removal, it may
    // not use this capacity. Therefore other destinations that wait for the same address become ready too.
    destination.save_and_wake_waiting(tx)
}

/// Stores an attempt and applies its disposition to the webhook. If the lease was lost, the function only
/// stores the attempt.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    lease: &LeaseKey,
    attempt: &Attempt,
    disposition: Disposition,
) -> Result<RecordEffect, Error> {
    let now_ms = tx.now_ms();
    attempts::close(tx, lease, attempt)?;
    let ended = match disposition {
        Disposition::Retry { due_ms } => requeue(tx, lease, &Requeue::after(attempt, due_ms, now_ms)),
        Disposition::Delivered | Disposition::Failed { .. } => remove_leased(tx, lease),
    };
    let (mut destination, path) = match ended {
        Ok(ended) => ended,
        Err(Error::LostLease) => return Ok(RecordEffect::HistoryOnly),
        Err(error) => return Err(error),
    };
    apply_transition(tx, lease.seq, lease.account, Dispatched.attempted(disposition, now_ms))?;
    let event = destination.state.record_attempt(attempt, path, now_ms, &tx.limits());
    destination.refresh_other_path(tx)?;
    destination.save_and_wake_waiting(tx)?;
    let change = match event {
        Some(event) => Some(BreakerChange { event, n_waiting: waiting::count(tx, destination.seq)? }),
        None => None,
    };
    Ok(RecordEffect::Applied(change))
}

/// Returns a webhook that was not sent to the queue, and deletes its attempt.
pub(crate) fn release(tx: &mut Tx<'_>, lease: &LeaseKey, due_ms: i64) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let due_reason = DueReason::LocalTrouble;
    let unsent = Requeue { due_ms, due_reason, n_deleted_attempts: 1, n_counted_attempts: 0 };
    let (destination, _) = requeue(tx, lease, &unsent)?;
    attempts::delete(tx, lease)?;
    apply_transition(tx, lease.seq, lease.account, Dispatched.returned(now_ms))?;
    destination.save_and_wake_waiting(tx)
}

/// Changes a webhook that was not sent to `failed`, and deletes its attempt.
pub(crate) fn abandon(tx: &mut Tx<'_>, lease: &LeaseKey, reason: FailureReason) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let (destination, _) = remove_leased(tx, lease)?;
    attempts::delete(tx, lease)?;
    let failed = Dispatched.attempted(Disposition::Failed { reason }, now_ms);
    apply_transition(tx, lease.seq, lease.account, failed)?;
    destination.save_and_wake_waiting(tx)
}

impl Requeue {
    fn after(attempt: &Attempt, due_ms: i64, now_ms: i64) -> Self {
        let is_interrupted = attempt.outcome == Outcome::Interrupted;
        let due_reason = match attempt.retry_after_ms {
            _ if is_interrupted => DueReason::Interrupted,
            // A `Retry-After` that is shorter than the wait in the retry schedule has no effect on the due
            // time.
            Some(retry_after_ms @ 1..) if due_ms <= now_ms.saturating_add(retry_after_ms) => {
                DueReason::RetryAfter
            }
            _ => DueReason::Retry,
        };
        let n_counted_attempts = i64::from(!is_interrupted);
        Self { due_ms, due_reason, n_deleted_attempts: 0, n_counted_attempts }
    }
}

/// Removes a leased webhook from the queue for good. Returns the destination of the webhook, which the caller
/// must save, and the hash of the URL path of the webhook.
fn remove_leased(tx: &mut Tx<'_>, lease: &LeaseKey) -> Result<(Destination, i64), Error> {
    let removed: Option<(i64, i64)> = tx.query_optional(&DEQUEUE_LEASED, params![lease.seq, lease.fence])?;
    let (destination, path) = removed.ok_or(Error::LostLease)?;
    let mut destination = Destination::load(tx, destination)?;
    destination.state.end_lease();
    Ok((destination, path))
}

/// Puts a leased webhook back into the queue. Returns the destination of the webhook, which the caller must
/// save, and the hash of the URL path of the webhook.
fn requeue(tx: &mut Tx<'_>, lease: &LeaseKey, requeue: &Requeue) -> Result<(Destination, i64), Error> {
    let Requeue { due_ms, due_reason, n_deleted_attempts, n_counted_attempts } = *requeue;
    let params = params![lease.seq, lease.fence, due_ms, due_reason, n_deleted_attempts, n_counted_attempts];
    let requeued: Option<(i64, Lane, i64)> = tx.query_optional(&REQUEUE, params)?;
    let (destination, lane, path) = requeued.ok_or(Error::LostLease)?;
    let mut destination = Destination::load(tx, destination)?;
    destination.state.end_lease();
    destination.webhook_added(lane, due_ms);
    Ok((destination, path))
}
