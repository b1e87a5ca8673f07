//! Claims due webhooks.

use super::claim_plan::ClaimPlan;
use super::ready_destinations::{self, ReadyList};
use super::webhook_leases::reap;
use super::{Tx, bulk, expiry, params, statements};
use crate::destination::{Lane, SendCapacity, allocate};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::webhook::DueWebhook;

statements! {
    NEXT_LEASE_END = "SELECT lease_until_ms FROM webhook_queue WHERE lease_until_ms IS NOT NULL
                      ORDER BY lease_until_ms LIMIT 1";
    NEXT_EXPIRY = "SELECT expires_ms FROM webhook_queue
                   WHERE expires_ms IS NOT NULL AND lease_until_ms IS NULL AND is_last_chance = 0
                   ORDER BY expires_ms LIMIT 1";
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
        let ready_ms = ready_destinations::next_ready_ms(tx, list, threshold)?;
        if ready_ms.is_none_or(|ready_ms| ready_ms > now_ms) {
            let earliest_ms = ready_destinations::next_ready_ms(tx, list, u32::MAX)?;
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
