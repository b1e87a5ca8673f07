//! Taking webhooks that are to be sent: who comes next, under which lease, and what becomes of leases that ran out.

use std::collections::{BTreeMap, HashMap};

use super::counters::Delta;
use super::destinations::{self, Destination};
use super::webhooks::{enter, expire, step};
use super::{Row, Tx, attempts, bulk, column, headers, params, statements};
use crate::destination::{Candidate, Fairness, Lane, Room, share};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{DueWebhook, Why};
use crate::state::{Dispatched, Scheduled};
use crate::wake::{Queue, Wake};

statements! {
    WAITING = "SELECT no FROM webhook_queue
               WHERE destination = ?1 AND lane = ?2 AND lease_until_ms IS NULL AND due_ms <= ?3
                 AND (expires_ms IS NULL OR expires_ms > ?3)
               ORDER BY due_ms, no LIMIT ?4 {skip_locked}";
    TAKE = "UPDATE webhook_queue SET fence = fence + 1, attempt = attempt + 1, lease_until_ms = ?2 WHERE no = ?1
            RETURNING due_ms, fence, attempt, n_counted, lane, expires_ms";
    DUE = "SELECT r.id, r.account, r.webhook_url, r.webhook_authority, r.webhook_headers, p.payload, r.webhook_retry,
                  r.created_ms, p.finished_ms
           FROM requests r JOIN payloads p ON p.no = r.no WHERE r.no = ?1";
    REAP = "UPDATE webhook_queue SET lease_until_ms = NULL, due_ms = ?2, why = ?3
            WHERE lease_until_ms <= ?1 RETURNING no, account, destination, lane, attempt, fence";
    NEXT_END = "SELECT lease_until_ms FROM webhook_queue WHERE lease_until_ms IS NOT NULL
                ORDER BY lease_until_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT expires_ms FROM webhook_queue WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL
                   ORDER BY expires_ms LIMIT 1";
}

/// Destinations whose turn it may be, with what is known of them.
#[derive(Default)]
struct Turns {
    destinations: Vec<Destination>,
    n_free: Vec<u32>,
    addresses: HashMap<String, usize>,
    n_address_free: Vec<u32>,
    /// By the number of the database.
    known: HashMap<i64, usize>,
    candidates: Vec<Candidate>,
    /// What waits in each candidate's lane.
    waiting: Vec<Vec<i64>>,
}

pub(crate) fn claim(
    tx: &mut Tx<'_>,
    room: Room,
    lease_ms: i64,
    fairness: &Fairness,
) -> Result<Vec<Lease<DueWebhook>>, Error> {
    let now_ms = tx.now_ms();
    reap(tx, now_ms, fairness)?;
    expire(tx, fairness)?;
    bulk::advance(tx, fairness)?;
    let mut turns = turns(tx, room, fairness)?;
    let shares = share(room, &mut turns.n_free, &mut turns.n_address_free, &turns.candidates);
    let mut leases = Vec::new();
    let until_ms = now_ms.saturating_add(lease_ms);
    let mut deltas = BTreeMap::<AccountId, Delta>::new();
    let mut n_retries = 0;
    for (at, n) in shares.into_iter().enumerate() {
        let candidate = turns.candidates[at];
        for no in turns.waiting[at].iter().take(n as usize) {
            let (due_ms, lease) = take(tx, *no, until_ms)?;
            let dispatched = Scheduled.dispatched(now_ms);
            let delta = deltas.entry(lease.value.account).or_default();
            *delta = delta.with_step(&dispatched);
            enter(tx, lease.no, dispatched)?;
            leases.push((due_ms, lease));
        }
        if candidate.lane == Lane::Retry {
            n_retries += n;
        }
        let destination = &mut turns.destinations[candidate.destination];
        if n > 0 {
            destination.flow.claimed(n, now_ms);
            destination.look_again(tx, candidate.lane)?;
        }
    }
    turns.save(tx, fairness)?;
    for (account, delta) in deltas {
        delta.apply(tx, account)?;
    }
    note_earliest(tx, n_retries < room.n_retries)?;
    leases.sort_by_key(|(due_ms, lease)| (*due_ms, lease.no));
    Ok(leases.into_iter().map(|(_, lease)| lease).collect())
}

/// Takes back every webhook whose lease ended by `until_ms`, and closes its attempt as interrupted, which the schedule
/// does not count. Returns how many.
pub(crate) fn reap(tx: &mut Tx<'_>, until_ms: i64, fairness: &Fairness) -> Result<u64, Error> {
    let now_ms = tx.now_ms();
    let reaped = tx.query(&REAP, params![until_ms, now_ms, Why::Interrupted.as_str()], |row| {
        Ok((row.take()?, row.take()?, row.take()?, row.take()?, row.take()?, row.take()?))
    })?;
    let n_reaped = reaped.len() as u64;
    for (no, account, destination, lane, attempt, fence) in reaped {
        attempts::interrupt(tx, no, attempt, fence)?;
        step(tx, no, account, Dispatched.returned(now_ms))?;
        let mut destination = Destination::load(tx, destination, fairness)?;
        destination.flow.returned();
        destination.waits(Lane::from_number(lane), now_ms);
        destination.save_with_room(tx, fairness)?;
    }
    Ok(n_reaped)
}

/// The lanes that can be served, whoever waited longest first, and what waits in them.
fn turns(tx: &mut Tx<'_>, room: Room, fairness: &Fairness) -> Result<Turns, Error> {
    let mut lanes = Vec::new();
    for (lane, limit) in [(Lane::First, room.n), (Lane::Retry, room.n.min(room.n_retries))] {
        lanes.extend(
            destinations::ready(tx, lane, limit)?.into_iter().map(|(ready_ms, no)| (ready_ms, no, lane)),
        );
    }
    // Stable: of those that waited equally long, first attempts come first.
    lanes.sort_by_key(|(ready_ms, _, _)| *ready_ms);
    let mut turns = Turns::default();
    for (_, no, lane) in lanes {
        turns.add(tx, no, lane, room.n, fairness)?;
    }
    Ok(turns)
}

impl Turns {
    fn add(
        &mut self,
        tx: &mut Tx<'_>,
        no: i64,
        lane: Lane,
        limit: u32,
        fairness: &Fairness,
    ) -> Result<(), Error> {
        let destination = match self.known.get(&no) {
            Some(destination) => *destination,
            None => {
                let loaded = Destination::load(tx, no, fairness)?;
                self.n_free.push(loaded.flow.n_free(fairness));
                self.destinations.push(loaded);
                self.known.insert(no, self.destinations.len() - 1);
                self.destinations.len() - 1
            }
        };
        let address = match self.destinations[destination].flow.address.clone() {
            Some(address) => Some(self.address(tx, address, fairness)?),
            None => None,
        };
        let now_ms = tx.now_ms();
        let n_wanted = self.n_free[destination].min(limit);
        let waiting = tx.query(&WAITING, params![no, lane.number(), now_ms, n_wanted], column)?;
        let n_waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        self.candidates.push(Candidate { destination, address, lane, n_waiting });
        self.waiting.push(waiting);
        Ok(())
    }

    fn address(&mut self, tx: &mut Tx<'_>, address: String, fairness: &Fairness) -> Result<usize, Error> {
        if let Some(known) = self.addresses.get(&address) {
            return Ok(*known);
        }
        let n_leased = destinations::n_leased_at(tx, &address)?;
        self.n_address_free.push(fairness.per_address.max(1).saturating_sub(n_leased));
        self.addresses.insert(address, self.n_address_free.len() - 1);
        Ok(self.n_address_free.len() - 1)
    }

    /// Writes the destinations back. One whose address is full waits until there is room, and is not asked again before.
    fn save(mut self, tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
        for destination in &mut self.destinations {
            let address = destination.flow.address.as_ref().and_then(|address| self.addresses.get(address));
            destination.flow.is_crowded = address.is_some_and(|address| self.n_address_free[*address] == 0);
            destination.save(tx, fairness)?;
        }
        Ok(())
    }
}

/// Puts a webhook under a lease, opens the attempt and reads what is to be sent.
fn take(tx: &mut Tx<'_>, no: i64, until_ms: i64) -> Result<(i64, Lease<DueWebhook>), Error> {
    let taken = tx.query_one(&TAKE, params![no, until_ms], |row| {
        Ok(Taken {
            due_ms: row.take()?,
            fence: row.take()?,
            attempt: row.take()?,
            n_counted: row.take()?,
            lane: row.take()?,
            expires_at_ms: row.take()?,
        })
    })?;
    let Taken { due_ms, fence, attempt, .. } = taken;
    attempts::open(tx, no, attempt, fence)?;
    let value = tx.query_one(&DUE, params![no], |row| read_due(row, &taken))?;
    Ok((due_ms, Lease { value, fence, until_ms, attempt, no }))
}

/// What the queue knows of a webhook.
struct Taken {
    due_ms: i64,
    fence: i64,
    attempt: u32,
    n_counted: u32,
    lane: i64,
    expires_at_ms: Option<i64>,
}

fn read_due(row: &mut Row<'_>, taken: &Taken) -> Result<DueWebhook, Error> {
    Ok(DueWebhook {
        id: row.take()?,
        account: row.take()?,
        url: row.take()?,
        authority: row.take()?,
        headers: headers::decode(&row.take::<String>()?)?,
        payload: row.take()?,
        retry: row.take()?,
        created_ms: row.take()?,
        finished_ms: row.take()?,
        expires_at_ms: taken.expires_at_ms,
        n_counted: taken.n_counted,
        is_retry: Lane::from_number(taken.lane) == Lane::Retry,
    })
}

/// Tells the waiters what can be done first. The end of a lease and of a webhook's time are work as well; retries are
/// none while there is no room for them.
fn note_earliest(tx: &mut Tx<'_>, has_room_for_retries: bool) -> Result<(), Error> {
    let first_ms = destinations::next_ready(tx, Lane::First)?;
    let retry_ms = if has_room_for_retries { destinations::next_ready(tx, Lane::Retry)? } else { None };
    let end_ms = tx.query_optional(&NEXT_END, params![], column)?;
    let expiry_ms = tx.query_optional(&NEXT_EXPIRY, params![], column)?;
    let bulk_ms = bulk::next_due(tx)?;
    let earliest_ms: Option<i64> =
        [first_ms, retry_ms, end_ms, expiry_ms, bulk_ms].into_iter().flatten().min();
    tx.wake(Queue::Webhooks, Wake::Earliest(earliest_ms));
    Ok(())
}
