//! Chooses the webhooks that a claim leases: reads the ready destinations and their waiting webhooks, and writes
//! the destinations after the claim.

use std::collections::{BTreeSet, HashMap};

use super::Tx;
use super::counters::{Delta, Deltas};
use super::destinations::Destinations;
use super::ready_destinations::{self, ReadyList};
use super::waiting::{self, WaitingInLanes};
use super::webhook_leases;
use super::webhooks::write_statuses;
use crate::destination::{Candidate, Lane, Load, SendCapacity};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::webhook::DueWebhook;
use crate::state::Scheduled;

/// The data from which one claim decides which webhooks to lease: the ready destinations, and the free
/// capacity of each destination and of each IP address.
#[derive(Default)]
pub(super) struct ClaimPlan {
    destinations: Destinations,
    /// The number of leased webhooks and the limits of each destination, in the order of `destinations`.
    pub(super) loads: Vec<Load>,
    /// The number of leased webhooks at each IP address of a destination.
    pub(super) n_at_address: Vec<u32>,
    /// The position of each IP address in `n_at_address`.
    address_index: HashMap<String, usize>,
    /// The lists of destinations that may get a webhook.
    pub(super) candidates: Vec<Candidate>,
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

impl ClaimPlan {
    /// Reads the ready destinations, longest ready first, and the webhooks that the claim may take from each
    /// of them.
    pub(super) fn new(tx: &mut Tx<'_>, capacity: SendCapacity) -> Result<Self, Error> {
        // The sort below is stable: of several lists with the same ready time, the first one comes first.
        let lists = [
            (ReadyList::Urgent, capacity.n_total),
            (ReadyList::Lane(Lane::First), capacity.n_total),
            (ReadyList::Lane(Lane::Retry), capacity.n_total.min(capacity.n_retries)),
        ];
        let mut entries = Vec::new();
        for (list, n_free) in lists {
            let threshold = tx.limits().threshold(n_free);
            let ready = ready_destinations::ready(tx, list, threshold, n_free)?;
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
        let mut n_leased = ready_destinations::n_leased_at(tx, addresses)?;
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
    pub(super) fn lease(
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
        let leases = webhook_leases::lease(tx, &seqs, owner, until_ms)?;
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
