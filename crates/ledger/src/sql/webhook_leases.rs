//! Takes leases on webhooks, and ends leases that have run out.

use std::collections::HashMap;

use super::attempts::{self, AttemptKey};
use super::counters::{Delta, Deltas};
use super::destinations::Destinations;
use super::webhooks::write_statuses;
use super::{Params, Tx, columns, params, statements};
use crate::destination::Lane;
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{DueReason, DueWebhook};
use crate::state::Dispatched;

columns! {
    LeasedRow as leased_columns, read { seq, due_ms, fence, attempt, n_counted_attempts, lane, expires_ms }
}
columns! {
    DueWebhook as due_webhook_columns, read {
        id = "r.id", account = "r.account", url = "r.webhook_url", authority = "r.webhook_authority",
        headers = "r.webhook_headers", payload = "p.payload", retry = "r.webhook_retry",
        created_ms = "r.created_ms", finished_ms = "p.finished_ms";
        expires_at_ms = None, n_counted_attempts = 0, is_retry = false
    }
}
columns! { ReapedRow as reaped_columns, read { seq, account, destination, lane, attempt, fence } }

statements! {
    LEASE["of_seq, until_ms, new_owner"] = concat!(
        "UPDATE webhook_queue
         SET fence = fence + 1, attempt = attempt + 1, lease_until_ms = v.until_ms, owner = v.new_owner
         FROM {rows} WHERE seq = v.of_seq RETURNING ", leased_columns!()
    );
    DUE_WEBHOOK["of_seq"] = concat!(
        "SELECT r.seq, ", due_webhook_columns!(), "
         FROM {rows}, requests r JOIN payloads p ON p.seq = r.seq WHERE r.seq = v.of_seq"
    );
    REAP = concat!(
        "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?2, due_reason = ?3, is_last_chance = 0
         WHERE lease_until_ms <= ?1 AND (owner = ?4 OR ?4 IS NULL) RETURNING ", reaped_columns!()
    );
}

/// The queue row of a webhook that was just leased.
struct LeasedRow {
    seq: i64,
    due_ms: i64,
    fence: i64,
    attempt: u32,
    n_counted_attempts: u32,
    lane: Lane,
    expires_ms: Option<i64>,
}

struct ReapedRow {
    seq: i64,
    account: AccountId,
    destination: i64,
    lane: Lane,
    attempt: u32,
    fence: i64,
}

/// Takes leases on webhooks, opens their attempts, and reads the contents to send. Returns the leases in the
/// order of their due times.
pub(super) fn lease(
    tx: &mut Tx<'_>,
    seqs: &[i64],
    owner: Option<i64>,
    until_ms: i64,
) -> Result<Vec<Lease<DueWebhook>>, Error> {
    let rows: Vec<_> = seqs.iter().map(|seq| Params::of(seq).and(&until_ms).and(&owner)).collect();
    let mut leased: Vec<LeasedRow> = tx.query_all(&LEASE, &rows)?;
    leased.sort_unstable_by_key(|row| (row.due_ms, row.seq));
    let key = |row: &LeasedRow| AttemptKey { seq: row.seq, number: row.attempt, fence: row.fence };
    attempts::open(tx, &leased.iter().map(key).collect::<Vec<_>>())?;
    let rows: Vec<_> = leased.iter().map(|row| Params::of(&row.seq)).collect();
    let mut webhooks: HashMap<i64, DueWebhook> = tx.query_all(&DUE_WEBHOOK, &rows)?.into_iter().collect();
    let mut leases = Vec::with_capacity(leased.len());
    for LeasedRow { seq, fence, attempt, n_counted_attempts, lane, expires_ms, .. } in leased {
        let webhook = webhooks.remove(&seq);
        let value = DueWebhook {
            expires_at_ms: expires_ms,
            n_counted_attempts,
            is_retry: lane == Lane::Retry,
            ..webhook.ok_or_else(|| Error::Corrupt(format!("webhook {seq} has no payload")))?
        };
        leases.push(Lease { value, fence, until_ms, attempt, seq });
    }
    Ok(leases)
}

/// Ends each lease on a webhook that ends at `until_ms` or earlier: returns the webhook to the queue, and
/// closes its attempt as interrupted. An interrupted attempt does not count against the retry schedule.
/// With an `owner`, only the leases of this node end. Returns the number of these webhooks.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64, owner: Option<i64>) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let reaped: Vec<ReapedRow> = tx.query(&REAP, params![until_ms, now_ms, DueReason::Interrupted, owner])?;
    if reaped.is_empty() {
        return Ok(0);
    }
    let key = |row: &ReapedRow| AttemptKey { seq: row.seq, number: row.attempt, fence: row.fence };
    attempts::interrupt(tx, &reaped.iter().map(key).collect::<Vec<_>>())?;
    let mut destinations = Destinations::load(tx, reaped.iter().map(|row| row.destination))?;
    let (mut deltas, mut transitions) = (Deltas::default(), Vec::new());
    for row in &reaped {
        let returned = Dispatched.returned(now_ms);
        deltas.add(row.account, Delta::default().with_transition(&returned));
        transitions.push((row.seq, returned));
        destinations.get_mut(row.destination)?.lease_ended(row.lane, Some(now_ms));
    }
    deltas.apply(tx)?;
    write_statuses(tx, &transitions)?;
    let ended: Vec<_> = reaped.iter().map(|row| row.destination).collect();
    destinations.save_and_wake_waiting(tx, &ended)?;
    Ok(reaped.len() as u64)
}
