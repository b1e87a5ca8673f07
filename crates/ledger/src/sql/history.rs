//! Looking at webhooks, and removing those that are old. Lists go by the two indexes of `webhooks` only.

use uuid::Uuid;

use super::counters::Delta;
use super::{Row, Tx, accounts, bulk, column, destinations, idempotency, params, statements};
use crate::destination::Pause;
use crate::error::Error;
use crate::history::{
    COUNT_LIMIT, Cursor, NextAttempt, PAGE_LIMIT, RecordedAttempt, WebhookPage, WebhookQuery, WebhookRecord,
};
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, Timings, WebhookStatus, Why};

statements! {
    KEYS = "SELECT created_ms, no FROM webhooks
            WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, no) < (?3, ?4)
            ORDER BY created_ms DESC, no DESC LIMIT ?5 OFFSET ?6";
    KEYS_BY_STATUS = "SELECT created_ms, no FROM webhooks
                      WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, no) < (?3, ?4) AND status = ?7
                      ORDER BY created_ms DESC, no DESC LIMIT ?5 OFFSET ?6";
    KEYS_BY_HOST = "SELECT created_ms, no FROM webhooks
                    WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, no) < (?3, ?4) AND status = ?7 AND host = ?8
                    ORDER BY created_ms DESC, no DESC LIMIT ?5 OFFSET ?6";
    COUNT = "SELECT COUNT(*) FROM (SELECT 1 FROM webhooks
                                   WHERE account = ?1 AND created_ms >= ?2 AND created_ms <= ?3
                                   LIMIT ?4) AS counted";
    COUNT_BY_STATUS = "SELECT COUNT(*) FROM (SELECT 1 FROM webhooks
                                             WHERE account = ?1 AND status = ?5
                                               AND created_ms >= ?2 AND created_ms <= ?3
                                             LIMIT ?4) AS counted";
    COUNT_BY_HOST = "SELECT COUNT(*) FROM (SELECT 1 FROM webhooks
                                           WHERE account = ?1 AND host = ?6 AND status = ?5
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
    let keys = keys(tx, &query)?;
    let is_full = keys.len() == query.limit.min(PAGE_LIMIT) as usize;
    let next =
        keys.last().filter(|_| is_full).map(|(created_ms, no)| Cursor { created_ms: *created_ms, no: *no });
    let webhooks = keys.into_iter().map(|(_, no)| record(tx, no)).collect::<Result<_, Error>>()?;
    Ok(WebhookPage { total, webhooks, next })
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
    bulk::forget(tx, before_ms, limit)?;
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
pub(super) type Key = (i64, i64);

/// Where in a list to go on: only what was accepted before this, or equally early under a smaller number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Before {
    pub(super) created_ms: i64,
    pub(super) no: i64,
}

impl Before {
    /// Where a query begins.
    pub(super) fn of(query: &WebhookQuery) -> Self {
        let end_ms = query.end_ms.unwrap_or(i64::MAX);
        let end = Self { created_ms: end_ms.saturating_add(1), no: i64::MIN };
        query.before.map_or(end, |cursor| end.min(Self { created_ms: cursor.created_ms, no: cursor.no }))
    }
}

/// The range of creation times a query asks for, both ends included.
fn range(query: &WebhookQuery) -> (i64, i64) {
    (query.start_ms.unwrap_or(i64::MIN), query.end_ms.unwrap_or(i64::MAX))
}

/// How many match, wherever the page begins. From the counters where only statuses are asked for; counted, up to a limit,
/// where a host or a time range is.
pub(crate) fn total(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<u64, Error> {
    let is_asked_for = |status| query.statuses.is_empty() || query.statuses.contains(&status);
    if query.start_ms.is_none() && query.end_ms.is_none() && query.host.is_none() {
        let counts = accounts::usage(tx, query.account)?.webhooks;
        return Ok(counts.iter().filter(|(status, _)| is_asked_for(*status)).map(|(_, n)| n).sum());
    }
    let (start_ms, end_ms) = range(query);
    if query.statuses.is_empty() && query.host.is_none() {
        return tx.query_one(&COUNT, params![query.account, start_ms, end_ms, COUNT_LIMIT], column);
    }
    let mut total = 0;
    for status in WebhookStatus::ALL.into_iter().filter(|status| is_asked_for(*status)) {
        let word = status.as_str();
        total += match &query.host {
            Some(host) => {
                let params = params![query.account, start_ms, end_ms, COUNT_LIMIT, word, host];
                tx.query_one(&COUNT_BY_HOST, params, column::<u64>)?
            }
            None => {
                let params = params![query.account, start_ms, end_ms, COUNT_LIMIT, word];
                tx.query_one(&COUNT_BY_STATUS, params, column::<u64>)?
            }
        };
    }
    Ok(total.min(COUNT_LIMIT))
}

/// The keys of a page. Each status is a range of an index; several are read side by side and merged, because
/// sorting all their matches would cost as much as there is history.
fn keys(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<Vec<Key>, Error> {
    let before = Before::of(query);
    let limit = u64::from(query.limit.min(PAGE_LIMIT));
    let statuses = match (&query.statuses[..], &query.host) {
        ([], None) => {
            let start_ms = range(query).0;
            let params = params![query.account, start_ms, before.created_ms, before.no, limit, query.offset];
            return tx.query(&KEYS, params, read_key);
        }
        ([status], _) => return keys_of_status(tx, query, *status, before, (limit, query.offset)),
        ([], Some(_)) => &WebhookStatus::ALL[..],
        (statuses, _) => statuses,
    };
    let n_needed = query.offset.saturating_add(limit);
    let mut keys = Vec::new();
    for status in statuses {
        keys.extend(keys_of_status(tx, query, *status, before, (n_needed, 0))?);
    }
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let n_skipped = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let n_taken = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(keys.into_iter().skip(n_skipped).take(n_taken).collect())
}

/// The keys of one status, whichever a query asks for: so many, after so many.
pub(super) fn keys_of_status(
    tx: &mut Tx<'_>,
    query: &WebhookQuery,
    status: WebhookStatus,
    before: Before,
    (limit, offset): (u64, u64),
) -> Result<Vec<Key>, Error> {
    let (start_ms, word) = (range(query).0, status.as_str());
    let Before { created_ms, no } = before;
    match &query.host {
        Some(host) => {
            let params = params![query.account, start_ms, created_ms, no, limit, offset, word, host];
            tx.query(&KEYS_BY_HOST, params, read_key)
        }
        None => {
            let params = params![query.account, start_ms, created_ms, no, limit, offset, word];
            tx.query(&KEYS_BY_STATUS, params, read_key)
        }
    }
}

fn read_key(row: &mut Row<'_>) -> Result<Key, Error> {
    Ok((row.take()?, row.take()?))
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
