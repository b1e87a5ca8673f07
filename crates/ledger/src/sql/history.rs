//! Reads the history of webhooks, and deletes old webhooks. Every list is read through one of three indexes
//! of the table `webhooks`: the index by time, by status, or by host.

use uuid::Uuid;

use super::counters::Delta;
use super::row::FromRow;
use super::{
    Row, Tx, accounts, attempts, bulk, columns, idempotency, params, ready_destinations, statements,
};
use crate::destination::PauseReason;
use crate::error::Error;
use crate::history::{
    Cursor, MAX_COUNTED, MAX_PAGE_LEN, NextAttempt, WebhookPage, WebhookQuery, WebhookRecord,
};
use crate::model::account::AccountId;
use crate::model::webhook::{DueReason, WebhookStatus};

columns! { next_attempt_columns {
    due_ms = "CASE WHEN q.lease_until_ms IS NULL THEN q.due_ms END", due_reason = "q.due_reason",
    paused_until_ms = "d.paused_until_ms", pause = "d.pause"
} }
columns! {
    WebhookRecord as record_columns, read {
        id = "r.id", status = "w.status", created_ms = "w.created_ms", scheduled_ms = "w.scheduled_ms",
        dispatched_ms = "w.dispatched_ms", delivered_ms = "w.delivered_ms", failed_ms = "w.failed_ms",
        failure = "w.failure", url = "r.webhook_url", delay_ms = "r.webhook_delay_ms", payload = "p.payload",
        next_attempt: next_attempt_columns;
        attempts = Vec::new()
    }
}
columns! { PageStart as key_columns, read + write { created_ms, seq } }

statements! {
    KEYS = concat!(
        "SELECT ", key_columns!(), " FROM webhooks
         WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, seq) < (?3, ?4)
         ORDER BY created_ms DESC, seq DESC LIMIT ?5 OFFSET ?6"
    );
    KEYS_BY_STATUS = concat!(
        "SELECT ", key_columns!(), " FROM webhooks
         WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, seq) < (?3, ?4) AND status = ?7
         ORDER BY created_ms DESC, seq DESC LIMIT ?5 OFFSET ?6"
    );
    KEYS_BY_HOST = concat!(
        "SELECT ", key_columns!(), " FROM webhooks
         WHERE account = ?1 AND created_ms >= ?2 AND (created_ms, seq) < (?3, ?4)
           AND status = ?7 AND host = ?8
         ORDER BY created_ms DESC, seq DESC LIMIT ?5 OFFSET ?6"
    );
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
    RECORD = concat!(
        "SELECT ", record_columns!(), "
         FROM webhooks w
         JOIN requests r ON r.seq = w.seq
         LEFT JOIN payloads p ON p.seq = w.seq
         LEFT JOIN webhook_queue q ON q.seq = w.seq
         LEFT JOIN destinations d ON d.seq = q.destination
         WHERE w.seq = ?1"
    );
    SEQ_OF_ID = "SELECT seq FROM requests WHERE id = ?1 AND account = ?2";
    OLD = "SELECT seq FROM webhooks WHERE account = ?1 AND status = ?2 AND created_ms < ?3
           ORDER BY created_ms LIMIT ?4";
    DELETE_ATTEMPTS = "DELETE FROM attempts WHERE seq = ?1";
    DELETE_PAYLOAD = "DELETE FROM payloads WHERE seq = ?1";
    DELETE_WEBHOOK = "DELETE FROM webhooks WHERE seq = ?1";
    DELETE_REQUEST = "DELETE FROM requests WHERE seq = ?1";
}

/// Reads one page of a list of webhooks.
pub(crate) fn page(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<WebhookPage, Error> {
    let mut query = query.clone();
    query.statuses.sort_unstable();
    query.statuses.dedup();
    let total = count(tx, &query)?;
    let keys = keys(tx, &query)?;
    let is_full = keys.len() == query.limit.min(MAX_PAGE_LEN) as usize;
    let last = keys.last().filter(|_| is_full);
    let next_cursor = last.map(|key| Cursor { created_ms: key.created_ms, seq: key.seq });
    let webhooks = keys.into_iter().map(|key| record(tx, key.seq)).collect::<Result<_, Error>>()?;
    Ok(WebhookPage { total, webhooks, next_cursor })
}

/// Returns one webhook with its attempts, or `None` when the account has no such webhook.
pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, id: Uuid) -> Result<Option<WebhookRecord>, Error> {
    let Some(seq) = tx.query_optional(&SEQ_OF_ID, params![id, account])? else { return Ok(None) };
    let attempts = attempts::ended(tx, seq)?;
    Ok(Some(WebhookRecord { attempts, ..record(tx, seq)? }))
}

/// Deletes up to `limit` ended webhooks that were accepted before `before_ms`. A webhook that has not ended
/// is never deleted, because the ledger still has to deliver it.
pub(crate) fn sweep(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<u64, Error> {
    let mut n_left = u64::from(limit);
    ready_destinations::delete_idle(tx, limit)?;
    idempotency::delete_expired(tx, limit)?;
    bulk::delete_ended(tx, before_ms, limit)?;
    for account in accounts::ids(tx)? {
        for status in [WebhookStatus::Delivered, WebhookStatus::Failed] {
            let old: Vec<i64> = tx.query(&OLD, params![account, status, before_ms, n_left])?;
            for seq in &old {
                for statement in [&DELETE_ATTEMPTS, &DELETE_PAYLOAD, &DELETE_WEBHOOK, &DELETE_REQUEST] {
                    tx.execute(statement, params![seq])?;
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

/// A position in a list of webhooks: the acceptance time and the sequence number of a webhook. A page that
/// starts at a position contains only webhooks with smaller positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PageStart {
    pub(super) created_ms: i64,
    pub(super) seq: i64,
}

impl PageStart {
    /// Returns the position at which the requested page starts.
    pub(super) fn of(query: &WebhookQuery) -> Self {
        let end_ms = query.end_ms.unwrap_or(i64::MAX);
        let end = Self { created_ms: end_ms.saturating_add(1), seq: i64::MIN };
        query.before.map_or(end, |cursor| end.min(Self { created_ms: cursor.created_ms, seq: cursor.seq }))
    }
}

/// Returns the earliest and the latest acceptance time that a query allows.
fn time_range(query: &WebhookQuery) -> (i64, i64) {
    (query.start_ms.unwrap_or(i64::MIN), query.end_ms.unwrap_or(i64::MAX))
}

/// Returns the number of webhooks that match a query, on all pages together. When the query filters only by
/// status, the number comes from the counters of the account. In all other cases, the function counts rows,
/// up to [`MAX_COUNTED`].
pub(crate) fn count(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<u64, Error> {
    let is_requested = |status| query.statuses.is_empty() || query.statuses.contains(&status);
    if query.start_ms.is_none() && query.end_ms.is_none() && query.host.is_none() {
        let counts = accounts::usage(tx, query.account)?.webhooks;
        return Ok(counts.iter().filter(|(status, _)| is_requested(*status)).map(|(_, n)| n).sum());
    }
    let (start_ms, end_ms) = time_range(query);
    if query.statuses.is_empty() && query.host.is_none() {
        return tx.query_one(&COUNT, params![query.account, start_ms, end_ms, MAX_COUNTED]);
    }
    let mut total: u64 = 0;
    for status in WebhookStatus::ALL.into_iter().filter(|status| is_requested(*status)) {
        total += match &query.host {
            Some(host) => {
                let params = params![query.account, start_ms, end_ms, MAX_COUNTED, status, host];
                tx.query_one::<u64>(&COUNT_BY_HOST, params)?
            }
            None => {
                let params = params![query.account, start_ms, end_ms, MAX_COUNTED, status];
                tx.query_one::<u64>(&COUNT_BY_STATUS, params)?
            }
        };
    }
    Ok(total.min(MAX_COUNTED))
}

/// Returns the positions of the webhooks of one page. The webhooks of one status are consecutive entries of
/// an index. For several statuses, the function reads the first `offset + limit` webhooks of each status and
/// sorts only these, because the time for sorting all matches would grow with the size of the history.
fn keys(tx: &mut Tx<'_>, query: &WebhookQuery) -> Result<Vec<PageStart>, Error> {
    let start = PageStart::of(query);
    let limit = u64::from(query.limit.min(MAX_PAGE_LEN));
    let statuses = match (&query.statuses[..], &query.host) {
        ([], None) => {
            let (start_ms, _) = time_range(query);
            let params = params![query.account, start_ms, start.created_ms, start.seq, limit, query.offset];
            return tx.query(&KEYS, params);
        }
        ([status], _) => return keys_of_status(tx, query, *status, start, (limit, query.offset)),
        ([], Some(_)) => &WebhookStatus::ALL[..],
        (statuses, _) => statuses,
    };
    let n_needed = query.offset.saturating_add(limit);
    let mut keys = Vec::new();
    for status in statuses {
        keys.extend(keys_of_status(tx, query, *status, start, (n_needed, 0))?);
    }
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let n_skipped = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let n_taken = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(keys.into_iter().skip(n_skipped).take(n_taken).collect())
}

/// Returns the positions of webhooks in one status. Of the query, the function uses the account, the host and
/// the earliest acceptance time. It ignores the statuses, the latest acceptance time, the cursor, the offset
/// and the limit of the query.
pub(super) fn keys_of_status(
    tx: &mut Tx<'_>,
    query: &WebhookQuery,
    status: WebhookStatus,
    start: PageStart,
    (limit, offset): (u64, u64),
) -> Result<Vec<PageStart>, Error> {
    let (start_ms, _) = time_range(query);
    let PageStart { created_ms, seq } = start;
    match &query.host {
        Some(host) => {
            let params = params![query.account, start_ms, created_ms, seq, limit, offset, status, host];
            tx.query(&KEYS_BY_HOST, params)
        }
        None => {
            let params = params![query.account, start_ms, created_ms, seq, limit, offset, status];
            tx.query(&KEYS_BY_STATUS, params)
        }
    }
}

fn record(tx: &mut Tx<'_>, seq: i64) -> Result<WebhookRecord, Error> {
    tx.query_one(&RECORD, params![seq])
}

/// While a destination is paused, the next attempt is due at the end of the pause, and the reason for the
/// pause is reported as the reason for the due time.
impl FromRow for Option<NextAttempt> {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let (due_ms, due_reason): (Option<i64>, Option<DueReason>) = row.take()?;
        let (paused_until_ms, pause): (Option<i64>, Option<PauseReason>) = row.take()?;
        let (Some(due_ms), Some(due_reason)) = (due_ms, due_reason) else { return Ok(None) };
        Ok(Some(match (paused_until_ms, pause) {
            (Some(until_ms), Some(PauseReason::Breaker)) if until_ms > due_ms => {
                NextAttempt { due_ms: until_ms, due_reason: DueReason::Breaker }
            }
            (Some(until_ms), Some(PauseReason::RetryAfter)) if until_ms > due_ms => {
                NextAttempt { due_ms: until_ms, due_reason: DueReason::RetryAfter }
            }
            _ => NextAttempt { due_ms, due_reason },
        }))
    }
}
