//! The SQL operations that accept requests, and the queue of the jobs that process the requests.

use bytes::Bytes;
use uuid::Uuid;

use super::counters::Delta;
use super::row::FromRow;
use super::{Params, Row, Tx, columns, headers, params, results, statements, webhooks};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::{Lease, ReleaseReason};
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::request::{InputRef, Job, JobOutcome, NewRequest, StoredContent};
use crate::model::webhook::WebhookStatus;
use crate::state::Created;

columns! {
    RequestRow<'_> as request_columns, write {
        id, account, created_ms, input_key, input_name, input_bytes, webhook_delay_ms, webhook_expires_ms,
        webhook_retry, webhook_authority, webhook_url, webhook_headers, spec
    }
}
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
    ADD_REQUEST = concat!("INSERT INTO requests ", request_columns!(insert), " RETURNING seq");
    ADD_JOB = "INSERT INTO jobs (seq, account, due_ms, fence, n_crashes) VALUES (?1, ?2, ?3, 0, 0)";
    CLAIM = concat!(
        "UPDATE jobs SET fence = fence + 1, lease_until_ms = ?1
         WHERE seq IN (SELECT seq FROM jobs
                       WHERE lease_until_ms IS NULL AND due_ms <= ?2
                       ORDER BY due_ms, seq LIMIT ?3)
         RETURNING ", claimed_columns!()
    );
    ADD_INPUT = "INSERT INTO inputs (seq, content) VALUES (?1, ?2)";
    DELETE_INPUT = "DELETE FROM inputs WHERE seq = ?1";
    JOB = concat!(
        "SELECT ", job_columns!(), " FROM requests r LEFT JOIN inputs i ON i.seq = r.seq WHERE r.seq = ?1"
    );
    /// This statement ends the leases that have run out. The jobs of these leases are due from now on, like
    /// new jobs.
    REAP = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?2, n_crashes = n_crashes + 1
            WHERE lease_until_ms <= ?1";
    NEXT_DUE = "SELECT due_ms FROM jobs WHERE lease_until_ms IS NULL ORDER BY due_ms LIMIT 1";
    NEXT_LEASE_END = "SELECT lease_until_ms FROM jobs WHERE lease_until_ms IS NOT NULL
                      ORDER BY lease_until_ms LIMIT 1";
    RENEW = "UPDATE jobs SET lease_until_ms = ?3
             WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    DELETE_LEASED = "DELETE FROM jobs WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    RELEASE = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?3, n_crashes = n_crashes + ?4
               WHERE seq = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    REPLACE_SPEC = "UPDATE requests SET spec = ?2 WHERE seq = ?1";
    UNFINISHED = "SELECT r.id FROM requests r JOIN jobs j ON j.seq = r.seq WHERE r.id = ?1";
}

/// The row of an accepted request.
struct RequestRow<'a> {
    id: Uuid,
    account: AccountId,
    created_ms: i64,
    input_key: Option<&'a String>,
    input_name: Option<&'a String>,
    input_bytes: Option<u64>,
    webhook_delay_ms: i64,
    webhook_expires_ms: Option<i64>,
    webhook_retry: bool,
    webhook_authority: &'a Authority,
    webhook_url: &'a String,
    webhook_headers: String,
    spec: &'a String,
}

/// The queue row of a job that was just leased.
struct ClaimedRow {
    due_ms: i64,
    seq: i64,
    fence: i64,
    n_crashes: u32,
}

/// Inserts a request with its job and its webhook.
pub(crate) fn accept(tx: &mut Tx<'_>, request: &NewRequest) -> Result<(), Error> {
    let (account, now_ms) = (request.account, tx.now_ms());
    Delta::default().with(WebhookStatus::Created, 1).apply(tx, account)?;
    let row = RequestRow::new(request, now_ms);
    let seq: i64 = tx.query_one(&ADD_REQUEST, Params::of(&row).as_slice())?;
    if let Some(StoredContent::Inline(bytes)) = request.input.content() {
        tx.execute(&ADD_INPUT, params![seq, bytes])?;
    }
    tx.execute(&ADD_JOB, params![seq, account, now_ms])?;
    webhooks::create(tx, seq, account, &request.webhook.authority)?;
    tx.update_due_time(Queue::Jobs, DueUpdate::WorkDueAt(now_ms));
    Ok(())
}

/// Takes leases on up to `limit` due jobs, longest due first.
pub(crate) fn claim(tx: &mut Tx<'_>, limit: u32, lease_ms: i64) -> Result<Vec<Lease<Job>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms)?;
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut claimed: Vec<ClaimedRow> = tx.query(&CLAIM, params![until_ms, now_ms, limit])?;
    // The rows are sorted in the program, because the order in which `RETURNING` yields rows is undefined.
    claimed.sort_unstable_by_key(|row| (row.due_ms, row.seq));
    let leases = claimed.into_iter().map(|row| lease(tx, &row, until_ms)).collect::<Result<_, Error>>()?;
    update_due_time(tx)?;
    Ok(leases)
}

/// Ends each lease on a job that ends at `until_ms` or earlier: returns the job to the queue, and counts one
/// crash of the job. Returns the number of these jobs.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let n_reaped = tx.execute(&REAP, params![until_ms, now_ms])?;
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

/// Ends a leased job: stores the result and the usage of the job, replaces the stored request by the request
/// without secrets, and schedules the webhook.
pub(crate) fn finish(tx: &mut Tx<'_>, lease: &Lease<Job>, outcome: &JobOutcome) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute_leased(&DELETE_LEASED, params![lease.seq, lease.fence])?;
    if let Some(StoredContent::Inline(_)) = lease.value.input.content() {
        delete_input(tx, lease.seq)?;
    }
    outcome.result.as_ref().map_or(Ok(()), |result| results::add(tx, result))?;
    if let Some(spec) = &outcome.redacted_spec {
        tx.execute(&REPLACE_SPEC, params![lease.seq, spec])?;
    }
    let processed = Created.processed(now_ms);
    let delta = Delta::default().with_usage(outcome.usage).with_transition(&processed);
    delta.apply(tx, lease.value.account)?;
    webhooks::write_status(tx, lease.seq, processed)?;
    webhooks::schedule_first(tx, lease.seq, &outcome.payload)
}

/// Deletes the bytes of a request's upload, if the ledger stores these bytes.
pub(super) fn delete_input(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    tx.execute(&DELETE_INPUT, params![seq])?;
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

/// Builds the lease of a claimed job, with the data of its request.
fn lease(tx: &mut Tx<'_>, row: &ClaimedRow, until_ms: i64) -> Result<Lease<Job>, Error> {
    let n_crashes = row.n_crashes;
    let value = Job { n_crashes, ..tx.query_one(&JOB, params![row.seq])? };
    Ok(Lease { value, fence: row.fence, until_ms, attempt: n_crashes + 1, seq: row.seq })
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

impl<'a> RequestRow<'a> {
    fn new(request: &'a NewRequest, created_ms: i64) -> Self {
        let webhook = &request.webhook;
        let (input_key, input_name, input_bytes) = match &request.input {
            InputRef::Url => (None, None, None),
            InputRef::Upload { content, name, bytes } => (content.file_key(), Some(name), Some(*bytes)),
        };
        Self {
            id: request.id,
            account: request.account,
            created_ms,
            input_key,
            input_name,
            input_bytes,
            webhook_delay_ms: webhook.delay_ms,
            webhook_expires_ms: webhook.expires_ms,
            webhook_retry: webhook.retry,
            webhook_authority: &webhook.authority,
            webhook_url: &webhook.url,
            webhook_headers: headers::encode(&webhook.headers),
            spec: &request.spec,
        }
    }
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
