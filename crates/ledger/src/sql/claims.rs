//! Claims due webhooks: chooses the webhooks, takes leases on them, and ends leases that have run out.

use std::collections::{BTreeMap, HashMap};

use super::attempts::{self, AttemptKey};
use super::counters::Delta;
use super::destinations::{self, Destination, ReadyList};
use super::webhooks::{apply_transition, write_status};
use super::{Tx, bulk, columns, expiry, params, statements, waiting};
use crate::destination::{Candidate, Lane, Load, SendCapacity, allocate};
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
    LEASE = concat!(
        "UPDATE webhook_queue SET fence = fence + 1, attempt = attempt + 1, lease_until_ms = ?2 WHERE seq = ?1
         RETURNING ", leased_columns!()
    );
    DUE_WEBHOOK = concat!(
        "SELECT ", due_webhook_columns!(), " FROM requests r JOIN payloads p ON p.seq = r.seq
         WHERE r.seq = ?1"
    );
    REAP = concat!(
        "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?2, due_reason = ?3, is_last_chance = 0
         WHERE lease_until_ms <= ?1 RETURNING ", reaped_columns!()
    );
    NEXT_LEASE_END = "SELECT lease_until_ms FROM webhook_queue WHERE lease_until_ms IS NOT NULL
                      ORDER BY lease_until_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT expires_ms FROM webhook_queue
                   WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL AND is_last_chance = 0
                   ORDER BY expires_ms LIMIT 1";
}

/// The data from which one claim decides which webhooks to lease: the ready destinations, and the free
/// capacity of each destination and of each IP address.
#[derive(Default)]
struct ClaimPlan {
    destinations: Vec<Destination>,
    /// The number of leased webhooks and the limits of each destination, in the order of `destinations`.
    loads: Vec<Load>,
    /// The position of each destination in `destinations`, by its sequence number.
    destination_index: HashMap<i64, usize>,
    /// The number of leased webhooks at each IP address of a destination.
    n_at_address: Vec<u32>,
    /// The position of each IP address in `n_at_address`.
    address_index: HashMap<String, usize>,
    candidates: Vec<Candidate>,
    /// For each candidate, the sequence numbers and lanes of the webhooks that the candidate may get.
    waiting: Vec<Vec<(i64, Lane)>>,
}

/// The effect of a claim.
pub(crate) struct Claimed {
    pub(crate) leases: Vec<Lease<DueWebhook>>,
    /// Whether due webhooks wait only because the leased webhooks of their destinations have reached the
    /// threshold for one destination. These webhooks can be claimed when more capacity is free.
    pub(crate) is_held_back: bool,
}

/// Takes leases on webhooks that are due, and opens their attempts.
pub(crate) fn claim(tx: &mut Tx<'_>, capacity: SendCapacity, lease_ms: i64) -> Result<Claimed, Error> {
    let (now_ms, limits) = (tx.now_ms(), tx.limits());
    reap(tx, now_ms)?;
    expiry::end_expired(tx, lease_ms)?;
    bulk::run_next_step(tx)?;
    let mut plan = ClaimPlan::new(tx, capacity)?;
    let ClaimPlan { loads, n_at_address, candidates, .. } = &mut plan;
    let shares = allocate(capacity, &limits, loads, n_at_address, candidates);
    let mut leases = Vec::new();
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut deltas = BTreeMap::<AccountId, Delta>::new();
    let mut left = capacity;
    for (index, n) in shares.into_iter().enumerate() {
        let candidate = plan.candidates[index];
        let mut lanes = Vec::new();
        for (seq, lane) in plan.waiting[index].iter().take(n as usize) {
            let (due_ms, lease) = lease_webhook(tx, *seq, until_ms)?;
            let dispatched = Scheduled.dispatched(now_ms);
            let delta = deltas.entry(lease.value.account).or_default();
            *delta = delta.with_transition(&dispatched);
            write_status(tx, lease.seq, dispatched)?;
            leases.push((due_ms, lease));
            if !lanes.contains(lane) {
                lanes.push(*lane);
            }
        }
        left.n_total -= n;
        if candidate.lane == Lane::Retry {
            left.n_retries -= n;
        }
        plan.destinations[candidate.destination].claimed(tx, n, &lanes)?;
    }
    plan.save(tx)?;
    for (account, delta) in deltas {
        delta.apply(tx, account)?;
    }
    let is_held_back = update_due_time(tx, left)?;
    leases.sort_by_key(|(due_ms, lease)| (*due_ms, lease.seq));
    Ok(Claimed { leases: leases.into_iter().map(|(_, lease)| lease).collect(), is_held_back })
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
    /// Reads the ready destinations, longest ready first, and the webhooks that the claim may take from each
    /// of them.
    fn new(tx: &mut Tx<'_>, capacity: SendCapacity) -> Result<Self, Error> {
        // The sort below is stable: of several lists with the same ready time, the first one comes first.
        let lists = [
            (ReadyList::Urgent, capacity.n_total),
            (ReadyList::Lane(Lane::First), capacity.n_total),
            (ReadyList::Lane(Lane::Retry), capacity.n_total.min(capacity.n_retries)),
        ];
        let mut entries = Vec::new();
        for (list, n_free) in lists {
            let threshold = tx.limits().threshold(n_free);
            let ready = destinations::ready(tx, list, threshold, n_free)?;
            entries.extend(ready.into_iter().map(|(ready_ms, seq)| (ready_ms, seq, list)));
        }
        entries.sort_by_key(|(ready_ms, _, _)| *ready_ms);
        let mut plan = Self::default();
        for (_, seq, list) in entries {
            plan.add_candidate(tx, seq, list, capacity)?;
        }
        Ok(plan)
    }

    fn add_candidate(
        &mut self,
        tx: &mut Tx<'_>,
        seq: i64,
        list: ReadyList,
        capacity: SendCapacity,
    ) -> Result<(), Error> {
        let is_known = self.destination_index.contains_key(&seq);
        let destination = self.add_destination(tx, seq)?;
        let address = match self.destinations[destination].state.address.clone() {
            Some(address) => Some(self.add_address(tx, address)?),
            None => None,
        };
        let max_waiting = self.loads[destination].n_free.min(capacity.n_total);
        let is_open = self.destinations[destination].state.breaker.is_open();
        let has_retry_capacity = capacity.n_retries > 0;
        let waiting: Vec<_> = match list {
            // An open circuit breaker lets only one webhook through, whichever list the destination is in.
            _ if is_open && is_known => return Ok(()),
            _ if is_open => {
                let probe = waiting::probe(tx, &self.destinations[destination], has_retry_capacity)?;
                probe.into_iter().collect()
            }
            ReadyList::Urgent => waiting::last_chances(tx, seq, max_waiting)?,
            ReadyList::Lane(lane) => waiting::in_lane(tx, seq, lane, max_waiting)?,
        };
        let lane = match (list, &waiting[..]) {
            (_, [(_, lane)]) if is_open => *lane,
            (ReadyList::Lane(lane), _) => lane,
            (ReadyList::Urgent, _) => Lane::First,
        };
        let n_waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        self.candidates.push(Candidate { destination, address, lane, n_waiting });
        self.waiting.push(waiting);
        Ok(())
    }

    fn add_destination(&mut self, tx: &mut Tx<'_>, seq: i64) -> Result<usize, Error> {
        if let Some(index) = self.destination_index.get(&seq) {
            return Ok(*index);
        }
        let (loaded, limits) = (Destination::load(tx, seq)?, tx.limits());
        let state = &loaded.state;
        let (n_free, address_limit) = (state.n_free(&limits), state.address_limit(&limits));
        self.loads.push(Load { n_leased: state.n_leased, n_free, address_limit });
        self.destinations.push(loaded);
        self.destination_index.insert(seq, self.destinations.len() - 1);
        Ok(self.destinations.len() - 1)
    }

    fn add_address(&mut self, tx: &mut Tx<'_>, address: String) -> Result<usize, Error> {
        if let Some(index) = self.address_index.get(&address) {
            return Ok(*index);
        }
        self.n_at_address.push(destinations::n_leased_at(tx, &address)?);
        self.address_index.insert(address, self.n_at_address.len() - 1);
        Ok(self.n_at_address.len() - 1)
    }

    /// Writes the changed destinations to the database. A destination whose IP address has no free capacity
    /// does not become ready until another webhook to this address ends.
    fn save(mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for (destination, load) in self.destinations.iter_mut().zip(&self.loads) {
            let address = destination.state.address.as_ref();
            let index = address.and_then(|address| self.address_index.get(address));
            destination.state.address_is_full =
                index.is_some_and(|index| self.n_at_address[*index] >= load.address_limit);
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

/// Updates the queue's earliest due time: the earliest time at which a webhook is ready, a lease ends, a
/// webhook expires, or a step of a bulk resend is due. Retries are ignored while the driver has no capacity
/// for retries, and destinations are ignored while their leased webhooks have reached the threshold for one
/// destination. Returns whether any destination is ready and ignored for this reason. `left` is the capacity
/// that the claim has not used.
fn update_due_time(tx: &mut Tx<'_>, left: SendCapacity) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    let mut times = Vec::new();
    let mut is_held_back = false;
    for (list, n_left) in [
        (ReadyList::Urgent, left.n_total),
        (ReadyList::Lane(Lane::First), left.n_total),
        (ReadyList::Lane(Lane::Retry), left.n_total.min(left.n_retries)),
    ] {
        if n_left == 0 && list == ReadyList::Lane(Lane::Retry) {
            continue;
        }
        let threshold = tx.limits().threshold(n_left);
        let ready_ms = destinations::next_ready_ms(tx, list, threshold)?;
        if ready_ms.is_none_or(|ready_ms| ready_ms > now_ms) {
            let earliest_ms = destinations::next_ready_ms(tx, list, u32::MAX)?;
            is_held_back |= earliest_ms.is_some_and(|earliest_ms| earliest_ms <= now_ms);
        }
        times.extend(ready_ms);
    }
    times.extend(tx.query_optional::<i64>(&NEXT_LEASE_END, params![])?);
    times.extend(tx.query_optional::<i64>(&NEXT_EXPIRY, params![])?);
    times.extend(bulk::next_due_ms(tx)?);
    tx.update_due_time(Queue::Webhooks, DueUpdate::Earliest(times.into_iter().min()));
    Ok(is_held_back)
}
