//! Ends the leases on webhooks: records attempts, and returns webhooks that were not sent to the queue.

use std::collections::HashMap;

use super::counters::{Delta, Deltas};
use super::destinations::{Destination, Destinations};
use super::webhooks::{apply_transition, write_statuses};
use super::{Params, Tx, attempts, columns, statements, waiting};
use crate::destination::{BreakerChange, BreakerEvent, Lane};
use crate::error::Error;
use crate::lease::LeaseKey;
use crate::model::webhook::{Attempt, Disposition, DueReason, FailureReason, Outcome};
use crate::state::{Dispatched, Transition};

columns! { EndedLease as ended_columns, read { seq, fence, destination, lane, path } }
columns! {
    Requeue as requeue_columns, write {
        due_ms = "new_due_ms", due_reason = "new_due_reason", n_deleted_attempts = "n_deleted",
        n_counted_attempts = "n_counted"
    }
}
statements! {
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
