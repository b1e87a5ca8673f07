//! Claims due webhooks: chooses the webhooks, takes leases on them, and ends leases that have run out.

use std::collections::{BTreeMap, HashMap};

use super::attempts::{self, AttemptKey};
use super::counters::Delta;
use super::destinations::{self, Destination};
use super::webhooks::{apply_transition, write_status};
use super::{Tx, bulk, columns, expiry, params, statements};
use crate::destination::{Candidate, Lane, SendCapacity, allocate};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{DueReason, DueWebhook};
use crate::state::{Dispatched, Scheduled};

columns! {
    LeasedRow as leased_columns, read { due_ms, fence, attempt, n_counted_attempts, lane, expires_ms }
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
    WAITING = "SELECT seq FROM webhook_queue
               WHERE destination = ?1 AND lane = ?2 AND lease_until_ms IS NULL AND due_ms <= ?3
                 AND (expires_ms IS NULL OR expires_ms > ?3)
               ORDER BY due_ms, seq LIMIT ?4 {skip_locked}";
    LEASE = concat!(
        "UPDATE webhook_queue SET fence = fence + 1, attempt = attempt + 1, lease_until_ms = ?2 WHERE seq = ?1
         RETURNING ", leased_columns!()
    );
    DUE_WEBHOOK = concat!(
        "SELECT ", due_webhook_columns!(), " FROM requests r JOIN payloads p ON p.seq = r.seq
         WHERE r.seq = ?1"
    );
    REAP = concat!(
        "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?2, due_reason = ?3
         WHERE lease_until_ms <= ?1 RETURNING ", reaped_columns!()
    );
    NEXT_LEASE_END = "SELECT lease_until_ms FROM webhook_queue WHERE lease_until_ms IS NOT NULL
                      ORDER BY lease_until_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT expires_ms FROM webhook_queue
                   WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL
                   ORDER BY expires_ms LIMIT 1";
}

/// The data from which one claim decides which webhooks to lease: the ready destinations, and the free
/// capacity of each destination and of each IP address.
#[derive(Default)]
struct ClaimPlan {
    destinations: Vec<Destination>,
    /// How many further webhooks of each destination may be leased, in the order of `destinations`.
    n_free: Vec<u32>,
    /// The position of each destination in `destinations`. The key is the sequence number of the destination.
    destination_index: HashMap<i64, usize>,
    /// How many further webhooks to each IP address may be leased.
    n_address_free: Vec<u32>,
    /// The position of each IP address in `n_address_free`.
    address_index: HashMap<String, usize>,
    candidates: Vec<Candidate>,
    /// For each element of `candidates`, the sequence numbers of the webhooks that wait in its lane.
    waiting: Vec<Vec<i64>>,
}

/// Takes leases on due webhooks as far as `capacity` allows, and opens their attempts.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    capacity: SendCapacity,
    lease_ms: i64,
) -> Result<Vec<Lease<DueWebhook>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms)?;
    expiry::fail_expired(tx)?;
    bulk::run_next_step(tx)?;
    let mut plan = ClaimPlan::new(tx, capacity)?;
    let shares = allocate(capacity, &mut plan.n_free, &mut plan.n_address_free, &plan.candidates);
    let mut leases = Vec::new();
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut deltas = BTreeMap::<AccountId, Delta>::new();
    let mut n_retries = 0;
    for (index, n) in shares.into_iter().enumerate() {
        let candidate = plan.candidates[index];
        for seq in plan.waiting[index].iter().take(n as usize) {
            let (due_ms, lease) = lease_webhook(tx, *seq, until_ms)?;
            let dispatched = Scheduled.dispatched(now_ms);
            let delta = deltas.entry(lease.value.account).or_default();
            *delta = delta.with_transition(&dispatched);
            write_status(tx, lease.seq, dispatched)?;
            leases.push((due_ms, lease));
        }
        if candidate.lane == Lane::Retry {
            n_retries += n;
        }
        let destination = &mut plan.destinations[candidate.destination];
        if n > 0 {
            destination.state.record_claim(n, now_ms);
            destination.refresh_earliest_due(tx, candidate.lane)?;
        }
    }
    plan.save(tx)?;
    for (account, delta) in deltas {
        delta.apply(tx, account)?;
    }
    update_due_time(tx, n_retries < capacity.n_retries)?;
    leases.sort_by_key(|(due_ms, lease)| (*due_ms, lease.seq));
    Ok(leases.into_iter().map(|(_, lease)| lease).collect())
}

/// Ends each lease on a webhook that ends at `until_ms` or earlier: returns the webhook to the queue, and
/// closes its attempt as interrupted. An interrupted attempt does not count against the retry schedule.
/// Returns the number of these webhooks.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let reaped: Vec<ReapedRow> = tx.query(&REAP, params![until_ms, now_ms, DueReason::Interrupted])?;
    let n_reaped = reaped.len() as u64;
    for row in reaped {
        attempts::interrupt(tx, AttemptKey { seq: row.seq, number: row.attempt, fence: row.fence })?;
        apply_transition(tx, row.seq, row.account, Dispatched.returned(now_ms))?;
        let mut destination = Destination::load(tx, row.destination)?;
        destination.state.end_lease();
        destination.webhook_added(row.lane, now_ms);
        destination.save_and_wake_waiting(tx)?;
    }
    Ok(n_reaped)
}

impl ClaimPlan {
    /// Reads the ready lanes, starting with the lane that has been ready longest, and the webhooks that wait
    /// in these lanes.
    fn new(tx: &mut Tx<'_>, capacity: SendCapacity) -> Result<Self, Error> {
        let mut lanes = Vec::new();
        for (lane, limit) in
            [(Lane::First, capacity.n_total), (Lane::Retry, capacity.n_total.min(capacity.n_retries))]
        {
            let ready = destinations::ready(tx, lane, limit)?;
            lanes.extend(ready.into_iter().map(|(ready_ms, seq)| (ready_ms, seq, lane)));
        }
        // This sort is stable. If two lanes have the same ready time, the lane for first attempts therefore
        // stays before the lane for retries.
        lanes.sort_by_key(|(ready_ms, _, _)| *ready_ms);
        let mut plan = Self::default();
        for (_, seq, lane) in lanes {
            plan.add_lane(tx, seq, lane, capacity.n_total)?;
        }
        Ok(plan)
    }

    fn add_lane(&mut self, tx: &mut Tx<'_>, seq: i64, lane: Lane, limit: u32) -> Result<(), Error> {
        let destination = match self.destination_index.get(&seq) {
            Some(index) => *index,
            None => {
                let loaded = Destination::load(tx, seq)?;
                self.n_free.push(loaded.state.n_free(&tx.limits()));
                self.destinations.push(loaded);
                self.destination_index.insert(seq, self.destinations.len() - 1);
                self.destinations.len() - 1
            }
        };
        let address = match self.destinations[destination].state.address.clone() {
            Some(address) => Some(self.add_address(tx, address)?),
            None => None,
        };
        let now_ms = tx.now_ms();
        let max_waiting = self.n_free[destination].min(limit);
        let waiting: Vec<i64> = tx.query(&WAITING, params![seq, lane, now_ms, max_waiting])?;
        let n_waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        self.candidates.push(Candidate { destination, address, lane, n_waiting });
        self.waiting.push(waiting);
        Ok(())
    }

    fn add_address(&mut self, tx: &mut Tx<'_>, address: String) -> Result<usize, Error> {
        if let Some(index) = self.address_index.get(&address) {
            return Ok(*index);
        }
        let n_leased = destinations::n_leased_at(tx, &address)?;
        self.n_address_free.push(tx.limits().per_address.max(1).saturating_sub(n_leased));
        self.address_index.insert(address, self.n_address_free.len() - 1);
        Ok(self.n_address_free.len() - 1)
    }

    /// Writes the changed destinations to the database. A destination whose IP address has no free capacity
    /// does not become ready until another webhook to this address ends.
    fn save(mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for destination in &mut self.destinations {
            let address = destination.state.address.as_ref();
            let index = address.and_then(|address| self.address_index.get(address));
            destination.state.address_is_full = index.is_some_and(|index| self.n_address_free[*index] == 0);
            destination.save(tx)?;
        }
        Ok(())
    }
}

/// Takes a lease on a webhook, opens its attempt, and reads the content to send. Returns the due time and the
/// lease.
fn lease_webhook(tx: &mut Tx<'_>, seq: i64, until_ms: i64) -> Result<(i64, Lease<DueWebhook>), Error> {
    let row: LeasedRow = tx.query_one(&LEASE, params![seq, until_ms])?;
    let LeasedRow { due_ms, fence, attempt, .. } = row;
    attempts::open(tx, AttemptKey { seq, number: attempt, fence })?;
    let value = DueWebhook {
        expires_at_ms: row.expires_ms,
        n_counted_attempts: row.n_counted_attempts,
        is_retry: row.lane == Lane::Retry,
        ..tx.query_one(&DUE_WEBHOOK, params![seq])?
    };
    Ok((due_ms, Lease { value, fence, until_ms, attempt, seq }))
}

/// The queue row of a webhook that was just leased.
struct LeasedRow {
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

/// Updates the earliest due time of the queue of webhooks: the earliest time at which a webhook is ready, a
/// lease ends, a webhook expires, or a step of a bulk resend is due. Retries are ignored while the driver has
/// no capacity for retries.
fn update_due_time(tx: &mut Tx<'_>, has_retry_capacity: bool) -> Result<(), Error> {
    let first_ms = destinations::next_ready_ms(tx, Lane::First)?;
    let retry_ms = if has_retry_capacity { destinations::next_ready_ms(tx, Lane::Retry)? } else { None };
    let lease_end_ms = tx.query_optional(&NEXT_LEASE_END, params![])?;
    let expiry_ms = tx.query_optional(&NEXT_EXPIRY, params![])?;
    let bulk_ms = bulk::next_due_ms(tx)?;
    let earliest_ms = [first_ms, retry_ms, lease_end_ms, expiry_ms, bulk_ms].into_iter().flatten().min();
    tx.update_due_time(Queue::Webhooks, DueUpdate::Earliest(earliest_ms));
    Ok(())
}
