//! Looking at webhooks, and removing those that are old. Lists go by the two indexes of `webhooks` only.

use uuid::Uuid;

use super::counters::Delta;
use super::{Row, Tx, accounts, column, destinations, idempotency, params, statements};
use crate::destination::Pause;
use crate::error::Error;
use crate::history::{
    COUNT_LIMIT, NextAttempt, PAGE_LIMIT, RecordedAttempt, WebhookPage, WebhookQuery, WebhookRecord,
};
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, Timings, WebhookStatus, Why};

statements! {
    KEYS = "SELECT created_ms, no FROM webhooks
            WHERE account = ?1 AND created_ms >= ?2 AND created_ms <= ?3
            ORDER BY created_ms DESC, no DESC LIMIT ?4 OFFSET ?5";
    KEYS_BY_STATUS = "SELECT created_ms, no FROM webhooks
                      WHERE account = ?1 AND status = ?6 AND created_ms >= ?2 AND created_ms <= ?3
                      ORDER BY created_ms DESC, no DESC LIMIT ?4 OFFSET ?5";
    COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM webhooks
                                   WHERE account = ?1 AND created_ms >= ?2 AND created_ms <= ?3
                                   LIMIT ?4) AS counted";
    COUNT_BY_STATUS = "SELECT COUNT(*) FROM (SELECT 1 FROM webhooks
                                             WHERE account = ?1 AND status = ?5
                                               AND created_ms >= ?2 AND created_ms <= ?3
                                             LIMIT ?4) AS counted";
    RECORD = "SELECT r.id, w.status, w.created_ms, w.scheduled_ms, w.dispatched_ms, w.delivered_ms, w.failed_ms,
                     w.failure, r.webhook_url, r.webhook_delay_ms, p.payload,
                     CASE WHEN q.lease_until_ms IS NULL THEN q.due_ms END, q.why, d.paused_until_ms, d.pause
              FROM webhooks w
              JOIN requests r ON r.no = w.no
              LEFT JOIN payloads p ON p.no = w.no
              LEFT JOIN webhook_queue q ON q.no = w.no
              LEFT JOIN destinations d ON d.no = q.destination
              WHERE w.no = ?1";
    NUMBER = "SELECT no FROM requests WHERE id = ?1 AND account = ?2";
    ATTEMPTS = "SELECT number, started_ms, duration_ms, outcome, status, address, dns_ms, connect_ms, tls_ms,
                       first_byte_ms, response, retry_after_ms
                FROM attempts WHERE no = ?1 AND outcome IS NOT NULL ORDER BY number";
    OLD = "SELECT no FROM webhooks WHERE account = ?1 AND status = ?2 AND created_ms < ?3
           ORDER BY created_ms LIMIT ?4";
    REMOVE_ATTEMPTS = "DELETE FROM attempts WHERE no = ?1";
    REMOVE_PAYLOAD = "DELETE FROM payloads WHERE no = ?1";
    REMOVE_WEBHOOK = "DELETE FROM webhooks WHERE no = ?1";
    REMOVE_REQUEST = "DELETE FROM requests WHERE no = ?1";
}

pub(crate) fn page(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<WebhookPage, Error> {
    let mut query = query.clone();
    query.statuses.sort_unstable();
    query.statuses.dedup();
    let total = total(tx, &query)?;
    let webhooks =
        keys(tx, &query)?.into_iter().map(|(_, no)| record(tx, no)).collect::<Result<_, Error>>()?;
    Ok(WebhookPage { total, webhooks })
}

pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, id: Uuid) -> Result<Option<WebhookRecord>, Error> {
    let Some(no) = tx.query_optional(&NUMBER, params![id, account], column)? else { return Ok(None) };
    let attempts = tx.query(&ATTEMPTS, params![no], read_attempt)?;
    Ok(Some(WebhookRecord { attempts, ..record(tx, no)? }))
}

/// Only ended webhooks go: an unfinished one is never too old to be owed.
pub(crate) fn sweep(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<u64, Error> {
    let mut n_left = u64::from(limit);
    destinations::forget_idle(tx, limit)?;
    idempotency::forget(tx, limit)?;
    for account in accounts::ids(tx)? {
        for status in [WebhookStatus::Delivered, WebhookStatus::Failed] {
            let old = tx.query(&OLD, params![account, status.as_str(), before_ms, n_left], column::<i64>)?;
            for no in &old {
                for statement in [&REMOVE_ATTEMPTS, &REMOVE_PAYLOAD, &REMOVE_WEBHOOK, &REMOVE_REQUEST] {
                    tx.execute(statement, params![*no])?;
                }
            }
            if let Ok(n_old @ 1..) = i64::try_from(old.len()) {
                Delta::default().with(status, -n_old).apply(tx, account)?;
            }
            n_left -= old.len() as u64;
        }
    }
    Ok(u64::from(limit) - n_left)
}

/// Where in a list a webhook stands: the time it was created, then its number.
type Key = (i64, i64);

/// The range of creation times a query asks for, both ends included.
fn range(query: &WebhookQuery) -> (i64, i64) {
    (query.start_ms.unwrap_or(i64::MIN), query.end_ms.unwrap_or(i64::MAX))
}

/// From the counters where only statuses are asked for; counted, up to a limit, where a time range is.
fn total(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<u64, Error> {
    let is_asked_for = |status| query.statuses.is_empty() || query.statuses.contains(&status);
    if query.start_ms.is_none() && query.end_ms.is_none() {
        let counts = accounts::usage(tx, query.account)?.webhooks;
        return Ok(counts.iter().filter(|(status, _)| is_asked_for(*status)).map(|(_, n)| n).sum());
    }
    let (start_ms, end_ms) = range(query);
    if query.statuses.is_empty() {
        return tx.query_one(&COUNT, params![query.account, start_ms, end_ms, COUNT_LIMIT], column);
    }
    let mut total = 0;
    for status in &query.statuses {
        let params = params![query.account, start_ms, end_ms, COUNT_LIMIT, status.as_str()];
        total += tx.query_one(&COUNT_BY_STATUS, params, column::<u64>)?;
    }
    Ok(total.min(COUNT_LIMIT))
}

/// The keys of a page. Each status is a range of an index; several are read side by side and merged, because
/// sorting all their matches would cost as much as there is history.
fn keys(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<Vec<Key>, Error> {
    let (start_ms, end_ms) = range(query);
    let limit = u64::from(query.limit.min(PAGE_LIMIT));
    let read = |row: &mut Row<'_>| -> Result<Key, Error> { Ok((row.take()?, row.take()?)) };
    match &query.statuses[..] {
        [] => tx.query(&KEYS, params![query.account, start_ms, end_ms, limit, query.offset], read),
        [status] => tx.query(
            &KEYS_BY_STATUS,
            params![query.account, start_ms, end_ms, limit, query.offset, status.as_str()],
            read,
        ),
        statuses => {
            let n_needed = query.offset.saturating_add(limit);
            let mut keys = Vec::new();
            for status in statuses {
                let params = params![query.account, start_ms, end_ms, n_needed, 0_i64, status.as_str()];
                keys.extend(tx.query(&KEYS_BY_STATUS, params, read)?);
            }
            keys.sort_unstable_by(|a, b| b.cmp(a));
            let n_skipped = usize::try_from(query.offset).unwrap_or(usize::MAX);
            let n_taken = usize::try_from(limit).unwrap_or(usize::MAX);
            Ok(keys.into_iter().skip(n_skipped).take(n_taken).collect())
        }
    }
}

fn record(tx: &mut Tx<'_>, no: i64) -> Result<WebhookRecord, Error> {
    tx.query_one(&RECORD, params![no], |row| {
        Ok(WebhookRecord {
            id: row.take()?,
            status: row.take_word()?,
            created_ms: row.take()?,
            scheduled_ms: row.take()?,
            dispatched_ms: row.take()?,
            delivered_ms: row.take()?,
            failed_ms: row.take()?,
            failure: row.take()?,
            url: row.take()?,
            delay_ms: row.take()?,
            payload: row.take()?,
            next: read_next(row)?,
            attempts: Vec::new(),
        })
    })
}

/// While a destination is paused, the end of the pause is when something can happen.
fn read_next(row: &mut Row<'_>) -> Result<Option<NextAttempt>, Error> {
    let (due_ms, why) = (row.take::<Option<i64>>()?, row.take_optional_word::<Why>()?);
    let (paused_until_ms, pause) = (row.take::<Option<i64>>()?, row.take_optional_word::<Pause>()?);
    let (Some(due_ms), Some(why)) = (due_ms, why) else { return Ok(None) };
    let next = match (paused_until_ms, pause) {
        (Some(until_ms), Some(Pause::Breaker)) if until_ms > due_ms => (until_ms, Why::Breaker),
        (Some(until_ms), Some(Pause::RetryAfter)) if until_ms > due_ms => (until_ms, Why::RetryAfter),
        _ => (due_ms, why),
    };
    Ok(Some(NextAttempt { due_ms: next.0, why: next.1 }))
}

fn read_attempt(row: &mut Row<'_>) -> Result<RecordedAttempt, Error> {
    Ok(RecordedAttempt {
        number: row.take()?,
        attempt: Attempt {
            started_ms: row.take()?,
            duration_ms: row.take()?,
            outcome: row.take_word()?,
            status: row.take()?,
            address: row.take()?,
            timings: Timings {
                dns_ms: row.take()?,
                connect_ms: row.take()?,
                tls_ms: row.take()?,
                first_byte_ms: row.take()?,
            },
            response: row.take()?,
            retry_after_ms: row.take()?,
        },
    })
}
