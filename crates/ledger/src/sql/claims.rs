//! Claims due webhooks: chooses the webhooks, takes leases on them, and ends leases that have run out.

use std::collections::{BTreeSet, HashMap};

use super::attempts::{self, AttemptKey};
use super::counters::{Delta, Deltas};
use super::destinations::{self, Destinations, ReadyList};
use super::waiting::WaitingInLanes;
use super::webhooks::write_statuses;
use super::{Params, Tx, bulk, columns, expiry, params, statements, waiting};
use crate::destination::{Candidate, Lane, Load, SendCapacity, allocate};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{DueReason, DueWebhook};
use crate::state::{Dispatched, Scheduled};

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
         WHERE lease_until_ms <= ?1 AND (?4 IS NULL OR owner = ?4) RETURNING ", reaped_columns!()
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
    destinations: Destinations,
    /// The number of leased webhooks and the limits of each destination, in the order of `destinations`.
    loads: Vec<Load>,
    /// The number of leased webhooks at each IP address of a destination.
    n_at_address: Vec<u32>,
    /// The position of each IP address in `n_at_address`.
    address_index: HashMap<String, usize>,
    /// The lists of destinations that may get a webhook.
    candidates: Vec<Candidate>,
    /// For each candidate, the sequence number of its destination, and the sequence numbers and lanes of the
    /// webhooks that it may get.
    waiting: Vec<(i64, Vec<(i64, Lane)>)>,
}

/// A destination in one of the lists of ready destinations.
struct ReadyEntry {
    ready_ms: i64,
    destination: i64,
    list: ReadyList,
}

/// The effect of a claim.
pub(crate) struct Claimed {
    pub(crate) leases: Vec<Lease<DueWebhook>>,
    /// Whether due webhooks wait only because the leased webhooks of their destinations have reached the
    /// threshold for one destination. These webhooks can be claimed when more capacity is free.
    pub(crate) is_held_back: bool,
}

/// Takes leases on webhooks that are due, and opens their attempts.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    owner: Option<i64>,
    capacity: SendCapacity,
    lease_ms: i64,
) -> Result<Claimed, Error> {
    let (now_ms, limits) = (tx.now_ms(), tx.limits());
    reap(tx, now_ms, None)?;
    expiry::end_expired(tx, lease_ms)?;
    bulk::run_next_step(tx)?;
    let mut plan = ClaimPlan::new(tx, capacity)?;
    let ClaimPlan { loads, n_at_address, candidates, .. } = &mut plan;
    let shares = allocate(capacity, &limits, loads, n_at_address, candidates);
    let (mut left, mut chosen) = (capacity, Vec::new());
    for (index, n) in shares.into_iter().enumerate() {
        chosen.push(n);
        left.n_total -= n;
        if plan.candidates[index].lane == Lane::Retry {
            left.n_retries -= n;
        }
    }
    let leases = plan.lease(tx, &chosen, owner, now_ms.saturating_add(lease_ms))?;
    let is_held_back = update_due_time(tx, left)?;
    Ok(Claimed { leases, is_held_back })
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
            let entry = |(ready_ms, destination)| ReadyEntry { ready_ms, destination, list };
            entries.extend(ready.into_iter().map(entry));
        }
        entries.sort_by_key(|entry| entry.ready_ms);
        let mut plan = Self::load(tx, &entries)?;
        let mut in_lanes = plan.waiting_in_lanes(tx, &entries, capacity)?;
        for entry in &entries {
            plan.add_candidate(tx, entry, &mut in_lanes, capacity)?;
        }
        Ok(plan)
    }

    /// Loads the destinations of the entries, with the number of leased webhooks at their IP addresses.
    fn load(tx: &mut Tx<'_>, entries: &[ReadyEntry]) -> Result<Self, Error> {
        let limits = tx.limits();
        let mut plan = Self {
            destinations: Destinations::load(tx, entries.iter().map(|entry| entry.destination))?,
            ..Self::default()
        };
        let addresses = plan.destinations.iter().filter_map(|loaded| loaded.state.address.as_ref());
        let mut n_leased = destinations::n_leased_at(tx, addresses)?;
        for loaded in plan.destinations.iter() {
            let state = &loaded.state;
            let (n_free, address_limit) = (state.n_free(&limits), state.address_limit(&limits));
            plan.loads.push(Load { n_leased: state.n_leased, n_free, address_limit });
            if let Some(address) = &state.address
                && !plan.address_index.contains_key(address)
            {
                plan.address_index.insert(address.clone(), plan.n_at_address.len());
                plan.n_at_address.push(n_leased.remove(address).unwrap_or_default());
            }
        }
        Ok(plan)
    }

    /// Reads the webhooks that the claim may take from the lanes of the destinations whose circuit breakers
    /// are closed.
    fn waiting_in_lanes(
        &self,
        tx: &mut Tx<'_>,
        entries: &[ReadyEntry],
        capacity: SendCapacity,
    ) -> Result<WaitingInLanes, Error> {
        let mut lanes = Vec::new();
        for entry in entries {
            let position = self.destinations.position(entry.destination)?;
            if let ReadyList::Lane(lane) = entry.list
                && !self.destinations.at(position).state.breaker.is_open()
            {
                lanes.push((entry.destination, lane, self.loads[position].n_free.min(capacity.n_total)));
            }
        }
        waiting::in_lanes(tx, &lanes)
    }

    fn add_candidate(
        &mut self,
        tx: &mut Tx<'_>,
        entry: &ReadyEntry,
        in_lanes: &mut WaitingInLanes,
        capacity: SendCapacity,
    ) -> Result<(), Error> {
        let (seq, list) = (entry.destination, entry.list);
        let position = self.destinations.position(seq)?;
        let destination = self.destinations.at(position);
        let max_waiting = self.loads[position].n_free.min(capacity.n_total);
        let is_open = destination.state.breaker.is_open();
        let has_candidate = self.waiting.iter().any(|(other, _)| *other == seq);
        let waiting: Vec<_> = match list {
            // An open circuit breaker lets only one webhook through, whichever list the destination is in.
            _ if is_open && has_candidate => return Ok(()),
            _ if is_open => waiting::probe(tx, destination, capacity.n_retries > 0)?.into_iter().collect(),
            ReadyList::Urgent => waiting::last_chances(tx, seq, max_waiting)?,
            ReadyList::Lane(lane) => {
                let waiting = in_lanes.remove(&(seq, lane)).unwrap_or_default();
                waiting.into_iter().map(|webhook| (webhook, lane)).collect()
            }
        };
        let lane = match (list, &waiting[..]) {
            (_, [(_, lane)]) if is_open => *lane,
            (ReadyList::Lane(lane), _) => lane,
            (ReadyList::Urgent, _) => Lane::First,
        };
        let n_waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        let address = destination.state.address.as_ref();
        let address = address.and_then(|address| self.address_index.get(address).copied());
        self.candidates.push(Candidate { destination: position, address, lane, n_waiting });
        self.waiting.push((seq, waiting));
        Ok(())
    }

    /// Takes leases on the first `chosen[i]` webhooks of each candidate `i`, and writes the changed
    /// destinations to the database. Returns the leases in the order of their due times.
    fn lease(
        mut self,
        tx: &mut Tx<'_>,
        chosen: &[u32],
        owner: Option<i64>,
        until_ms: i64,
    ) -> Result<Vec<Lease<DueWebhook>>, Error> {
        let now_ms = tx.now_ms();
        let (mut seqs, mut visited, mut lanes) = (Vec::new(), Vec::new(), BTreeSet::new());
        for ((destination, waiting), n) in self.waiting.iter().zip(chosen) {
            let taken = waiting.iter().take(*n as usize);
            seqs.extend(taken.clone().map(|(seq, _)| *seq));
            lanes.extend(taken.map(|(_, lane)| (*destination, *lane)));
            visited.push((*destination, *n));
        }
        let leases = lease_webhooks(tx, &seqs, owner, until_ms)?;
        let (mut deltas, mut transitions) = (Deltas::default(), Vec::new());
        for lease in &leases {
            let dispatched = Scheduled.dispatched(now_ms);
            deltas.add(lease.value.account, Delta::default().with_transition(&dispatched));
            transitions.push((lease.seq, dispatched));
        }
        write_statuses(tx, &transitions)?;
        deltas.apply(tx)?;
        let limits = tx.limits();
        for (destination, n) in visited.into_iter().filter(|(_, n)| *n > 0) {
            self.destinations.get_mut(destination)?.state.record_claim(n, now_ms, &limits);
        }
        self.destinations.refresh_earliest_due(tx, &lanes.into_iter().collect::<Vec<_>>())?;
        self.save(tx)?;
        Ok(leases)
    }

    /// Writes the visited destinations to the database. A destination whose IP address has no free capacity
    /// does not become ready until another webhook to this address ends.
    fn save(mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for (destination, load) in self.destinations.iter_mut().zip(&self.loads) {
            if destination.due.last_chance_due_ms.is_some() || destination.due.other_path_due_ms.is_some() {
                destination.refresh_urgent(tx)?;
            }
            let address = destination.state.address.as_ref();
            let index = address.and_then(|address| self.address_index.get(address));
            destination.state.address_is_full =
                index.is_some_and(|index| self.n_at_address[*index] >= load.address_limit);
        }
        self.destinations.save(tx)
    }
}

/// Takes leases on webhooks, opens their attempts, and reads the contents to send. Returns the leases in the
/// order of their due times.
fn lease_webhooks(
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
