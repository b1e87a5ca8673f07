//! Accepting requests, and the queue of those to be processed.

use uuid::Uuid;

use super::counters::Delta;
use super::{Row, Tx, column, headers, params, results, statements, webhooks};
use crate::destination::Fairness;
use crate::error::Error;
use crate::lease::{Lease, Release};
use crate::model::request::{Content, InputRef, Job, JobDone, NewRequest};
use crate::model::webhook::WebhookStatus;
use crate::state::Created;
use crate::wake::{Queue, Wake};

statements! {
    ADD_REQUEST = "INSERT INTO requests (id, account, created_ms, input_key, input_name, input_bytes,
                                         webhook_delay_ms, webhook_expires_ms, webhook_retry, webhook_authority,
                                         webhook_url, webhook_headers, spec)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                   RETURNING no";
    ADD_JOB = "INSERT INTO jobs (no, account, due_ms, fence, n_crashes) VALUES (?1, ?2, ?3, 0, 0)";
    CLAIM = "UPDATE jobs SET fence = fence + 1, lease_until_ms = ?1
             WHERE no IN (SELECT no FROM jobs
                          WHERE lease_until_ms IS NULL AND due_ms <= ?2
                          ORDER BY due_ms, no LIMIT ?3 {skip_locked})
             RETURNING due_ms, no, fence, n_crashes";
    ADD_INPUT = "INSERT INTO inputs (no, content) VALUES (?1, ?2)";
    REMOVE_INPUT = "DELETE FROM inputs WHERE no = ?1";
    JOB = "SELECT r.id, r.account, r.created_ms, r.input_name, r.input_bytes, r.input_key, i.content, r.spec
           FROM requests r LEFT JOIN inputs i ON i.no = r.no WHERE r.no = ?1";
    /// Whose lease ran out. Both the queue's own order and the next claim see them as newly due.
    REAP = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?2, n_crashes = n_crashes + 1
            WHERE lease_until_ms <= ?1";
    NEXT_DUE = "SELECT due_ms FROM jobs WHERE lease_until_ms IS NULL ORDER BY due_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT lease_until_ms FROM jobs WHERE lease_until_ms IS NOT NULL
                   ORDER BY lease_until_ms LIMIT 1";
    RENEW = "UPDATE jobs SET lease_until_ms = ?3 WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    END = "DELETE FROM jobs WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    RELEASE = "UPDATE jobs SET lease_until_ms = NULL, due_ms = ?3, n_crashes = n_crashes + ?4
               WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL";
    UNFINISHED = "SELECT r.id FROM requests r JOIN jobs j ON j.no = r.no WHERE r.id = ?1";
}

pub(crate) fn accept(tx: &mut Tx<'_>, request: &NewRequest) -> Result<(), Error> {
    let (account, now_ms) = (request.account, tx.now_ms());
    Delta::default().with(WebhookStatus::Created, 1).apply(tx, account)?;
    let no = add_request(tx, request)?;
    if let Some(Content::Inline(bytes)) = request.input.content() {
        tx.execute(&ADD_INPUT, params![no, bytes])?;
    }
    tx.execute(&ADD_JOB, params![no, account, now_ms])?;
    webhooks::create(tx, no, account, &request.webhook.authority)?;
    tx.wake(Queue::Jobs, Wake::At(now_ms));
    Ok(())
}

pub(crate) fn claim(tx: &mut Tx<'_>, limit: u32, lease_ms: i64) -> Result<Vec<Lease<Job>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms)?;
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut claimed = tx.query(&CLAIM, params![until_ms, now_ms, limit], |row| {
        Ok(Claimed { due_ms: row.take()?, no: row.take()?, fence: row.take()?, n_crashes: row.take()? })
    })?;
    // A database returns what it changed in any order.
    claimed.sort_unstable_by_key(|job| (job.due_ms, job.no));
    let leases = claimed.into_iter().map(|job| lease(tx, &job, until_ms)).collect::<Result<_, Error>>()?;
    note_earliest(tx)?;
    Ok(leases)
}

/// Takes back every job whose lease ended by `until_ms`; the try counts. Returns how many.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let n_reaped = tx.execute(&REAP, params![until_ms, now_ms])?;
    if n_reaped > 0 {
        tx.wake(Queue::Jobs, Wake::At(now_ms));
    }
    Ok(n_reaped)
}

/// Returns the new end of the lease.
pub(crate) fn renew(tx: &mut Tx<'_>, no: i64, fence: i64, lease_ms: i64) -> Result<i64, Error> {
    let until_ms = tx.now_ms().saturating_add(lease_ms);
    tx.execute_held(&RENEW, params![no, fence, until_ms])?;
    Ok(until_ms)
}

pub(crate) fn finish(
    tx: &mut Tx<'_>,
    lease: &Lease<Job>,
    done: &JobDone,
    fairness: &Fairness,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute_held(&END, params![lease.no, lease.fence])?;
    if let Some(Content::Inline(_)) = lease.value.input.content() {
        remove_input(tx, lease.no)?;
    }
    done.result.as_ref().map_or(Ok(()), |result| results::add(tx, result))?;
    let processed = Created.processed(now_ms);
    Delta::default().with_usage(done.usage).with_step(&processed).apply(tx, lease.value.account)?;
    webhooks::enter(tx, lease.no, processed)?;
    webhooks::schedule_first(tx, lease.no, &done.payload, fairness)
}

/// Removes the upload of a request whose job has ended, if it stands in the ledger.
pub(super) fn remove_input(tx: &mut Tx<'_>, no: i64) -> Result<(), Error> {
    tx.execute(&REMOVE_INPUT, params![no])?;
    Ok(())
}

pub(crate) fn release(tx: &mut Tx<'_>, no: i64, fence: i64, why: Release) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let (due_ms, n_crashes) = match why {
        Release::Stopped => (now_ms, 0_i64),
        Release::Crashed => (now_ms, 1),
        Release::Later { after_ms } => (now_ms.saturating_add(after_ms), 0),
    };
    tx.execute_held(&RELEASE, params![no, fence, due_ms, n_crashes])?;
    tx.wake(Queue::Jobs, Wake::At(due_ms));
    Ok(())
}

pub(crate) fn unfinished(tx: &mut Tx<'_>, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    let mut unfinished = Vec::new();
    for id in ids {
        unfinished.extend(tx.query_optional(&UNFINISHED, params![*id], column::<Uuid>)?);
    }
    Ok(unfinished)
}

/// What a claim knows of a job before it has read its request.
struct Claimed {
    due_ms: i64,
    no: i64,
    fence: i64,
    n_crashes: u32,
}

fn add_request(tx: &mut Tx<'_>, request: &NewRequest) -> Result<i64, Error> {
    let now_ms = tx.now_ms();
    let webhook = &request.webhook;
    let (key, name, bytes) = match &request.input {
        InputRef::Url => (None, None, None),
        InputRef::Upload { content, name, bytes } => (content.columns().0, Some(name), Some(*bytes)),
    };
    tx.query_one(
        &ADD_REQUEST,
        params![
            request.id,
            request.account,
            now_ms,
            key,
            name,
            bytes,
            webhook.delay_ms,
            webhook.expires_ms,
            webhook.retry,
            &webhook.authority,
            &webhook.url,
            &headers::encode(&webhook.headers),
            &request.spec
        ],
        column,
    )
}

fn lease(tx: &mut Tx<'_>, claimed: &Claimed, until_ms: i64) -> Result<Lease<Job>, Error> {
    let n_crashes = claimed.n_crashes;
    let value = tx.query_one(&JOB, params![claimed.no], |row| {
        Ok(Job {
            id: row.take()?,
            account: row.take()?,
            created_ms: row.take()?,
            input: read_input(row)?,
            spec: row.take()?,
            n_crashes,
        })
    })?;
    Ok(Lease { value, fence: claimed.fence, until_ms, attempt: n_crashes + 1, no: claimed.no })
}

fn read_input(row: &mut Row<'_>) -> Result<InputRef, Error> {
    let (name, bytes, key, content) = (row.take()?, row.take()?, row.take()?, row.take()?);
    match (name, bytes) {
        (None, None) => Ok(InputRef::Url),
        (Some(name), Some(bytes)) => {
            Ok(InputRef::Upload { content: Content::read(key, content)?, name, bytes })
        }
        _ => Err(Error::Corrupt("a request has half an input".to_owned())),
    }
}

/// Tells the waiters what is due first: the end of a lease makes work due as well.
fn note_earliest(tx: &mut Tx<'_>) -> Result<(), Error> {
    let due_ms = tx.query_optional(&NEXT_DUE, params![], column)?;
    let expiry_ms = tx.query_optional(&NEXT_EXPIRY, params![], column)?;
    let earliest_ms: Option<i64> = [due_ms, expiry_ms].into_iter().flatten().min();
    tx.wake(Queue::Jobs, Wake::Earliest(earliest_ms));
    Ok(())
}
