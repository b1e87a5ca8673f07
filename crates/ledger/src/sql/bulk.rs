//! Bulk resends. A bulk resend makes many webhooks due again, in steps of a few webhooks. A row in the
//! database stores the progress of a bulk resend, so that the bulk resend continues after a restart. Each
//! claim of webhooks runs at most one step, so a bulk resend needs no task of its own.

use super::history::{self, PageStart};
use super::interventions::resend_one;
use super::row::FromRow;
use super::{Params, Row, Tx, columns, params, statements};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::history::{BulkResend, WebhookQuery};
use crate::model::account::AccountId;
use crate::model::webhook::WebhookStatus;

/// The largest number of webhooks that one step of a bulk resend makes due. The limit bounds the time by
/// which a step lengthens a claim.
const MAX_STEP_LEN: u64 = 100;

/// The number of steps per second of a bulk resend whose rate is limited.
const STEPS_PER_S: u64 = 10;

columns! { BulkResend as bulk_columns, read { seq, created_ms, n_matched, n_resent, n_skipped, ended_ms } }
columns! { start_columns { created_ms = "before_ms", seq = "before_seq" } }
columns! {
    BulkRow as row_columns, read {
        seq, account, statuses, host, start_ms, end_ms, per_second, at_status, page_start: start_columns
    }
}
columns! {
    NewBulk<'_> as new_columns, write {
        account, created_ms, statuses, host, start_ms, end_ms, per_second, page_start: start_columns,
        n_matched, due_ms
    }
}
columns! {
    Progress as progress_columns, write { at_status, page_start: start_columns, due_ms, ended_ms }
}
columns! { step_count_columns { n_resent, n_skipped } }

statements! {
    ADD = concat!("INSERT INTO bulk_resends ", new_columns!(insert), " RETURNING seq");
    DUE = concat!(
        "SELECT ", row_columns!(), " FROM bulk_resends WHERE due_ms <= ?1
         ORDER BY due_ms LIMIT 1"
    );
    NEXT_DUE = "SELECT due_ms FROM bulk_resends WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1";
    SAVE_PROGRESS = concat!(
        "UPDATE bulk_resends SET ", progress_columns!(set), ", ", step_count_columns!(add), " WHERE seq = ?"
    );
    STOP = "UPDATE bulk_resends SET due_ms = NULL, ended_ms = ?3
            WHERE seq = ?1 AND account = ?2 AND due_ms IS NOT NULL";
    FIND = concat!("SELECT ", bulk_columns!(), " FROM bulk_resends WHERE seq = ?1 AND account = ?2");
    ENDED = "SELECT seq FROM bulk_resends WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2";
    DELETE["of_seq"] = "DELETE FROM bulk_resends USING {rows} WHERE seq = v.of_seq";
}

/// Starts a bulk resend of the webhooks that match the query at this time. The bulk resend makes at most
/// `per_second` webhooks due per second.
pub(crate) fn start(
    tx: &mut Tx<'_>,
    query: &WebhookQuery,
    per_second: Option<u32>,
) -> Result<BulkResend, Error> {
    let now_ms = tx.now_ms();
    let n_matched = history::count(tx, query)?;
    // The bulk resend handles the statuses in the order of `WebhookStatus::ALL`, in which `scheduled` comes
    // before the ended statuses. An ended webhook that becomes `scheduled` is therefore not handled again.
    let is_requested = |status: &WebhookStatus| query.statuses.is_empty() || query.statuses.contains(status);
    let statuses: Vec<_> =
        WebhookStatus::ALL.into_iter().filter(is_requested).map(WebhookStatus::as_str).collect();
    let page_start = PageStart::of(&WebhookQuery {
        end_ms: Some(query.end_ms.unwrap_or(now_ms).min(now_ms)),
        ..query.clone()
    });
    let new = NewBulk {
        account: query.account,
        created_ms: now_ms,
        statuses: &statuses.join(","),
        host: query.host.as_deref(),
        start_ms: query.start_ms.unwrap_or(i64::MIN),
        end_ms: page_start.created_ms,
        per_second,
        page_start,
        n_matched,
        due_ms: now_ms,
    };
    let seq = tx.query_one(&ADD, Params::of(&new).as_slice())?;
    tx.update_due_time(Queue::Webhooks, DueUpdate::WorkDueAt(now_ms));
    Ok(BulkResend { seq, created_ms: now_ms, n_matched, n_resent: 0, n_skipped: 0, ended_ms: None })
}

/// Finds a bulk resend of an account.
pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, seq: i64) -> Result<Option<BulkResend>, Error> {
    tx.query_optional(&FIND, params![seq, account])
}

/// Stops a bulk resend, unless it has ended already.
pub(crate) fn stop(tx: &mut Tx<'_>, account: AccountId, seq: i64) -> Result<Option<BulkResend>, Error> {
    let now_ms = tx.now_ms();
    tx.execute(&STOP, params![seq, account, now_ms])?;
    find(tx, account, seq)
}

/// Runs one step of a bulk resend, if a step is due. If several bulk resends have a due step, the step that
/// has been due longest runs.
pub(super) fn run_next_step(tx: &mut Tx<'_>) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let Some(bulk) = tx.query_optional::<BulkRow>(&DUE, params![now_ms])? else { return Ok(()) };
    let Some(status) = bulk.statuses.0.get(bulk.at_status as usize).copied() else {
        let start = PageStart { created_ms: 0, seq: 0 };
        let ended =
            Progress { at_status: bulk.at_status, page_start: start, due_ms: None, ended_ms: Some(now_ms) };
        return save_progress(tx, bulk.seq, &ended, (0, 0));
    };
    let step_len = bulk.per_second.map_or(MAX_STEP_LEN, |rate| rate.div_ceil(STEPS_PER_S).min(MAX_STEP_LEN));
    let keys = history::keys_of_status(tx, &bulk.query(), status, bulk.page_start, (step_len, 0))?;
    let (mut n_resent, mut n_skipped) = (0_u64, 0_u64);
    for key in &keys {
        match resend_one(tx, key.seq, bulk.account, status) {
            Ok(WebhookStatus::Scheduled) => n_resent += 1,
            Ok(_) | Err(Error::WrongStatus(_)) => n_skipped += 1,
            Err(error) => return Err(error),
        }
    }
    let n_keys = keys.len() as u64;
    let (at_status, page_start) = match keys.last() {
        Some(last) if n_keys == step_len => (bulk.at_status, *last),
        _ => (bulk.at_status + 1, PageStart { created_ms: bulk.end_ms, seq: i64::MIN }),
    };
    let pause_ms = bulk.per_second.map_or(0, |rate| n_keys.saturating_mul(1_000) / rate.max(1));
    let due_ms = now_ms.saturating_add(i64::try_from(pause_ms).unwrap_or(i64::MAX));
    let has_ended = at_status as usize >= bulk.statuses.0.len();
    let (due_ms, ended_ms) = if has_ended { (None, Some(now_ms)) } else { (Some(due_ms), None) };
    let progress = Progress { at_status, page_start, due_ms, ended_ms };
    save_progress(tx, bulk.seq, &progress, (n_resent, n_skipped))
}

fn save_progress(
    tx: &mut Tx<'_>,
    seq: i64,
    progress: &Progress,
    (n_resent, n_skipped): (u64, u64),
) -> Result<(), Error> {
    let params = Params::of(progress).and(&n_resent).and(&n_skipped).and(&seq);
    tx.execute(&SAVE_PROGRESS, params.as_slice())?;
    Ok(())
}

/// Returns the earliest time at which a step of any bulk resend is due.
pub(super) fn next_due_ms(tx: &mut Tx<'_>) -> Result<Option<i64>, Error> {
    tx.query_optional(&NEXT_DUE, params![])
}

/// Deletes up to `limit` bulk resends that ended before `before_ms`.
pub(super) fn delete_ended(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<(), Error> {
    let ended: Vec<i64> = tx.query(&ENDED, params![before_ms, limit])?;
    tx.execute_each(&DELETE, &ended.iter().map(Params::of).collect::<Vec<_>>())
}

/// The row of a new bulk resend.
struct NewBulk<'a> {
    account: AccountId,
    created_ms: i64,
    statuses: &'a str,
    host: Option<&'a str>,
    start_ms: i64,
    end_ms: i64,
    per_second: Option<u32>,
    page_start: PageStart,
    n_matched: u64,
    due_ms: i64,
}

/// A running bulk resend.
struct BulkRow {
    seq: i64,
    account: AccountId,
    statuses: StatusList,
    host: Option<String>,
    start_ms: i64,
    /// The acceptance time at which the first page of each status starts: one millisecond after the latest
    /// acceptance time that the query allows.
    end_ms: i64,
    per_second: Option<u64>,
    /// The index in `statuses` of the status that the bulk resend handles now.
    at_status: u32,
    page_start: PageStart,
}

/// The columns that a step of a bulk resend changes.
struct Progress {
    at_status: u32,
    page_start: PageStart,
    due_ms: Option<i64>,
    ended_ms: Option<i64>,
}

/// The statuses that a bulk resend handles. The column contains their words, separated by commas.
struct StatusList(Vec<WebhookStatus>);

impl FromRow for StatusList {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let text: String = row.take()?;
        let statuses: Result<_, _> = text.split(',').map(str::parse).collect();
        statuses.map(Self).map_err(|_| Error::Corrupt(format!("statuses are {text:?}")))
    }
}

impl BulkRow {
    fn query(&self) -> WebhookQuery {
        WebhookQuery {
            account: self.account,
            statuses: self.statuses.0.clone(),
            host: self.host.clone(),
            start_ms: Some(self.start_ms),
            end_ms: None,
            before: None,
            offset: 0,
            limit: 0,
        }
    }
}
