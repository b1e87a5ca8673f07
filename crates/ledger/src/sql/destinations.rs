//! Destinations: what waits for each of them, how much may be under way, and which come next. What may be sent when is
//! decided in `destination`; here it is kept, and kept such that a claim finds those that are ready by an index.

use super::{Row, Tx, column, params, statements};
use crate::destination::{Fairness, Flow, Lane, Pause};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::wake::{Queue, Wake};

/// How long a destination is remembered that nothing waits for: its limit, its failures, its address.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1_000;

/// How many destinations that wait for room at an address are told when there is some.
const N_TOLD: i64 = 2;

statements! {
    FIND = "SELECT no, n_leased, send_limit, n_failures, n_openings, paused_until_ms, pause, address, is_crowded,
                   served_ms, first_due_ms, retry_due_ms
            FROM destinations WHERE account = ?1 AND authority = ?2";
    LOAD = "SELECT no, n_leased, send_limit, n_failures, n_openings, paused_until_ms, pause, address, is_crowded,
                   served_ms, first_due_ms, retry_due_ms
            FROM destinations WHERE no = ?1";
    ADD = "INSERT INTO destinations (account, authority, send_limit) VALUES (?1, ?2, ?3) RETURNING no";
    SAVE = "UPDATE destinations
            SET n_leased = ?2, send_limit = ?3, n_failures = ?4, n_openings = ?5, paused_until_ms = ?6, pause = ?7,
                address = ?8, is_crowded = ?9, served_ms = ?10, first_due_ms = ?11, retry_due_ms = ?12,
                first_ready_ms = ?13, retry_ready_ms = ?14
            WHERE no = ?1";
    FIRST_READY = "SELECT first_ready_ms, no FROM destinations WHERE first_ready_ms <= ?1
                   ORDER BY first_ready_ms, no LIMIT ?2 {skip_locked}";
    RETRY_READY = "SELECT retry_ready_ms, no FROM destinations WHERE retry_ready_ms <= ?1
                   ORDER BY retry_ready_ms, no LIMIT ?2 {skip_locked}";
    NEXT_FIRST = "SELECT first_ready_ms FROM destinations WHERE first_ready_ms IS NOT NULL
                  ORDER BY first_ready_ms LIMIT 1";
    NEXT_RETRY = "SELECT retry_ready_ms FROM destinations WHERE retry_ready_ms IS NOT NULL
                  ORDER BY retry_ready_ms LIMIT 1";
    NEXT_IN_LANE = "SELECT due_ms FROM webhook_queue WHERE destination = ?1 AND lane = ?2 AND lease_until_ms IS NULL
                    ORDER BY due_ms LIMIT 1";
    /// At most as many rows as webhooks are under way.
    LEASED_AT = "SELECT n_leased FROM destinations WHERE address = ?1 AND n_leased > 0";
    CROWDED = "SELECT no FROM destinations WHERE address = ?1 AND is_crowded = 1 ORDER BY served_ms LIMIT ?2";
    AHEAD_FIRST = "SELECT no FROM destinations
                   WHERE first_ready_ms > ?1 AND (served_ms > ?1 OR paused_until_ms > ?2)";
    AHEAD_RETRY = "SELECT no FROM destinations
                   WHERE retry_ready_ms > ?1 AND (served_ms > ?1 OR paused_until_ms > ?2)";
    FORGET_IDLE = "DELETE FROM destinations
                   WHERE no IN (SELECT no FROM destinations
                                WHERE first_due_ms IS NULL AND retry_due_ms IS NULL AND served_ms < ?1
                                ORDER BY served_ms LIMIT ?2)
                     AND n_leased = 0";
}

/// A destination as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) no: i64,
    pub(super) flow: Flow,
    first_due_ms: Option<i64>,
    retry_due_ms: Option<i64>,
}

impl Destination {
    /// The one of this name; made when it is new.
    pub(super) fn named(
        tx: &mut Tx<'_>,
        account: AccountId,
        authority: &str,
        fairness: &Fairness,
    ) -> Result<Self, Error> {
        if let Some(known) = tx.query_optional(&FIND, params![account, authority], read)? {
            return Ok(known.at(tx.now_ms(), fairness));
        }
        let flow = Flow::new(fairness);
        let no = tx.query_one(&ADD, params![account, authority, flow.limit], column)?;
        Ok(Self { no, flow, first_due_ms: None, retry_due_ms: None })
    }

    pub(super) fn load(tx: &mut Tx<'_>, no: i64, fairness: &Fairness) -> Result<Self, Error> {
        Ok(tx.query_one(&LOAD, params![no], read)?.at(tx.now_ms(), fairness))
    }

    /// Without times that lie ahead only because the clock was set back since it was written.
    fn at(mut self, now_ms: i64, fairness: &Fairness) -> Self {
        self.flow.clock_went_back(now_ms, fairness);
        self
    }

    /// A webhook was put into a lane.
    pub(super) fn waits(&mut self, lane: Lane, due_ms: i64) {
        let earliest_ms = self.due(lane);
        *earliest_ms = Some(earliest_ms.map_or(due_ms, |earliest_ms| earliest_ms.min(due_ms)));
    }

    /// Webhooks were taken out of a lane, or moved in it.
    pub(super) fn look_again(&mut self, tx: &mut Tx<'_>, lane: Lane) -> Result<(), Error> {
        *self.due(lane) = tx.query_optional(&NEXT_IN_LANE, params![self.no, lane.number()], column)?;
        Ok(())
    }

    /// Writes it back, and tells those who wait when it is ready.
    pub(super) fn save(&self, tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
        let flow = &self.flow;
        let first_ready_ms = flow.ready_ms(self.first_due_ms, fairness);
        let retry_ready_ms = flow.ready_ms(self.retry_due_ms, fairness);
        tx.execute(
            &SAVE,
            params![
                self.no,
                flow.n_leased,
                flow.limit,
                flow.n_failures,
                flow.n_openings,
                flow.paused_until_ms,
                flow.pause.map(Pause::as_str),
                flow.address.as_ref(),
                flow.is_crowded,
                flow.served_ms,
                self.first_due_ms,
                self.retry_due_ms,
                first_ready_ms,
                retry_ready_ms
            ],
        )?;
        if let Some(ready_ms) = [first_ready_ms, retry_ready_ms].into_iter().flatten().min() {
            tx.wake(Queue::Webhooks, Wake::At(ready_ms));
        }
        Ok(())
    }

    /// Writes it back after room was made at its address, which others may have waited for.
    pub(super) fn save_with_room(&self, tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
        self.save(tx, fairness)?;
        let Some(address) = &self.flow.address else { return Ok(()) };
        for no in tx.query(&CROWDED, params![address, N_TOLD], column)? {
            let mut other = Self::load(tx, no, fairness)?;
            other.flow.is_crowded = false;
            other.save(tx, fairness)?;
        }
        Ok(())
    }

    fn due(&mut self, lane: Lane) -> &mut Option<i64> {
        match lane {
            Lane::First => &mut self.first_due_ms,
            Lane::Retry => &mut self.retry_due_ms,
        }
    }
}

/// The lanes that can be served now, whoever waited longest first: at most `limit` of each kind.
pub(super) fn ready(tx: &mut Tx<'_>, lane: Lane, limit: u32) -> Result<Vec<(i64, i64)>, Error> {
    let now_ms = tx.now_ms();
    let statement = match lane {
        Lane::First => &FIRST_READY,
        Lane::Retry => &RETRY_READY,
    };
    tx.query(statement, params![now_ms, limit], |row| Ok((row.take()?, row.take()?)))
}

/// When the first of a lane's destinations is ready.
pub(super) fn next_ready(tx: &mut Tx<'_>, lane: Lane) -> Result<Option<i64>, Error> {
    let statement = match lane {
        Lane::First => &NEXT_FIRST,
        Lane::Retry => &NEXT_RETRY,
    };
    tx.query_optional(statement, params![], column)
}

/// How many webhooks are on their way to an address.
pub(super) fn n_leased_at(tx: &mut Tx<'_>, address: &str) -> Result<u32, Error> {
    Ok(tx.query(&LEASED_AT, params![address], column::<u32>)?.into_iter().sum())
}

/// Mends what lies in the future only because the clock was set back.
pub(crate) fn clock_went_back(tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let latest_ms = now_ms.saturating_add(fairness.longest_ms());
    for statement in [&AHEAD_FIRST, &AHEAD_RETRY] {
        for no in tx.query(statement, params![now_ms, latest_ms], column)? {
            Destination::load(tx, no, fairness)?.save(tx, fairness)?;
        }
    }
    Ok(())
}

/// Removes up to `limit` destinations that nothing was sent to for long.
pub(super) fn forget_idle(tx: &mut Tx<'_>, limit: u32) -> Result<(), Error> {
    let before_ms = tx.now_ms().saturating_sub(REMEMBERED_MS);
    tx.execute(&FORGET_IDLE, params![before_ms, limit])?;
    Ok(())
}

fn read(row: &mut Row<'_>) -> Result<Destination, Error> {
    Ok(Destination {
        no: row.take()?,
        flow: Flow {
            n_leased: row.take()?,
            limit: row.take()?,
            n_failures: row.take()?,
            n_openings: row.take()?,
            paused_until_ms: row.take()?,
            pause: row.take_optional_word()?,
            address: row.take()?,
            is_crowded: row.take()?,
            served_ms: row.take()?,
        },
        first_due_ms: row.take()?,
        retry_due_ms: row.take()?,
    })
}
