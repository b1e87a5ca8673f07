//! The rows of destinations. The row of a destination stores its state, such as the concurrency limit, the
//! earliest due time of its waiting webhooks, and its ready time. The ready time is the time from which on a
//! claim may take one of these webhooks, as the module `destination` computes it. An index on the ready times
//! lets a claim find the ready destinations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Params, Tx, columns, params, statements, waiting};
use crate::destination::{Breaker, Concurrency, DeliveryLimits, DestinationState, Lane};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::authority::Authority;

/// The largest number of destinations that become ready when a webhook to their IP address ends and frees
/// capacity at this address.
const MAX_WOKEN: i64 = 2;

columns! {
    Concurrency as concurrency_columns, read + write {
        limit = "concurrency_limit", baseline_ms, measured_ms, measurement, n_answers, latency_sum_ms,
        round_start_ms, is_limit_reached, reduced_ms
    }
}
columns! {
    Breaker as breaker_columns, read + write { n_failures, n_openings, down_since_ms, failed_path }
}
columns! {
    DestinationState as state_columns, read + write {
        n_leased, concurrency: concurrency_columns, breaker: breaker_columns, paused_until_ms, pause, address,
        address_is_full, last_claimed_ms
    }
}
columns! {
    DueTimes as due_columns, read + write { first_due_ms, retry_due_ms, last_chance_due_ms, other_path_due_ms }
}
columns! {
    Destination as destination_columns, read { seq, state: state_columns, due: due_columns }
}
columns! {
    SavedDestination<'_> as saved_columns, write {
        state: state_columns, due: due_columns, first_ready_ms, retry_ready_ms, urgent_ready_ms
    }
}

statements! {
    FIND["of_account, of_authority"] = concat!(
        "SELECT account, authority, ", destination_columns!(), " FROM {rows}, destinations
         WHERE account = v.of_account AND authority = v.of_authority"
    );
    LOAD["destination"] = concat!(
        "SELECT ", destination_columns!(), " FROM {rows}, destinations WHERE seq = v.destination"
    );
    ADD["account, authority, concurrency_limit"] =
        "INSERT INTO destinations (account, authority, concurrency_limit)
         SELECT v.account, v.authority, v.concurrency_limit FROM {rows} RETURNING account, authority, seq";
    SAVE[concat!(saved_columns!(), ", destination")] = concat!(
        "UPDATE destinations SET ", saved_columns!(set_of_rows), " FROM {rows} WHERE seq = v.destination"
    );
    EARLIEST_IN_LANE["of_destination, of_lane"] =
        "SELECT v.of_destination, v.of_lane,
                (SELECT due_ms FROM webhook_queue
                 WHERE destination = v.of_destination AND lane = v.of_lane AND lease_until_ms IS NULL
                   AND is_last_chance = 0
                 ORDER BY due_ms LIMIT 1)
         FROM {rows}";
    EARLIEST_LAST_CHANCE = "SELECT due_ms FROM webhook_queue
                            WHERE destination = ?1 AND lease_until_ms IS NULL AND is_last_chance = 1
                            ORDER BY due_ms LIMIT 1";
    ADDRESSES_WITH_WAITING["of_address"] =
        "SELECT v.of_address FROM {rows}
         WHERE EXISTS (SELECT 1 FROM destinations WHERE address = v.of_address AND address_is_full = 1)";
    WAITING_FOR_ADDRESS = "SELECT seq FROM destinations WHERE address = ?1 AND address_is_full = 1
                           ORDER BY last_claimed_ms LIMIT ?2";
}

/// A destination and the earliest due times of its waiting webhooks.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) seq: i64,
    pub(super) state: DestinationState,
    pub(super) due: DueTimes,
}

/// The earliest due times of the waiting webhooks of a destination.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DueTimes {
    /// The earliest due time in the lane of first attempts.
    pub(super) first_due_ms: Option<i64>,
    /// The earliest due time in the lane of retries.
    pub(super) retry_due_ms: Option<i64>,
    /// The earliest due time of the webhooks that get their only attempt at their expiry. These webhooks are
    /// in neither lane.
    pub(super) last_chance_due_ms: Option<i64>,
    /// The earliest due time of the first attempts that may be sent during a pause, because only another URL
    /// path has failed. The stored time may be too early, or `None` although such webhooks wait.
    pub(super) other_path_due_ms: Option<i64>,
}

/// The columns that [`Destination::save`] writes.
struct SavedDestination<'a> {
    state: &'a DestinationState,
    due: &'a DueTimes,
    /// The time from which on a claim may take a first attempt. `None` if no first attempt waits or the
    /// destination has no free capacity.
    first_ready_ms: Option<i64>,
    /// The time from which on a claim may take a retry. `None` if no retry waits or the destination has no
    /// free capacity.
    retry_ready_ms: Option<i64>,
    /// The time from which on a claim may take a webhook that does not wait for the end of a pause.
    urgent_ready_ms: Option<i64>,
}

/// The sequence number of each destination, by its account and authority.
pub(super) type SeqsByKey = HashMap<(AccountId, Authority), i64>;

/// Destinations that one operation reads, changes and saves together.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    all: Vec<Destination>,
    /// The position of each destination in `all`, by its sequence number.
    index: HashMap<i64, usize>,
}

impl Destinations {
    /// Loads the destinations with these sequence numbers.
    pub(super) fn load(tx: &mut Tx<'_>, seqs: impl IntoIterator<Item = i64>) -> Result<Self, Error> {
        let seqs: BTreeSet<_> = seqs.into_iter().collect();
        let rows: Vec<_> = seqs.iter().map(Params::of).collect();
        let mut destinations = Self::default();
        for loaded in tx.query_all::<Destination>(&LOAD, &rows)? {
            destinations.push(loaded.clamped(tx));
        }
        match seqs.len() - destinations.all.len() {
            0 => Ok(destinations),
            n_missing => Err(Error::Corrupt(format!("{n_missing} destinations are missing"))),
        }
    }

    /// Loads the destinations of accounts and authorities. Creates the destinations that do not exist. Also
    /// returns the sequence number of each destination.
    pub(super) fn load_or_create(
        tx: &mut Tx<'_>,
        keys: impl IntoIterator<Item = (AccountId, Authority)>,
    ) -> Result<(Self, SeqsByKey), Error> {
        let mut missing: BTreeSet<_> = keys.into_iter().collect();
        let rows: Vec<_> =
            missing.iter().map(|(account, authority)| Params::of(account).and(authority)).collect();
        let (mut destinations, mut seqs) = (Self::default(), SeqsByKey::new());
        for (account, authority, found) in
            tx.query_all::<(AccountId, Authority, Destination)>(&FIND, &rows)?
        {
            seqs.insert((account, authority), found.seq);
            destinations.push(found.clamped(tx));
        }
        missing.retain(|key| !seqs.contains_key(key));
        let state = DestinationState::new(&tx.limits());
        let rows: Vec<_> = missing
            .iter()
            .map(|(account, authority)| Params::of(account).and(authority).and(&state.concurrency.limit))
            .collect();
        for (account, authority, seq) in tx.query_all::<(AccountId, Authority, i64)>(&ADD, &rows)? {
            seqs.insert((account, authority), seq);
            destinations.push(Destination { seq, state: state.clone(), due: DueTimes::default() });
        }
        Ok((destinations, seqs))
    }

    fn only(mut self) -> Result<Destination, Error> {
        self.all.pop().ok_or_else(|| Error::Corrupt("a destination is missing".to_owned()))
    }

    fn push(&mut self, destination: Destination) {
        self.index.insert(destination.seq, self.all.len());
        self.all.push(destination);
    }

    /// Returns the position of a destination in the order of [`Destinations::iter`].
    pub(super) fn position(&self, seq: i64) -> Result<usize, Error> {
        self.index
            .get(&seq)
            .copied()
            .ok_or_else(|| Error::Corrupt(format!("destination {seq} was not loaded")))
    }

    /// Returns the destination at a position.
    pub(super) fn at(&self, position: usize) -> &Destination {
        &self.all[position]
    }

    pub(super) fn get_mut(&mut self, seq: i64) -> Result<&mut Destination, Error> {
        let position = self.position(seq)?;
        Ok(&mut self.all[position])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Destination> {
        self.all.iter_mut()
    }

    /// Reads the earliest due times of lanes from the queue again. This is needed after webhooks left the
    /// lanes or changed their due times.
    pub(super) fn refresh_earliest_due(
        &mut self,
        tx: &mut Tx<'_>,
        lanes: &[(i64, Lane)],
    ) -> Result<(), Error> {
        let rows: Vec<_> = lanes.iter().map(|(seq, lane)| Params::of(seq).and(lane)).collect();
        for (seq, lane, due_ms) in tx.query_all::<(i64, Lane, Option<i64>)>(&EARLIEST_IN_LANE, &rows)? {
            *self.get_mut(seq)?.earliest_due_ms(lane) = due_ms;
        }
        Ok(())
    }

    /// Writes the destinations, and updates the queue's due time with the times at which they are ready.
    pub(super) fn save(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let limits = tx.limits();
        let saved: Vec<_> = self.all.iter().map(|destination| destination.saved(&limits)).collect();
        let rows: Vec<_> = saved
            .iter()
            .zip(&self.all)
            .map(|(row, destination)| Params::of(row).and(&destination.seq))
            .collect();
        tx.execute_each(&SAVE, &rows)?;
        let ready =
            |row: &SavedDestination<'_>| [row.first_ready_ms, row.retry_ready_ms, row.urgent_ready_ms];
        if let Some(ready_ms) = saved.iter().flat_map(ready).flatten().min() {
            tx.update_due_time(Queue::Webhooks, DueUpdate::WorkDueAt(ready_ms));
        }
        Ok(())
    }

    /// Writes the destinations after some of their webhooks have ended. For each webhook that has ended, up to
    /// [`MAX_WOKEN`] destinations that wait for capacity at the same IP address become ready. `ended` contains
    /// the destination of each webhook that has ended.
    pub(super) fn save_and_wake_waiting(&self, tx: &mut Tx<'_>, ended: &[i64]) -> Result<(), Error> {
        self.save(tx)?;
        let mut n_woken = BTreeMap::<&String, i64>::new();
        for seq in ended {
            if let Some(address) = &self.all[self.position(*seq)?].state.address {
                *n_woken.entry(address).or_default() += MAX_WOKEN;
            }
        }
        let rows: Vec<_> = n_woken.keys().map(|address| Params::of(*address)).collect();
        let mut seqs: Vec<i64> = Vec::new();
        for address in tx.query_all::<String>(&ADDRESSES_WITH_WAITING, &rows)? {
            let n_woken = n_woken.get(&address).copied().unwrap_or_default();
            seqs.extend(tx.query::<i64>(&WAITING_FOR_ADDRESS, params![address, n_woken])?);
        }
        if seqs.is_empty() {
            return Ok(());
        }
        let mut waiting = Self::load(tx, seqs)?;
        for destination in waiting.iter_mut() {
            destination.state.address_is_full = false;
        }
        waiting.save(tx)
    }
}

impl From<Destination> for Destinations {
    fn from(destination: Destination) -> Self {
        let mut destinations = Self::default();
        destinations.push(destination);
        destinations
    }
}

impl Destination {
    /// Loads the destination of an account and an authority. Creates the destination if it does not exist.
    pub(super) fn load_or_create(
        tx: &mut Tx<'_>,
        account: AccountId,
        authority: &Authority,
    ) -> Result<Self, Error> {
        Destinations::load_or_create(tx, [(account, authority.clone())])?.0.only()
    }

    pub(super) fn load(tx: &mut Tx<'_>, seq: i64) -> Result<Self, Error> {
        Destinations::load(tx, [seq])?.only()
    }

    /// Corrects stored times that are in the future because the clock was set back after the times were
    /// stored.
    fn clamped(mut self, tx: &Tx<'_>) -> Self {
        self.state.clamp_to_clock(tx.now_ms(), &tx.limits());
        self
    }

    /// Records that a webhook was put into a lane.
    pub(super) fn webhook_added(&mut self, lane: Lane, due_ms: i64) {
        let earliest_ms = self.earliest_due_ms(lane);
        *earliest_ms = Some(earliest_ms.map_or(due_ms, |earliest_ms| earliest_ms.min(due_ms)));
    }

    /// Records that the lease on a webhook ended. If the webhook returned to the queue, `lane` and `due_ms` say
    /// where and when it waits.
    pub(super) fn lease_ended(&mut self, lane: Lane, due_ms: Option<i64>) {
        self.state.end_lease();
        if let Some(due_ms) = due_ms {
            self.webhook_added(lane, due_ms);
        }
    }

    /// Reads the earliest due time of a lane from the queue again. This is needed after webhooks left the
    /// lane or changed their due times.
    pub(super) fn refresh_earliest_due(&mut self, tx: &mut Tx<'_>, lane: Lane) -> Result<(), Error> {
        let found: Vec<(i64, Lane, Option<i64>)> =
            tx.query_all(&EARLIEST_IN_LANE, &[Params::of(&self.seq).and(&lane)])?;
        *self.earliest_due_ms(lane) = found.first().and_then(|(.., due_ms)| *due_ms);
        Ok(())
    }

    /// Reads again the earliest due times of the webhooks that do not wait for the end of a pause.
    pub(super) fn refresh_urgent(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        self.due.last_chance_due_ms = tx.query_optional(&EARLIEST_LAST_CHANCE, params![self.seq])?;
        self.refresh_other_path(tx)
    }

    /// Reads the earliest due time of the first attempts that may be sent although the circuit breaker is
    /// open, because only another URL path has failed.
    pub(super) fn refresh_other_path(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        self.due.other_path_due_ms = match self.state.only_failed_path(tx.now_ms()) {
            Some(path) => {
                waiting::of_another_path(tx, self.seq, Lane::First, path)?.map(|(due_ms, _)| due_ms)
            }
            None => None,
        };
        Ok(())
    }

    /// Writes the destination, and updates the queue's due time with the time at which the destination is
    /// ready.
    pub(super) fn save(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        Destinations::from(self).save(tx)
    }

    /// Writes the destination to the database after one of its webhooks has ended. Other destinations that
    /// wait for capacity at the same IP address become ready.
    pub(super) fn save_and_wake_waiting(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let seq = self.seq;
        Destinations::from(self).save_and_wake_waiting(tx, &[seq])
    }

    fn saved(&self, limits: &DeliveryLimits) -> SavedDestination<'_> {
        let (state, due) = (&self.state, &self.due);
        let urgent_due_ms = [due.last_chance_due_ms, due.other_path_due_ms].into_iter().flatten().min();
        SavedDestination {
            state,
            due,
            first_ready_ms: state.ready_ms(due.first_due_ms, limits),
            retry_ready_ms: state.ready_ms(due.retry_due_ms, limits),
            urgent_ready_ms: state.urgent_ready_ms(urgent_due_ms, limits),
        }
    }

    fn earliest_due_ms(&mut self, lane: Lane) -> &mut Option<i64> {
        match lane {
            Lane::First => &mut self.due.first_due_ms,
            Lane::Retry => &mut self.due.retry_due_ms,
        }
    }
}
