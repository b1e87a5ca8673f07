//! Sending many webhooks again: what matched when it was asked for, a few at a time, remembered between them. Claims
//! carry it forward, so that it needs no driver of its own and survives whatever they survive.

use super::history::{self, Before};
use super::interventions::resend_one;
use super::{Row, Tx, column, params, statements};
use crate::destination::Fairness;
use crate::error::Error;
use crate::history::{BulkResend, WebhookQuery};
use crate::model::account::AccountId;
use crate::model::webhook::WebhookStatus;
use crate::wake::{Queue, Wake};

/// How many webhooks one step sends again at most: what a claim may take longer because of it.
const MAX_STEP: u64 = 100;

/// How many steps a second are enough to keep a rate.
const STEPS_PER_S: u64 = 10;

statements! {
    ADD = "INSERT INTO bulk_resends (account, created_ms, statuses, host, start_ms, per_second, before_ms, before_no,
                                     end_ms, n_matched, due_ms)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?9, ?2) RETURNING no";
    DUE = "SELECT no, account, statuses, host, start_ms, end_ms, per_second, at_status, before_ms, before_no
           FROM bulk_resends WHERE due_ms <= ?1 ORDER BY due_ms LIMIT 1 {skip_locked}";
    NEXT = "SELECT due_ms FROM bulk_resends WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1";
    STEP = "UPDATE bulk_resends
            SET at_status = ?2, before_ms = ?3, before_no = ?4, n_resent = n_resent + ?5, n_skipped = n_skipped + ?6,
                due_ms = ?7, ended_ms = ?8
            WHERE no = ?1";
    STOP = "UPDATE bulk_resends SET due_ms = NULL, ended_ms = ?3 WHERE no = ?1 AND account = ?2 AND due_ms IS NOT NULL";
    SHOW = "SELECT no, created_ms, n_matched, n_resent, n_skipped, ended_ms FROM bulk_resends
            WHERE no = ?1 AND account = ?2";
    FORGET = "DELETE FROM bulk_resends WHERE no IN (SELECT no FROM bulk_resends WHERE ended_ms < ?1
                                                    ORDER BY ended_ms LIMIT ?2)";
}

/// Begins to send what matches now; how fast is up to `per_second`.
pub(crate) fn start(
    tx: &mut Tx<'_>,
    query: &WebhookQuery,
    per_second: Option<u32>,
) -> Result<BulkResend, Error> {
    let now_ms = tx.now_ms();
    let n_matched = history::total(tx, query)?;
    // In the order of a webhook's life: what becomes scheduled by it is not met again.
    let is_asked_for = |status: &WebhookStatus| query.statuses.is_empty() || query.statuses.contains(status);
    let statuses: Vec<_> =
        WebhookStatus::ALL.into_iter().filter(is_asked_for).map(WebhookStatus::as_str).collect();
    let before = Before::of(&WebhookQuery {
        end_ms: Some(query.end_ms.unwrap_or(now_ms).min(now_ms)),
        ..query.clone()
    });
    let no = tx.query_one(
        &ADD,
        params![
            query.account,
            now_ms,
            &statuses.join(","),
            query.host.as_ref(),
            query.start_ms.unwrap_or(i64::MIN),
            per_second,
            before.created_ms,
            before.no,
            n_matched
        ],
        column,
    )?;
    tx.wake(Queue::Webhooks, Wake::At(now_ms));
    Ok(BulkResend { no, created_ms: now_ms, n_matched, n_resent: 0, n_skipped: 0, ended_ms: None })
}

/// How far it is; `None` when the account has none of this number.
pub(crate) fn show(tx: &mut Tx<'_>, account: AccountId, no: i64) -> Result<Option<BulkResend>, Error> {
    tx.query_optional(&SHOW, params![no, account], |row| {
        Ok(BulkResend {
            no: row.take()?,
            created_ms: row.take()?,
            n_matched: row.take()?,
            n_resent: row.take()?,
            n_skipped: row.take()?,
            ended_ms: row.take()?,
        })
    })
}

/// Sends no more of them again. Without effect when it ended.
pub(crate) fn stop(tx: &mut Tx<'_>, account: AccountId, no: i64) -> Result<Option<BulkResend>, Error> {
    let now_ms = tx.now_ms();
    tx.execute(&STOP, params![no, account, now_ms])?;
    show(tx, account, no)
}

/// Takes one step of the one that is due.
pub(super) fn advance(tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let Some(bulk) = tx.query_optional(&DUE, params![now_ms], read)? else { return Ok(()) };
    let Some(status) = bulk.statuses.get(bulk.at_status).copied() else {
        tx.execute(
            &STEP,
            params![bulk.no, bulk.at_status as u64, 0_i64, 0_i64, 0_i64, 0_i64, None::<i64>, now_ms],
        )?;
        return Ok(());
    };
    let n_wanted = bulk.per_second.map_or(MAX_STEP, |rate| rate.div_ceil(STEPS_PER_S).min(MAX_STEP));
    let keys = history::keys_of_status(tx, &bulk.query(), status, bulk.before, (n_wanted, 0))?;
    let (mut n_resent, mut n_skipped) = (0_u64, 0_u64);
    for (_, no) in &keys {
        match resend_one(tx, *no, bulk.account, status, fairness) {
            Ok(WebhookStatus::Scheduled) => n_resent += 1,
            Ok(_) | Err(Error::NotNow(_)) => n_skipped += 1,
            Err(error) => return Err(error),
        }
    }
    let is_over = (keys.len() as u64) < n_wanted;
    let (at_status, before) = match keys.last() {
        Some((created_ms, no)) if !is_over => (bulk.at_status, Before { created_ms: *created_ms, no: *no }),
        _ => (bulk.at_status + 1, Before { created_ms: bulk.end_ms, no: i64::MIN }),
    };
    let pause_ms = bulk.per_second.map_or(0, |rate| (keys.len() as u64).saturating_mul(1_000) / rate.max(1));
    let due_ms = now_ms.saturating_add(i64::try_from(pause_ms).unwrap_or(i64::MAX));
    let has_ended = at_status >= bulk.statuses.len();
    let (due_ms, ended_ms) = if has_ended { (None, Some(now_ms)) } else { (Some(due_ms), None) };
    tx.execute(
        &STEP,
        params![
            bulk.no,
            at_status as u64,
            before.created_ms,
            before.no,
            n_resent,
            n_skipped,
            due_ms,
            ended_ms
        ],
    )?;
    Ok(())
}

/// When the next step is due.
pub(super) fn next_due(tx: &mut Tx<'_>) -> Result<Option<i64>, Error> {
    tx.query_optional(&NEXT, params![], column)
}

/// Removes up to `limit` that ended before `before_ms`.
pub(super) fn forget(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<(), Error> {
    tx.execute(&FORGET, params![before_ms, limit])?;
    Ok(())
}

struct Bulk {
    no: i64,
    account: AccountId,
    statuses: Vec<WebhookStatus>,
    host: Option<String>,
    start_ms: i64,
    /// Where each status begins: just after the latest that matched.
    end_ms: i64,
    per_second: Option<u64>,
    at_status: usize,
    before: Before,
}

impl Bulk {
    fn query(&self) -> WebhookQuery {
        WebhookQuery {
            account: self.account,
            statuses: self.statuses.clone(),
            host: self.host.clone(),
            start_ms: Some(self.start_ms),
            end_ms: None,
            before: None,
            offset: 0,
            limit: 0,
        }
    }
}

fn read(row: &mut Row<'_>) -> Result<Bulk, Error> {
    let (no, account, statuses) = (row.take()?, row.take()?, row.take::<String>()?);
    let unreadable = |_| Error::Corrupt(format!("statuses are {statuses:?}"));
    Ok(Bulk {
        no,
        account,
        statuses: statuses.split(',').map(str::parse).collect::<Result<_, _>>().map_err(unreadable)?,
        host: row.take()?,
        start_ms: row.take()?,
        end_ms: row.take()?,
        per_second: row.take()?,
        at_status: row.take::<u32>()? as usize,
        before: Before { created_ms: row.take()?, no: row.take()? },
    })
}
