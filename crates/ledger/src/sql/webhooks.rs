//! The queue of webhooks: adds webhooks to the queue, removes webhooks from it, and records attempts. The
//! module `claims` takes the leases on the queued webhooks.

use std::collections::HashMap;

use super::counters::{Delta, Deltas};
use super::destinations::{Destination, Destinations};
use super::{Params, Tx, attempts, columns, params, statements, waiting};
use crate::destination::{BreakerChange, BreakerEvent, Lane, path_hash};
use crate::error::Error;
use crate::lease::LeaseKey;
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::request::NewRequest;
use crate::model::webhook::{Attempt, Disposition, DueReason, FailureReason, Outcome, WebhookStatus};
use crate::state::{Dispatched, Transition, WebhookState};

columns! {
    DeliveryOptions as delivery_columns, read {
        seq, account, authority = "webhook_authority", url = "webhook_url", delay_ms = "webhook_delay_ms",
        expires_ms = "webhook_expires_ms"
    }
}
columns! {
    QueueRow as queue_columns, write {
        seq, account, destination, lane, path, due_ms, due_reason, expires_ms, fence, attempt,
        n_counted_attempts
    }
}
columns! {
    StatusChange as status_columns, write {
        seq = "of_seq", from = "from_status", to = "to_status", scheduled_ms = "new_scheduled_ms",
        dispatched_ms = "new_dispatched_ms", delivered_ms = "new_delivered_ms", failed_ms = "new_failed_ms",
        failure = "new_failure"
    }
}
columns! { EndedLease as ended_columns, read { seq, fence, destination, lane, path } }
columns! {
    Requeue as requeue_columns, write {
        due_ms = "new_due_ms", due_reason = "new_due_reason", n_deleted_attempts = "n_deleted",
        n_counted_attempts = "n_counted"
    }
}
statements! {
    ADD["seq, account, created_ms, status, host"] =
        "INSERT INTO webhooks (seq, account, created_ms, status, host)
         SELECT v.seq, v.account, v.created_ms, v.status, v.host FROM {rows}";
    SET_STATUS[status_columns!()] =
        "UPDATE webhooks
         SET status = v.to_status, scheduled_ms = COALESCE(v.new_scheduled_ms, scheduled_ms),
             dispatched_ms = COALESCE(v.new_dispatched_ms, dispatched_ms),
             delivered_ms = COALESCE(v.new_delivered_ms, delivered_ms),
             failed_ms = COALESCE(v.new_failed_ms, failed_ms), failure = COALESCE(v.new_failure, failure)
         FROM {rows} WHERE seq = v.of_seq AND status = v.from_status";
    ADD_PAYLOAD["seq, finished_ms, payload"] = "INSERT INTO payloads (seq, finished_ms, payload)
                                                SELECT v.seq, v.finished_ms, v.payload FROM {rows}";
    DELIVERY_OPTIONS["of_seq"] = concat!(
        "SELECT ", delivery_columns!(), " FROM {rows}, requests WHERE seq = v.of_seq"
    );
    ENQUEUE[queue_columns!()] = concat!(
        "INSERT INTO webhook_queue (", queue_columns!(), ") SELECT ", queue_columns!(of_rows), " FROM {rows}"
    );
    DEQUEUE_WAITING = "DELETE FROM webhook_queue WHERE seq = ?1 AND lease_until_ms IS NULL
                       RETURNING destination, lane";
    DEQUEUE_LEASED["of_seq, of_fence"] =
        concat!(
            "DELETE FROM webhook_queue USING {rows}
             WHERE seq = v.of_seq AND fence = v.of_fence AND lease_until_ms IS NOT NULL
             RETURNING ", ended_columns!()
        );
    REQUEUE[concat!("of_seq, of_fence, ", requeue_columns!())] =
        concat!(
            "UPDATE webhook_queue
             SET lease_until_ms = NULL, is_last_chance = 0, due_ms = v.new_due_ms,
                 due_reason = v.new_due_reason, attempt = attempt - v.n_deleted,
                 n_counted_attempts = n_counted_attempts + v.n_counted,
                 lane = CASE WHEN v.n_counted > 0 THEN 1 ELSE lane END
             FROM {rows} WHERE seq = v.of_seq AND fence = v.of_fence AND lease_until_ms IS NOT NULL
             RETURNING ", ended_columns!()
        );
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

/// A report about an attempt that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) lease: LeaseKey,
    pub(crate) attempt: Attempt,
    pub(crate) disposition: Disposition,
}

/// How a lease on a webhook ends.
#[derive(Clone, Copy, Debug)]
enum LeaseEnd {
    /// The webhook leaves the queue for good.
    Remove,
    /// The webhook returns to the queue.
    Requeue(Requeue),
}

/// The status of a webhook before and after a transition, and the columns that the transition changes.
struct StatusChange {
    seq: i64,
    from: WebhookStatus,
    to: WebhookStatus,
    scheduled_ms: Option<i64>,
    dispatched_ms: Option<i64>,
    delivered_ms: Option<i64>,
    failed_ms: Option<i64>,
    failure: Option<FailureReason>,
}

/// The queue row of a webhook whose lease has ended.
struct EndedLease {
    seq: i64,
    fence: i64,
    destination: i64,
    lane: Lane,
    path: i64,
}

/// The changes to the queue row of a leased webhook that returns to the queue.
#[derive(Clone, Copy, Debug)]
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
    seq: i64,
    account: AccountId,
    authority: Authority,
    url: String,
    delay_ms: i64,
    expires_ms: Option<i64>,
}

/// Adds the webhooks of requests that were just accepted. Each request is given with its sequence number.
pub(super) fn create(tx: &mut Tx<'_>, requests: &[(i64, &NewRequest)]) -> Result<(), Error> {
    let (now_ms, status) = (tx.now_ms(), WebhookStatus::Created);
    let hosts: Vec<_> = requests.iter().map(|(_, request)| request.webhook.authority.host()).collect();
    let rows: Vec<_> = requests
        .iter()
        .zip(&hosts)
        .map(|((seq, request), host)| {
            Params::of(seq).and(&request.account).and(&now_ms).and(&status).and(host)
        })
        .collect();
    tx.execute_each(&ADD, &rows)
}

/// Stores the payloads of webhooks, and makes the first attempts due after the delays that the requests
/// specified. Each payload is given with the sequence number of its webhook.
pub(super) fn schedule_first(tx: &mut Tx<'_>, payloads: &[(i64, &String)]) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let rows: Vec<_> =
        payloads.iter().map(|(seq, payload)| Params::of(seq).and(&now_ms).and(*payload)).collect();
    tx.execute_each(&ADD_PAYLOAD, &rows)?;
    let rows: Vec<_> = payloads.iter().map(|(seq, _)| Params::of(seq)).collect();
    let options: Vec<DeliveryOptions> = tx.query_all(&DELIVERY_OPTIONS, &rows)?;
    let key = |options: &DeliveryOptions| (options.account, options.authority.clone());
    let (mut destinations, seqs) = Destinations::load_or_create(tx, options.iter().map(key))?;
    let mut queued = Vec::new();
    for options in &options {
        let due_ms = now_ms.saturating_add(options.delay_ms);
        let window_ms = tx.limits().retry_window_ms(options.expires_ms);
        queued.push(QueueRow {
            seq: options.seq,
            account: options.account,
            destination: seqs[&key(options)],
            lane: Lane::First,
            path: path_hash(&options.url),
            due_ms,
            due_reason: DueReason::Delay,
            expires_ms: window_ms.map(|window_ms| due_ms.saturating_add(window_ms)),
            fence: 0,
            attempt: 0,
            n_counted_attempts: 0,
        });
    }
    enqueue(tx, &queued, &mut destinations)
}

/// Adds rows to the queue of webhooks, and saves the states of their destinations.
pub(super) fn enqueue(
    tx: &mut Tx<'_>,
    rows: &[QueueRow],
    destinations: &mut Destinations,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute_each(&ENQUEUE, &rows.iter().map(Params::of).collect::<Vec<_>>())?;
    for row in rows {
        let destination = destinations.get_mut(row.destination)?;
        destination.webhook_added(row.lane, row.due_ms);
        let failed_path = destination.state.only_failed_path(now_ms);
        if row.lane == Lane::First && failed_path.is_some_and(|failed_path| failed_path != row.path) {
            let other_path_due_ms = &mut destination.due.other_path_due_ms;
            *other_path_due_ms = Some(other_path_due_ms.map_or(row.due_ms, |due_ms| due_ms.min(row.due_ms)));
        }
    }
    destinations.save(tx)
}

/// Changes the status of a webhook, and updates the counters of its account.
pub(super) fn apply_transition(
    tx: &mut Tx<'_>,
    seq: i64,
    account: AccountId,
    transition: Transition,
) -> Result<(), Error> {
    Delta::default().with_transition(&transition).apply(tx, account)?;
    write_statuses(tx, &[(seq, transition)])
}

/// Changes the statuses of webhooks. The caller must update the counters of the accounts.
pub(super) fn write_statuses(tx: &mut Tx<'_>, transitions: &[(i64, Transition)]) -> Result<(), Error> {
    let changes: Vec<_> = transitions.iter().map(StatusChange::from).collect();
    tx.execute_each(&SET_STATUS, &changes.iter().map(Params::of).collect::<Vec<_>>())
}

impl From<&(i64, Transition)> for StatusChange {
    fn from((seq, transition): &(i64, Transition)) -> Self {
        let unchanged = Self {
            seq: *seq,
            from: transition.from,
            to: transition.to.status(),
            scheduled_ms: None,
            dispatched_ms: None,
            delivered_ms: None,
            failed_ms: None,
            failure: None,
        };
        match transition.to {
            WebhookState::Scheduled { since_ms } => Self { scheduled_ms: Some(since_ms), ..unchanged },
            WebhookState::Dispatched { since_ms } => Self { dispatched_ms: Some(since_ms), ..unchanged },
            WebhookState::Delivered { at_ms } => Self { delivered_ms: Some(at_ms), ..unchanged },
            WebhookState::Failed { at_ms, reason } => {
                Self { failed_ms: Some(at_ms), failure: Some(reason), ..unchanged }
            }
        }
    }
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

/// Stores attempts and applies their dispositions to the webhooks. If the lease of an attempt was lost, only
/// the attempt is stored. Returns one effect for each report.
pub(crate) fn record(tx: &mut Tx<'_>, reports: &[Report]) -> Result<Vec<Result<RecordEffect, Error>>, Error> {
    let now_ms = tx.now_ms();
    attempts::close(tx, reports.iter().map(|report| (&report.lease, &report.attempt)))?;
    let ends = reports.iter().map(|report| (report.lease, LeaseEnd::after(report, now_ms)));
    let mut ended = end_leases(tx, &ends.collect::<Vec<_>>())?;
    let held: Vec<_> = reports.iter().map(|report| ended.remove(&report.lease)).collect();
    let mut destinations = Destinations::load(tx, held.iter().flatten().map(|ended| ended.destination))?;
    let (mut deltas, mut transitions, mut effects) = (Deltas::default(), Vec::new(), Vec::new());
    for (report, ended) in reports.iter().zip(&held) {
        let Some(ended) = ended else {
            effects.push(Ok(RecordEffect::HistoryOnly));
            continue;
        };
        let Report { lease, attempt, disposition } = report;
        let transition = Dispatched.attempted(*disposition, now_ms);
        deltas.add(lease.account, Delta::default().with_transition(&transition));
        transitions.push((lease.seq, transition));
        let destination = destinations.get_mut(ended.destination)?;
        destination.lease_ended(ended.lane, report.due_ms());
        let event = destination.state.record_attempt(attempt, ended.path, now_ms, &tx.limits());
        effects.push(Ok(RecordEffect::Applied(breaker_change(tx, ended.destination, event)?)));
    }
    deltas.apply(tx)?;
    write_statuses(tx, &transitions)?;
    for destination in destinations.iter_mut() {
        destination.refresh_other_path(tx)?;
    }
    let ended: Vec<_> = held.iter().flatten().map(|ended| ended.destination).collect();
    destinations.save_and_wake_waiting(tx, &ended)?;
    Ok(effects)
}

fn breaker_change(
    tx: &mut Tx<'_>,
    destination: i64,
    event: Option<BreakerEvent>,
) -> Result<Option<BreakerChange>, Error> {
    let Some(event) = event else { return Ok(None) };
    Ok(Some(BreakerChange { event, n_waiting: waiting::count(tx, destination)? }))
}

/// Returns a webhook that was not sent to the queue, and deletes its attempt.
pub(crate) fn release(tx: &mut Tx<'_>, lease: &LeaseKey, due_ms: i64) -> Result<(), Error> {
    let due_reason = DueReason::LocalTrouble;
    let requeue = Requeue { due_ms, due_reason, n_deleted_attempts: 1, n_counted_attempts: 0 };
    end_unsent(tx, lease, LeaseEnd::Requeue(requeue), Dispatched.returned(tx.now_ms()))
}

/// Changes a webhook that was not sent to `failed`, and deletes its attempt.
pub(crate) fn abandon(tx: &mut Tx<'_>, lease: &LeaseKey, reason: FailureReason) -> Result<(), Error> {
    let failed = Dispatched.attempted(Disposition::Failed { reason }, tx.now_ms());
    end_unsent(tx, lease, LeaseEnd::Remove, failed)
}

/// Ends the lease on a webhook that was not sent, and deletes its attempt.
fn end_unsent(tx: &mut Tx<'_>, lease: &LeaseKey, end: LeaseEnd, transition: Transition) -> Result<(), Error> {
    let ended = end_leases(tx, &[(*lease, end)])?.remove(lease).ok_or(Error::LostLease)?;
    attempts::delete(tx, lease)?;
    apply_transition(tx, lease.seq, lease.account, transition)?;
    let mut destination = Destination::load(tx, ended.destination)?;
    destination.lease_ended(ended.lane, end.due_ms());
    destination.save_and_wake_waiting(tx)
}

/// Ends leases on webhooks. Returns the queue rows of the webhooks whose leases were held. The caller must
/// update and save their destinations.
fn end_leases(tx: &mut Tx<'_>, ends: &[(LeaseKey, LeaseEnd)]) -> Result<EndedLeases, Error> {
    let (mut removed, mut requeued) = (Vec::new(), Vec::new());
    for (lease, end) in ends {
        let key = Params::of(&lease.seq).and(&lease.fence);
        match end {
            LeaseEnd::Remove => removed.push(key),
            LeaseEnd::Requeue(requeue) => requeued.push(key.and(requeue)),
        }
    }
    let mut ended: Vec<EndedLease> = tx.query_all(&DEQUEUE_LEASED, &removed)?;
    ended.extend(tx.query_all::<EndedLease>(&REQUEUE, &requeued)?);
    Ok(EndedLeases(ended.into_iter().map(|ended| ((ended.seq, ended.fence), ended)).collect()))
}

/// The queue rows of the webhooks whose leases have ended, by their sequence numbers and fencing tokens.
struct EndedLeases(HashMap<(i64, i64), EndedLease>);

impl EndedLeases {
    fn remove(&mut self, lease: &LeaseKey) -> Option<EndedLease> {
        self.0.remove(&(lease.seq, lease.fence))
    }
}

impl Report {
    /// The due time of the next attempt, if there is one.
    fn due_ms(&self) -> Option<i64> {
        match self.disposition {
            Disposition::Retry { due_ms } => Some(due_ms),
            Disposition::Delivered | Disposition::Failed { .. } => None,
        }
    }
}

impl LeaseEnd {
    fn after(report: &Report, now_ms: i64) -> Self {
        match report.due_ms() {
            Some(due_ms) => Self::Requeue(Requeue::after(&report.attempt, due_ms, now_ms)),
            None => Self::Remove,
        }
    }

    /// The due time of a webhook that returns to the queue.
    fn due_ms(&self) -> Option<i64> {
        match self {
            Self::Remove => None,
            Self::Requeue(requeue) => Some(requeue.due_ms),
        }
    }
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
