//! The rows of destinations. The row of a destination stores its state, such as the concurrency limit, the
//! earliest due time of its waiting webhooks, and its ready time. The ready time is the time from which on a
//! claim may take one of these webhooks, as the module `destination` computes it. An index on the ready times
//! lets a claim find the ready destinations.

use super::{Params, Tx, columns, params, statements, waiting};
use crate::destination::{Breaker, Concurrency, DestinationState, Lane};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::authority::Authority;

/// The time for which the row of an idle destination is kept, in milliseconds.
const IDLE_LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;

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
    FIND = concat!(
        "SELECT ", destination_columns!(), " FROM destinations WHERE account = ?1 AND authority = ?2"
    );
    LOAD = concat!("SELECT ", destination_columns!(), " FROM destinations WHERE seq = ?1");
    ADD = "INSERT INTO destinations (account, authority, concurrency_limit) VALUES (?1, ?2, ?3)
           RETURNING seq";
    SAVE = concat!("UPDATE destinations SET ", saved_columns!(set), " WHERE seq = ?");
    FIRST_READY = "SELECT first_ready_ms, seq FROM destinations WHERE first_ready_ms <= ?1 AND n_leased < ?2
                   ORDER BY first_ready_ms, seq LIMIT ?3";
    RETRY_READY = "SELECT retry_ready_ms, seq FROM destinations WHERE retry_ready_ms <= ?1 AND n_leased < ?2
                   ORDER BY retry_ready_ms, seq LIMIT ?3";
    URGENT_READY = "SELECT urgent_ready_ms, seq FROM destinations
                    WHERE urgent_ready_ms <= ?1 AND n_leased < ?2
                    ORDER BY urgent_ready_ms, seq LIMIT ?3";
    NEXT_FIRST = "SELECT first_ready_ms FROM destinations WHERE first_ready_ms IS NOT NULL AND n_leased < ?1
                  ORDER BY first_ready_ms LIMIT 1";
    NEXT_RETRY = "SELECT retry_ready_ms FROM destinations WHERE retry_ready_ms IS NOT NULL AND n_leased < ?1
                  ORDER BY retry_ready_ms LIMIT 1";
    NEXT_URGENT = "SELECT urgent_ready_ms FROM destinations
                   WHERE urgent_ready_ms IS NOT NULL AND n_leased < ?1
                   ORDER BY urgent_ready_ms LIMIT 1";
    EARLIEST_IN_LANE = "SELECT due_ms FROM webhook_queue
                        WHERE destination = ?1 AND lane = ?2 AND lease_until_ms IS NULL
                          AND is_last_chance = 0
                        ORDER BY due_ms LIMIT 1";
    EARLIEST_LAST_CHANCE = "SELECT due_ms FROM webhook_queue
                            WHERE destination = ?1 AND lease_until_ms IS NULL AND is_last_chance = 1
                            ORDER BY due_ms LIMIT 1";
    /// The result has at most one row for each webhook that is being sent.
    LEASED_AT_ADDRESS = "SELECT n_leased FROM destinations WHERE address = ?1 AND n_leased > 0";
    WAITING_FOR_ADDRESS = "SELECT seq FROM destinations WHERE address = ?1 AND address_is_full = 1
                           ORDER BY last_claimed_ms LIMIT ?2";
    FIRST_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE first_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    RETRY_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE retry_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    URGENT_IN_FUTURE = "SELECT seq FROM destinations WHERE urgent_ready_ms > ?1 AND last_claimed_ms > ?1";
    DELETE_IDLE = "DELETE FROM destinations
                   WHERE seq IN (SELECT seq FROM destinations
                                 WHERE first_due_ms IS NULL AND retry_due_ms IS NULL
                                   AND last_chance_due_ms IS NULL AND last_claimed_ms < ?1
                                 ORDER BY last_claimed_ms LIMIT ?2)
                     AND n_leased = 0";
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

/// The lists of ready destinations that a claim reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadyList {
    /// Destinations with webhooks that do not wait for the end of a pause.
    Urgent,
    /// Destinations with webhooks in a lane.
    Lane(Lane),
}

impl Destination {
    /// Loads the destination of an account and an authority. Creates the destination if it does not exist.
    pub(super) fn load_or_create(
        tx: &mut Tx<'_>,
        account: AccountId,
        authority: &Authority,
    ) -> Result<Self, Error> {
        if let Some(found) = tx.query_optional::<Self>(&FIND, params![account, authority])? {
            return Ok(found.clamped(tx));
        }
        let state = DestinationState::new(&tx.limits());
        let seq = tx.query_one(&ADD, params![account, authority, state.concurrency.limit])?;
        Ok(Self { seq, state, due: DueTimes::default() })
    }

    pub(super) fn load(tx: &mut Tx<'_>, seq: i64) -> Result<Self, Error> {
        Ok(tx.query_one::<Self>(&LOAD, params![seq])?.clamped(tx))
    }

    /// Corrects stored times that are in the future because the clock was set back after the times were
    /// stored.
    fn clamped(mut self, tx: &Tx<'_>) -> Self {
        self.state.clamp_to_clock(tx.now_ms(), &tx.limits());
        self
    }

    /// Records that a claim visited the destination and leased `n` webhooks from the given lanes.
    pub(super) fn claimed(&mut self, tx: &mut Tx<'_>, n: u32, lanes: &[Lane]) -> Result<(), Error> {
        let is_urgent = self.due.last_chance_due_ms.is_some() || self.due.other_path_due_ms.is_some();
        if n > 0 {
            self.state.record_claim(n, tx.now_ms(), &tx.limits());
            for lane in lanes {
                self.refresh_earliest_due(tx, *lane)?;
            }
        }
        if is_urgent { self.refresh_urgent(tx) } else { Ok(()) }
    }

    /// Records that a webhook was put into a lane.
    pub(super) fn webhook_added(&mut self, lane: Lane, due_ms: i64) {
        let earliest_ms = self.earliest_due_ms(lane);
        *earliest_ms = Some(earliest_ms.map_or(due_ms, |earliest_ms| earliest_ms.min(due_ms)));
    }

    /// Reads the earliest due time of a lane from the queue again. This is needed after webhooks left the
    /// lane or changed their due times.
    pub(super) fn refresh_earliest_due(&mut self, tx: &mut Tx<'_>, lane: Lane) -> Result<(), Error> {
        *self.earliest_due_ms(lane) = tx.query_optional(&EARLIEST_IN_LANE, params![self.seq, lane])?;
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
    pub(super) fn save(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let (state, due, limits) = (&self.state, &self.due, tx.limits());
        let urgent_due_ms = [due.last_chance_due_ms, due.other_path_due_ms].into_iter().flatten().min();
        let first_ready_ms = state.ready_ms(due.first_due_ms, &limits);
        let retry_ready_ms = state.ready_ms(due.retry_due_ms, &limits);
        let urgent_ready_ms = state.urgent_ready_ms(urgent_due_ms, &limits);
        let row = SavedDestination { state, due, first_ready_ms, retry_ready_ms, urgent_ready_ms };
        tx.execute(&SAVE, Params::of(&row).and(&self.seq).as_slice())?;
        if let Some(ready_ms) = [first_ready_ms, retry_ready_ms, urgent_ready_ms].into_iter().flatten().min()
        {
            tx.update_due_time(Queue::Webhooks, DueUpdate::WorkDueAt(ready_ms));
        }
        Ok(())
    }

    /// Writes the destination to the database after one of its webhooks has ended. Up to [`MAX_WOKEN`]
    /// destinations that wait for capacity at the same IP address become ready.
    pub(super) fn save_and_wake_waiting(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        self.save(tx)?;
        let Some(address) = &self.state.address else { return Ok(()) };
        for seq in tx.query(&WAITING_FOR_ADDRESS, params![address, MAX_WOKEN])? {
            let mut waiting = Self::load(tx, seq)?;
            waiting.state.address_is_full = false;
            waiting.save(tx)?;
        }
        Ok(())
    }

    fn earliest_due_ms(&mut self, lane: Lane) -> &mut Option<i64> {
        match lane {
            Lane::First => &mut self.due.first_due_ms,
            Lane::Retry => &mut self.due.retry_due_ms,
        }
    }
}

/// Up to `limit` destinations of a list from which a claim may take webhooks now, longest ready first. Leaves
/// out destinations with `threshold` or more leased webhooks. Each returned pair holds the time from which on
/// a destination is ready, and the sequence number of the destination.
pub(super) fn ready(
    tx: &mut Tx<'_>,
    list: ReadyList,
    threshold: u32,
    limit: u32,
) -> Result<Vec<(i64, i64)>, Error> {
    let now_ms = tx.now_ms();
    let statement = match list {
        ReadyList::Urgent => &URGENT_READY,
        ReadyList::Lane(Lane::First) => &FIRST_READY,
        ReadyList::Lane(Lane::Retry) => &RETRY_READY,
    };
    tx.query(statement, params![now_ms, threshold, limit])
}

/// The earliest time at which a destination of `list` is ready. Leaves out destinations with `threshold` or
/// more leased webhooks.
pub(super) fn next_ready_ms(tx: &mut Tx<'_>, list: ReadyList, threshold: u32) -> Result<Option<i64>, Error> {
    let statement = match list {
        ReadyList::Urgent => &NEXT_URGENT,
        ReadyList::Lane(Lane::First) => &NEXT_FIRST,
        ReadyList::Lane(Lane::Retry) => &NEXT_RETRY,
    };
    tx.query_optional(statement, params![threshold])
}

/// Returns the number of webhooks that are being sent to an IP address.
pub(super) fn n_leased_at(tx: &mut Tx<'_>, address: &str) -> Result<u32, Error> {
    Ok(tx.query::<u32>(&LEASED_AT_ADDRESS, params![address])?.into_iter().sum())
}

/// Corrects every destination whose stored times are in the future because the clock was set back.
pub(crate) fn clamp_to_clock(tx: &mut Tx<'_>) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let latest_ms = now_ms.saturating_add(tx.limits().max_any_pause_ms());
    for statement in [&FIRST_IN_FUTURE, &RETRY_IN_FUTURE] {
        for seq in tx.query(statement, params![now_ms, latest_ms])? {
            Destination::load(tx, seq)?.save(tx)?;
        }
    }
    for seq in tx.query(&URGENT_IN_FUTURE, params![now_ms])? {
        Destination::load(tx, seq)?.save(tx)?;
    }
    Ok(())
}

/// Deletes up to `limit` destinations that have been idle for [`IDLE_LIFETIME_MS`].
pub(super) fn delete_idle(tx: &mut Tx<'_>, limit: u32) -> Result<(), Error> {
    let before_ms = tx.now_ms().saturating_sub(IDLE_LIFETIME_MS);
    tx.execute(&DELETE_IDLE, params![before_ms, limit])?;
    Ok(())
}
