//! The SQL operations that accept requests, and the queue of the jobs that process the requests.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use uuid::Uuid;

use super::counters::{Delta, Deltas};
use super::row::FromRow;
use super::{Params, Row, Tx, columns, params, results, statements, webhooks};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::{Lease, ReleaseReason};
use crate::model::account::AccountId;
use crate::model::request::{InputRef, Job, JobOutcome, StoredContent};
use crate::state::Created;

columns! {
    input_columns {
        name = "r.input_name", bytes = "r.input_bytes", key = "r.input_key", content = "i.content"
    }
}
columns! {
    Job as job_columns, read {
        id = "r.id", account = "r.account", created_ms = "r.created_ms", input: input_columns,
        spec = "r.spec";
        n_crashes = 0
    }
}
columns! { ClaimedRow as claimed_columns, read { due_ms, seq, fence, n_crashes } }

statements! {
    DUE = "SELECT seq FROM jobs WHERE lease_until_ms IS NULL AND due_ms <= ?1
           ORDER BY due_ms, seq LIMIT ?2";
    LEASE["of_seq, until_ms, new_owner"] = concat!(
        "UPDATE jobs SET fence = fence + 1, lease_until_ms = v.until_ms, owner = v.new_owner
         FROM {rows} WHERE seq = v.of_seq RETURNING ", claimed_columns!()
    );
    DELETE_INPUT["of_seq"] = "DELETE FROM inputs USING {rows} WHERE seq = v.of_seq";
    JOB["of_seq"] = concat!(
        "SELECT r.seq, ", job_columns!(), "
         FROM {rows}, requests r LEFT JOIN inputs i ON i.seq = r.seq WHERE r.seq = v.of_seq"
    );
    /// This statement ends the leases that have run out. The jobs of these leases are due from now on, like
    /// new jobs.
    REAP = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?2, n_crashes = n_crashes + 1
            WHERE lease_until_ms <= ?1 AND (owner = ?3 OR ?3 IS NULL)";
    NEXT_DUE = "SELECT due_ms FROM jobs WHERE lease_until_ms IS NULL ORDER BY due_ms LIMIT 1";
    NEXT_LEASE_END = "SELECT lease_until_ms FROM jobs WHERE lease_until_ms IS NOT NULL
                      ORDER BY lease_until_ms LIMIT 1";
    RENEW = "UPDATE jobs SET lease_until_ms = ?3
             WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    DELETE_LEASED["of_seq, of_fence"] =
        "DELETE FROM jobs USING {rows}
         WHERE seq = v.of_seq AND fence = v.of_fence AND lease_until_ms IS NOT NULL RETURNING seq, fence";
    RELEASE = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?3, n_crashes = n_crashes + ?4
               WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    REPLACE_SPEC["of_seq, new_spec"] =
        "UPDATE requests SET spec = v.new_spec FROM {rows} WHERE seq = v.of_seq";
    UNFINISHED = "SELECT r.id FROM requests r JOIN jobs j ON j.seq = r.seq WHERE r.id = ?1";
}

/// The queue row of a job that was just leased.
struct ClaimedRow {
    due_ms: i64,
    seq: i64,
    fence: i64,
    n_crashes: u32,
}

/// Takes leases on up to `limit` due jobs, longest due first.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    owner: Option<i64>,
    limit: u32,
    lease_ms: i64,
) -> Result<Vec<Lease<Job>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms, None)?;
    let until_ms = now_ms.saturating_add(lease_ms);
    let due: Vec<i64> = tx.query(&DUE, params![now_ms, limit])?;
    let rows: Vec<_> = due.iter().map(|seq| Params::of(seq).and(&until_ms).and(&owner)).collect();
    let mut claimed: Vec<ClaimedRow> = tx.query_all(&LEASE, &rows)?;
    // The rows are sorted in the program, because the order in which `RETURNING` yields rows is undefined.
    claimed.sort_unstable_by_key(|row| (row.due_ms, row.seq));
    let rows: Vec<_> = claimed.iter().map(|row| Params::of(&row.seq)).collect();
    let mut jobs: HashMap<i64, Job> = tx.query_all::<(i64, Job)>(&JOB, &rows)?.into_iter().collect();
    let mut leases = Vec::with_capacity(claimed.len());
    for ClaimedRow { seq, fence, n_crashes, .. } in claimed {
        let job = jobs.remove(&seq).ok_or_else(|| Error::Corrupt(format!("job {seq} has no request")))?;
        let value = Job { n_crashes, ..job };
        leases.push(Lease { value, fence, until_ms, attempt: n_crashes + 1, seq });
    }
    update_due_time(tx)?;
    Ok(leases)
}

/// Ends each lease on a job that ends at `until_ms` or earlier: returns the job to the queue, and counts one
/// crash of the job. With an `owner`, only the leases of this node end. Returns the number of these jobs.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64, owner: Option<i64>) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let n_reaped = tx.execute(&REAP, params![until_ms, now_ms, owner])?;
    if n_reaped > 0 {
        tx.update_due_time(Queue::Jobs, DueUpdate::WorkDueAt(now_ms));
    }
    Ok(n_reaped)
}

/// Extends a lease to `lease_ms` from now. Returns the new end time of the lease.
pub(crate) fn renew(tx: &mut Tx<'_>, seq: i64, fence: i64, lease_ms: i64) -> Result<i64, Error> {
    let until_ms = tx.now_ms().saturating_add(lease_ms);
    tx.execute_leased(&RENEW, params![seq, fence, until_ms])?;
    Ok(until_ms)
}

/// A leased job that has ended, with its outcome.
#[derive(Debug)]
pub(crate) struct FinishedJob {
    pub(crate) seq: i64,
    pub(crate) fence: i64,
    pub(crate) account: AccountId,
    /// Whether the ledger stores the bytes of the upload.
    pub(crate) has_stored_input: bool,
    pub(crate) outcome: JobOutcome,
}

impl FinishedJob {
    pub(crate) fn new(lease: &Lease<Job>, outcome: JobOutcome) -> Self {
        let has_stored_input = matches!(lease.value.input.content(), Some(StoredContent::Inline(_)));
        Self { seq: lease.seq, fence: lease.fence, account: lease.value.account, has_stored_input, outcome }
    }
}

/// Ends leased jobs: stores the results and the usage of the jobs, replaces the stored requests by the requests
/// without secrets, and schedules the webhooks. Returns one answer for each job: nothing is stored for a job
/// whose lease was lost.
pub(crate) fn finish(tx: &mut Tx<'_>, jobs: &[FinishedJob]) -> Result<Vec<Result<(), Error>>, Error> {
    let now_ms = tx.now_ms();
    let keys: Vec<_> = jobs.iter().map(|job| Params::of(&job.seq).and(&job.fence)).collect();
    let mut held: HashSet<(i64, i64)> = tx.query_all(&DELETE_LEASED, &keys)?.into_iter().collect();
    let is_held: Vec<_> = jobs.iter().map(|job| held.remove(&(job.seq, job.fence))).collect();
    let held: Vec<_> =
        jobs.iter().zip(&is_held).filter(|(_, is_held)| **is_held).map(|(job, _)| job).collect();
    let (mut inputs, mut specs, mut transitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut deltas = Deltas::default();
    for FinishedJob { seq, account, has_stored_input, outcome, .. } in &held {
        if *has_stored_input {
            inputs.push(Params::of(seq));
        }
        specs.extend(outcome.redacted_spec.as_ref().map(|spec| Params::of(seq).and(spec)));
        let processed = Created.processed(now_ms);
        deltas.add(*account, Delta::default().with_usage(outcome.usage).with_transition(&processed));
        transitions.push((*seq, processed));
    }
    tx.execute_all(&DELETE_INPUT, &inputs)?;
    results::add(tx, held.iter().filter_map(|job| job.outcome.result.as_ref()))?;
    tx.execute_each(&REPLACE_SPEC, &specs)?;
    deltas.apply(tx)?;
    webhooks::write_statuses(tx, &transitions)?;
    let payloads: Vec<_> = held.iter().map(|job| (job.seq, &job.outcome.payload)).collect();
    webhooks::schedule_first(tx, &payloads)?;
    Ok(is_held.into_iter().map(|is_held| if is_held { Ok(()) } else { Err(Error::LostLease) }).collect())
}

/// Deletes the bytes of a request's upload, if the ledger stores these bytes.
pub(super) fn delete_input(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    tx.execute_all(&DELETE_INPUT, &[Params::of(&seq)])?;
    Ok(())
}

/// Returns a leased, unfinished job to the queue.
pub(crate) fn release(tx: &mut Tx<'_>, seq: i64, fence: i64, reason: ReleaseReason) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let (due_ms, n_crashes) = match reason {
        ReleaseReason::Stopped => (now_ms, 0_i64),
        ReleaseReason::Crashed => (now_ms, 1),
        ReleaseReason::Postponed { delay_ms } => (now_ms.saturating_add(delay_ms), 0),
    };
    tx.execute_leased(&RELEASE, params![seq, fence, due_ms, n_crashes])?;
    tx.update_due_time(Queue::Jobs, DueUpdate::WorkDueAt(due_ms));
    Ok(())
}

/// Returns the elements of `ids` whose requests still have a job.
pub(crate) fn unfinished(tx: &mut Tx<'_>, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    let mut unfinished = Vec::new();
    for id in ids {
        unfinished.extend(tx.query_optional::<Uuid>(&UNFINISHED, params![id])?);
    }
    Ok(unfinished)
}

/// Updates the earliest due time of the queue of jobs: the earliest time at which a job is due or a lease
/// ends.
fn update_due_time(tx: &mut Tx<'_>) -> Result<(), Error> {
    let due_ms: Option<i64> = tx.query_optional(&NEXT_DUE, params![])?;
    let lease_end_ms = tx.query_optional(&NEXT_LEASE_END, params![])?;
    let earliest_ms = [due_ms, lease_end_ms].into_iter().flatten().min();
    tx.update_due_time(Queue::Jobs, DueUpdate::Earliest(earliest_ms));
    Ok(())
}

impl FromRow for InputRef {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let (name, bytes): (Option<String>, Option<u64>) = row.take()?;
        let (key, content): (Option<String>, Option<Bytes>) = row.take()?;
        match (name, bytes) {
            (None, None) => Ok(Self::Url),
            (Some(name), Some(bytes)) => {
                Ok(Self::Upload { content: StoredContent::from_columns(key, content)?, name, bytes })
            }
            _ => Err(Error::Corrupt("a request has half an input".to_owned())),
        }
    }
}
