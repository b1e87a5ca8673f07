//! Finds the waiting webhooks of one destination that a claim may take now.

use std::collections::HashMap;

use super::destinations::Destination;
use super::{Params, Tx, params, statements};
use crate::destination::Lane;
use crate::error::Error;

/// The largest number of URL paths that a search for webhooks to another URL path than the failed one reads.
const MAX_PATHS: usize = 16;

/// The largest number of waiting webhooks that are counted for the log.
const MAX_COUNTED_WAITING: i64 = 1_000;

statements! {
    LAST_CHANCE = "SELECT seq, lane FROM webhook_queue
                   WHERE destination = ?1 AND lease_until_ms IS NULL AND is_last_chance = 1 AND due_ms <= ?2
                   ORDER BY due_ms LIMIT ?3";
    COUNT_WAITING = "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_queue
                                           WHERE destination = ?1 AND lease_until_ms IS NULL
                                             AND is_last_chance = 0
                                           LIMIT ?2) AS counted";
    NEXT_PATH = "SELECT path, due_ms, seq FROM webhook_queue
                 WHERE destination = ?1 AND lane = ?2 AND path > ?3 AND lease_until_ms IS NULL
                   AND is_last_chance = 0
                 ORDER BY path, due_ms LIMIT 1";
    IN_LANE["of_destination, of_lane, now_ms, n"] =
        "SELECT v.of_destination, v.of_lane, q.due_ms, q.seq
         FROM {rows}, {lateral}(
             SELECT seq, due_ms FROM webhook_queue
             WHERE destination = v.of_destination AND lane = v.of_lane AND lease_until_ms IS NULL
               AND is_last_chance = 0 AND due_ms <= v.now_ms AND (expires_ms IS NULL OR expires_ms > v.now_ms)
             ORDER BY due_ms, seq LIMIT v.n
         ) AS q";
}

/// The waiting webhooks of several lanes, longest due first, by the destination and the lane.
pub(super) type WaitingInLanes = HashMap<(i64, Lane), Vec<i64>>;

/// The due webhooks of several lanes. Each lane is given with its destination and the largest number of
/// webhooks to return.
pub(super) fn in_lanes(tx: &mut Tx<'_>, lanes: &[(i64, Lane, u32)]) -> Result<WaitingInLanes, Error> {
    let now_ms = tx.now_ms();
    let rows: Vec<_> = lanes
        .iter()
        .map(|(destination, lane, n)| Params::of(destination).and(lane).and(&now_ms).and(n))
        .collect();
    let mut found: Vec<(i64, Lane, i64, i64)> = tx.query_all(&IN_LANE, &rows)?;
    found.sort_unstable_by_key(|(.., due_ms, seq)| (*due_ms, *seq));
    let mut waiting = WaitingInLanes::new();
    for (destination, lane, _, seq) in found {
        waiting.entry((destination, lane)).or_default().push(seq);
    }
    Ok(waiting)
}

/// The due webhook of a lane that has been due longest.
fn longest_due(tx: &mut Tx<'_>, destination: i64, lane: Lane) -> Result<Option<(i64, Lane)>, Error> {
    let waiting = in_lanes(tx, &[(destination, lane, 1)])?;
    Ok(waiting.into_values().flatten().next().map(|seq| (seq, lane)))
}

/// Up to `limit` webhooks that get their only attempt now, at their expiry.
pub(super) fn last_chances(tx: &mut Tx<'_>, destination: i64, limit: u32) -> Result<Vec<(i64, Lane)>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&LAST_CHANCE, params![destination, now_ms, limit])
}

/// The webhook to send to a destination whose circuit breaker is open, with its lane. `None` if no webhook may
/// be sent now.
///
/// Two kinds of webhooks do not wait for the end of the pause: webhooks that get their only attempt now, at
/// their expiry; and first attempts to another URL path, if all failures were on one URL path. After the
/// pause, retries to another URL path come next, and then the webhook that has been due longest. If
/// `has_retry_capacity` is false, the function returns no retry.
pub(super) fn probe(
    tx: &mut Tx<'_>,
    destination: &Destination,
    has_retry_capacity: bool,
) -> Result<Option<(i64, Lane)>, Error> {
    let (seq, now_ms) = (destination.seq, tx.now_ms());
    if let Some(last_chance) = last_chances(tx, seq, 1)?.pop() {
        return Ok(Some(last_chance));
    }
    let is_paused = now_ms < destination.state.paused_until_ms;
    let failed_path = destination.state.only_failed_path(now_ms);
    for lane in [Lane::First, Lane::Retry] {
        let may_be_sent = lane == Lane::First || (!is_paused && has_retry_capacity);
        let Some(failed_path) = failed_path.filter(|_| may_be_sent) else { continue };
        let other = of_another_path(tx, seq, lane, failed_path)?;
        if let Some((_, webhook)) = other.filter(|(due_ms, _)| *due_ms <= now_ms) {
            return Ok(Some((webhook, lane)));
        }
    }
    if is_paused {
        return Ok(None);
    }
    let first = longest_due(tx, seq, Lane::First)?;
    if first.is_some() || !has_retry_capacity {
        return Ok(first);
    }
    longest_due(tx, seq, Lane::Retry)
}

/// The number of webhooks that wait for a destination, at most [`MAX_COUNTED_WAITING`].
pub(super) fn count(tx: &mut Tx<'_>, destination: i64) -> Result<u64, Error> {
    tx.query_one(&COUNT_WAITING, params![destination, MAX_COUNTED_WAITING])
}

/// The due time and the sequence number of the earliest waiting webhook in `lane` whose URL path has another
/// hash than `failed_path`. Only [`MAX_PATHS`] URL paths are searched, because every webhook may have a
/// different URL path.
pub(super) fn of_another_path(
    tx: &mut Tx<'_>,
    destination: i64,
    lane: Lane,
    failed_path: i64,
) -> Result<Option<(i64, i64)>, Error> {
    let mut earliest: Option<(i64, i64)> = None;
    let (mut after, mut has_wrapped) = (failed_path, false);
    for _ in 0..=MAX_PATHS {
        let next: Option<(i64, i64, i64)> =
            tx.query_optional(&NEXT_PATH, params![destination, lane, after])?;
        match next {
            Some((path, due_ms, webhook)) if path != failed_path && !(has_wrapped && path > failed_path) => {
                earliest = Some(earliest.map_or((due_ms, webhook), |found| found.min((due_ms, webhook))));
                after = path;
            }
            None if !has_wrapped => (after, has_wrapped) = (i64::MIN, true),
            _ => break,
        }
    }
    Ok(earliest)
}
