//! The lists of destinations that are ready to be claimed, and work on all destinations together.

use std::collections::{BTreeSet, HashMap};

use super::destinations::Destination;
use super::{Params, Tx, params, statements};
use crate::destination::Lane;
use crate::error::Error;

/// The time for which the row of an idle destination is kept, in milliseconds.
const IDLE_LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;

statements! {
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
    /// The result has at most one row for each webhook that is being sent.
    LEASED_AT_ADDRESS["of_address"] = "SELECT address, n_leased FROM {rows}, destinations
                                       WHERE address = v.of_address AND n_leased > 0";
    FIRST_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE first_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    RETRY_IN_FUTURE = "SELECT seq FROM destinations
                       WHERE retry_ready_ms > ?1 AND (last_claimed_ms > ?1 OR paused_until_ms > ?2)";
    URGENT_IN_FUTURE = "SELECT seq FROM destinations WHERE urgent_ready_ms > ?1 AND last_claimed_ms > ?1";
    IDLE = "SELECT seq FROM destinations
            WHERE first_due_ms IS NULL AND retry_due_ms IS NULL AND last_chance_due_ms IS NULL
              AND last_claimed_ms < ?1
            ORDER BY last_claimed_ms LIMIT ?2";
    DELETE["of_seq"] = "DELETE FROM destinations USING {rows} WHERE seq = v.of_seq AND n_leased = 0";
}

/// The lists of ready destinations that a claim reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadyList {
    /// Destinations with webhooks that do not wait for the end of a pause.
    Urgent,
    /// Destinations with webhooks in a lane.
    Lane(Lane),
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

/// Returns the number of webhooks that are being sent to each of the IP addresses. An address to which nothing
/// is sent may be absent from the result.
pub(super) fn n_leased_at<'a>(
    tx: &mut Tx<'_>,
    addresses: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, u32>, Error> {
    let addresses: BTreeSet<_> = addresses.into_iter().collect();
    let rows: Vec<_> = addresses.into_iter().map(Params::of).collect();
    let mut n_leased = HashMap::new();
    for (address, n) in tx.query_all::<(String, u32)>(&LEASED_AT_ADDRESS, &rows)? {
        *n_leased.entry(address).or_default() += n;
    }
    Ok(n_leased)
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
    let idle: Vec<i64> = tx.query(&IDLE, params![before_ms, limit])?;
    tx.execute_all(&DELETE, &idle.iter().map(Params::of).collect::<Vec<_>>())?;
    Ok(())
}
