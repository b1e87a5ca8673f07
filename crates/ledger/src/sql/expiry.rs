//! The expiry of webhooks: a webhook that still waits at its expiry fails, gets its only attempt then, or
//! gets a new expiry.

use super::destinations::Destination;
use super::webhooks::{apply_transition, remove_waiting};
use super::{Tx, columns, params, statements};
use crate::destination::Lane;
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::webhook::{DueReason, FailureReason};
use crate::state::Scheduled;

/// The largest number of expired webhooks that one claim handles. The next claim handles the remaining
/// expired webhooks.
const MAX_EXPIRED: i64 = 256;

/// How long an error on this machine that has postponed a webhook counts as recent, in milliseconds. The time
/// begins at the due time to which the error has postponed the webhook.
const RECENT_TROUBLE_MS: i64 = 60 * 60 * 1_000;

columns! {
    ExpiredRow as expired_columns, read {
        seq = "q.seq", account = "q.account", destination = "q.destination",
        lane = "q.lane", n_counted_attempts = "q.n_counted_attempts", due_ms = "q.due_ms",
        due_reason = "q.due_reason", expires_ms = "q.expires_ms",
        requested_expires_ms = "r.webhook_expires_ms"
    }
}

statements! {
    EXPIRED = concat!(
        "SELECT ", expired_columns!(), " FROM webhook_queue q JOIN requests r ON r.seq = q.seq
         WHERE q.expires_ms <= ?1 AND q.lease_until_ms IS NULL AND q.is_last_chance = 0
         ORDER BY q.expires_ms LIMIT ?2"
    );
    GIVE_LAST_CHANCE = "UPDATE webhook_queue SET is_last_chance = 1 WHERE seq = ?1";
    EXTEND_EXPIRY = "UPDATE webhook_queue SET expires_ms = ?2 WHERE seq = ?1";
}

/// A waiting webhook whose expiry has passed.
struct ExpiredRow {
    seq: i64,
    account: AccountId,
    destination: i64,
    lane: Lane,
    n_counted_attempts: u32,
    due_ms: i64,
    due_reason: DueReason,
    expires_ms: i64,
    /// The `expires` of the request. `None` if the request does not set `expires`.
    requested_expires_ms: Option<i64>,
}

/// Ends the waiting webhooks that have expired, even if their destination is paused or saturated.
///
/// A webhook with a counted attempt fails. A webhook without a counted attempt fails, too, if an error on
/// this machine has postponed it within the last [`RECENT_TROUBLE_MS`]. Every other webhook without a counted
/// attempt may have waited only because of the failures of other webhooks:
/// * The webhook gets a new expiry, `give_up_ms` from now, if the request's `expires` is absent or at least
///   `give_up_ms`, and the circuit breaker of the destination is closed. In this case the webhook has waited
///   only because the server did not send it, for example because the server was off for weeks.
/// * A webhook that gets no new expiry gets its only attempt now, if its expiry is less than `lease_ms` ago.
///   If the expiry is longer ago, the webhook fails: the server was not running at the expiry, because a
///   running server claims webhooks at the latest when a lease ends.
pub(super) fn end_expired(tx: &mut Tx<'_>, lease_ms: i64) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    for row in tx.query::<ExpiredRow>(&EXPIRED, params![now_ms, MAX_EXPIRED])? {
        if row.n_counted_attempts == 0 && !row.has_recent_trouble(now_ms) {
            let mut destination = Destination::load(tx, row.destination)?;
            if let Some(give_up_ms) = tx.limits().give_up_ms
                && row.requested_expires_ms.is_none_or(|requested_ms| requested_ms >= give_up_ms)
                && !destination.state.breaker.is_open()
            {
                tx.execute(&EXTEND_EXPIRY, params![row.seq, now_ms.saturating_add(give_up_ms)])?;
                continue;
            }
            if now_ms.saturating_sub(row.expires_ms) < lease_ms {
                tx.execute(&GIVE_LAST_CHANCE, params![row.seq])?;
                destination.refresh_earliest_due(tx, row.lane)?;
                destination.refresh_urgent(tx)?;
                destination.save(tx)?;
                continue;
            }
        }
        remove_waiting(tx, row.seq)?;
        apply_transition(tx, row.seq, row.account, Scheduled.failed(FailureReason::Expired, now_ms))?;
    }
    Ok(())
}

impl ExpiredRow {
    /// Returns whether an error on this machine has postponed the webhook, and the new due time lies within
    /// the last [`RECENT_TROUBLE_MS`].
    fn has_recent_trouble(&self, now_ms: i64) -> bool {
        self.due_reason == DueReason::LocalTrouble && self.due_ms > now_ms.saturating_sub(RECENT_TROUBLE_MS)
    }
}
