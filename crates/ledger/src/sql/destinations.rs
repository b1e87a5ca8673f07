//! The rows of destinations. The row of a destination stores its state, such as the concurrency limit, the
//! earliest due time of its waiting webhooks, and its ready time. The ready time is the time from which on a
//! claim may take one of these webhooks, as the module `destination` computes it. An index on the ready times
//! lets a claim find the ready destinations.

use super::{Params, Tx, columns, params, statements};
use crate::destination::{DestinationState, Lane};
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
    DestinationState as state_columns, read + write {
        n_leased, concurrency_limit, n_failures, n_openings, paused_until_ms, pause, address, address_is_full,
        last_claimed_ms
    }
}
columns! {
    Destination as destination_columns, read { seq, state: state_columns, first_due_ms, retry_due_ms }
}
columns! {
    SavedDestination<'_> as saved_columns, write {
        state: state_columns, first_due_ms, retry_due_ms, first_ready_ms, retry_ready_ms
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
    FIRST_READY = "SELECT first_ready_ms, seq FROM destinations WHERE first_ready_ms <= ?1
                   ORDER BY first_ready_ms, seq LIMIT ?2 {skip_locked}";
    RETRY_READY = "SELECT retry_ready_ms, seq FROM destinations WHERE retry_ready_ms <= ?1
                   ORDER BY retry_ready_ms, seq LIMIT ?2 {skip_locked}";
    NEXT_FIRST = "SELECT first_ready_ms FROM destinations WHERE first_ready_ms IS NOT NULL
                  ORDER BY first_ready_ms LIMIT 1";
    NEXT_RETRY = "SELECT retry_ready_ms FROM destinations WHERE retry_ready_ms IS NOT NULL
                  ORDER BY retry_ready_ms LIMIT 1";
    EARLIEST_IN_LANE = "SELECT due_ms FROM webhook_queue
                        WHERE destination = ?1 AND lane = ?2 AND lease_until_ms IS NULL
                        ORDER BY due_ms LIMIT 1";
    /// This query returns at most one row for each webhook that is being sent.
    LEASED_AT_ADDRESS = "SELECT n_leased FROM destinations WHERE address = ?1 AND n_leased > 0";
    WAITING_FOR_ADDRESS = "SELECT seq FROM destinations WHERE address = ?1 AND address_is_full = 1
                           ORDER BY last_claimed_ms LIMIT ?2";
    FIRST_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE first_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    RETRY_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE retry_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    DELETE_IDLE = "DELETE FROM destinations
                   WHERE seq IN (SELECT seq FROM destinations
                                 WHERE first_due_ms IS NULL AND retry_due_ms IS NULL AND last_claimed_ms < ?1
                                 ORDER BY last_claimed_ms LIMIT ?2)
                     AND n_leased = 0";
}

/// A destination, with the earliest due time in each of its two lanes.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) seq: i64,
    pub(super) state: DestinationState,
    first_due_ms: Option<i64>,
    retry_due_ms: Option<i64>,
}

/// The columns that [`Destination::save`] writes.
struct SavedDestination<'a> {
    state: &'a DestinationState,
    first_due_ms: Option<i64>,
    retry_due_ms: Option<i64>,
    /// The time from which on a claim may take a first attempt. `None` if no first attempt waits or the
    /// destination has no free capacity.
    first_ready_ms: Option<i64>,
    /// The time from which on a claim may take a retry. `None` if no retry waits or the destination has no
    /// free capacity.
    retry_ready_ms: Option<i64>,
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
        let seq = tx.query_one(&ADD, params![account, authority, state.concurrency_limit])?;
        Ok(Self { seq, state, first_due_ms: None, retry_due_ms: None })
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

    /// Records that a webhook with the due time `due_ms` was put into a lane.
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

    /// Writes the destination to the database. If the destination becomes ready earlier than all other work,
    /// the due time of the queue is updated.
    pub(super) fn save(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let (state, limits) = (&self.state, tx.limits());
        let (first_due_ms, retry_due_ms) = (self.first_due_ms, self.retry_due_ms);
        let first_ready_ms = state.ready_ms(first_due_ms, &limits);
        let retry_ready_ms = state.ready_ms(retry_due_ms, &limits);
        let row = SavedDestination { state, first_due_ms, retry_due_ms, first_ready_ms, retry_ready_ms };
        tx.execute(&SAVE, Params::of(&row).and(&self.seq).as_slice())?;
        if let Some(ready_ms) = [first_ready_ms, retry_ready_ms].into_iter().flatten().min() {
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
            Lane::First => &mut self.first_due_ms,
            Lane::Retry => &mut self.retry_due_ms,
        }
    }
}

/// Returns up to `limit` destinations from which a claim may take webhooks of a lane now, longest ready
/// first. Each pair contains the ready time and the sequence number of a destination.
pub(super) fn ready(tx: &mut Tx<'_>, lane: Lane, limit: u32) -> Result<Vec<(i64, i64)>, Error> {
    let now_ms = tx.now_ms();
    let statement = match lane {
        Lane::First => &FIRST_READY,
        Lane::Retry => &RETRY_READY,
    };
    tx.query(statement, params![now_ms, limit])
}

/// Returns the earliest time at which any destination is ready to send a webhook of a lane.
pub(super) fn next_ready_ms(tx: &mut Tx<'_>, lane: Lane) -> Result<Option<i64>, Error> {
    let statement = match lane {
        Lane::First => &NEXT_FIRST,
        Lane::Retry => &NEXT_RETRY,
    };
    tx.query_optional(statement, params![])
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
    Ok(())
}

/// Deletes up to `limit` destinations that have been idle for [`IDLE_LIFETIME_MS`].
pub(super) fn delete_idle(tx: &mut Tx<'_>, limit: u32) -> Result<(), Error> {
    let before_ms = tx.now_ms().saturating_sub(IDLE_LIFETIME_MS);
    tx.execute(&DELETE_IDLE, params![before_ms, limit])?;
    Ok(())
}
