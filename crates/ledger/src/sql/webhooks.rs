//! Webhooks on their way: how they enter the queue, how they leave it, and what an attempt makes of them. How they are
//! taken to be sent is in `claims`.

use super::counters::Delta;
use super::destinations::Destination;
use super::{Row, Tx, attempts, params, statements};
use crate::destination::{Fairness, Lane};
use crate::error::Error;
use crate::lease::Held;
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, Next, Outcome, WebhookStatus, Why};
use crate::state::{Dispatched, Scheduled, State, Transition};

/// Why a webhook was given up whose time is over.
const EXPIRED: &str = "expired";

/// How many webhooks whose time is over one claim ends; the next one goes on.
const MAX_EXPIRED: i64 = 256;

/// Trouble of this machine that put a webhook off until this long ago, or later, lasts.
const PRESENT_TROUBLE_MS: i64 = 60 * 60 * 1_000;

statements! {
    ADD = "INSERT INTO webhooks (no, account, created_ms, status, host) VALUES (?1, ?2, ?3, ?4, ?5)";
    ENTER = "UPDATE webhooks
             SET status = ?3, scheduled_ms = COALESCE(?4, scheduled_ms), dispatched_ms = COALESCE(?5, dispatched_ms),
                 delivered_ms = COALESCE(?6, delivered_ms), failed_ms = COALESCE(?7, failed_ms),
                 failure = COALESCE(?8, failure)
             WHERE no = ?1 AND status = ?2";
    ADD_PAYLOAD = "INSERT INTO payloads (no, finished_ms, payload) VALUES (?1, ?2, ?3)";
    WANTED = "SELECT account, webhook_authority, webhook_delay_ms, webhook_expires_ms FROM requests WHERE no = ?1";
    QUEUE = "INSERT INTO webhook_queue (no, account, destination, lane, due_ms, why, expires_ms, fence, attempt, n_counted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0)";
    EXPIRED_ONES = "SELECT q.no, q.account, q.destination, q.n_counted, q.due_ms, q.why,
                           r.webhook_expires_ms
                    FROM webhook_queue q JOIN requests r ON r.no = q.no
                    WHERE q.expires_ms <= ?1 AND q.lease_until_ms IS NULL ORDER BY q.expires_ms LIMIT ?2";
    PROLONG = "UPDATE webhook_queue SET expires_ms = ?2 WHERE no = ?1";
    REMOVE = "DELETE FROM webhook_queue WHERE no = ?1 AND lease_until_ms IS NULL RETURNING destination, lane";
    END = "DELETE FROM webhook_queue WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL
           RETURNING destination, lane";
    RESCHEDULE = "UPDATE webhook_queue
                  SET lease_until_ms = NULL, due_ms = ?3, why = ?4, attempt = attempt - ?5, n_counted = n_counted + ?6,
                      lane = CASE WHEN ?6 > 0 THEN 1 ELSE lane END
                  WHERE no = ?1 AND fence = ?2 AND lease_until_ms IS NOT NULL
                  RETURNING destination, lane";
}

/// Whether an attempt was recorded by the one who holds the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    InTime,
    /// The webhook is somebody else's by now: only the attempt was added.
    Late,
}

/// How a webhook that was held goes back into the queue.
struct Back {
    due_ms: i64,
    why: Why,
    /// Attempts that were taken back: the number is used again.
    n_unused: i64,
    /// Attempts that the schedule counts.
    n_counted: i64,
}

/// A webhook that waits although its time is over.
struct Expired {
    no: i64,
    account: AccountId,
    destination: i64,
    /// Attempts so far that the schedule counts.
    n_counted: i64,
    due_ms: i64,
    why: Why,
    /// The end that the request named.
    wanted_ms: Option<i64>,
}

/// Makes the webhook of a request that was just accepted.
pub(super) fn create(tx: &mut Tx<'_>, no: i64, account: AccountId, authority: &str) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _port)| host);
    tx.execute(&ADD, params![no, account, now_ms, WebhookStatus::Created.as_str(), host])?;
    Ok(())
}

/// Keeps the payload and makes the first attempt due, after the request's delay from now.
pub(super) fn schedule_first(
    tx: &mut Tx<'_>,
    no: i64,
    payload: &str,
    fairness: &Fairness,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD_PAYLOAD, params![no, now_ms, payload])?;
    let (account, authority, delay_ms, expires_ms) = tx.query_one(&WANTED, params![no], read_wanted)?;
    let due_ms = now_ms.saturating_add(delay_ms);
    let expires_ms = fairness.longest_trying(expires_ms).map(|expires_ms| due_ms.saturating_add(expires_ms));
    let mut destination = Destination::named(tx, account, &authority, fairness)?;
    let (lane, why) = (Lane::First, Why::Delay.as_str());
    tx.execute(&QUEUE, params![no, account, destination.no, lane.number(), due_ms, why, expires_ms])?;
    destination.waits(lane, due_ms);
    destination.save(tx, fairness)
}

/// Moves the row of a webhook along. The counters are the caller's, who may have more to count.
pub(super) fn enter(tx: &mut Tx<'_>, no: i64, step: Transition) -> Result<(), Error> {
    let to = step.to.status();
    let (scheduled, dispatched, delivered, failed, reason) = match step.to {
        State::Scheduled { since_ms } => (Some(since_ms), None, None, None, None),
        State::Dispatched { since_ms } => (None, Some(since_ms), None, None, None),
        State::Delivered { at_ms } => (None, None, Some(at_ms), None, None),
        State::Failed { at_ms, reason } => (None, None, None, Some(at_ms), Some(reason)),
    };
    let n_rows = tx.execute(
        &ENTER,
        params![
            no,
            step.from.as_str(),
            to.as_str(),
            scheduled,
            dispatched,
            delivered,
            failed,
            reason.as_deref()
        ],
    )?;
    if n_rows == 1 {
        return Ok(());
    }
    Err(Error::Corrupt(format!("webhook {no} is not {} and cannot become {to}", step.from)))
}

/// Fails webhooks whose time is over while they wait, whatever holds them back. One of which nobody ever learned whether it
/// can be delivered is owed still, if it was only this server that let the time pass: the request named no end, its
/// destination is not left alone, and it was not tried again and again, until now, by a machine that could not send it.
pub(super) fn expire(tx: &mut Tx<'_>, fairness: &Fairness) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    for expired in tx.query(&EXPIRED_ONES, params![now_ms, MAX_EXPIRED], read_expired)? {
        let Expired { no, account, destination, n_counted, due_ms, why, wanted_ms } = expired;
        if let (0, Some(give_up_ms)) = (n_counted, fairness.give_up_ms)
            && wanted_ms.is_none_or(|wanted_ms| wanted_ms >= give_up_ms)
            && (why != Why::LocalTrouble || due_ms <= now_ms.saturating_sub(PRESENT_TROUBLE_MS))
            && Destination::load(tx, destination, fairness)?.flow.n_openings == 0
        {
            tx.execute(&PROLONG, params![no, now_ms.saturating_add(give_up_ms)])?;
            continue;
        }
        unqueue(tx, no, fairness)?;
        step(tx, no, account, Scheduled.ended(EXPIRED, now_ms))?;
    }
    Ok(())
}

/// Takes a webhook that waits out of the queue, for good.
pub(super) fn unqueue(tx: &mut Tx<'_>, no: i64, fairness: &Fairness) -> Result<(), Error> {
    let (destination, lane) = tx.query_one(&REMOVE, params![no], read_place)?;
    let mut destination = Destination::load(tx, destination, fairness)?;
    destination.look_again(tx, Lane::from_number(lane))?;
    // It may have been told of room that it now leaves to others.
    destination.save_with_room(tx, fairness)
}

pub(crate) fn record(
    tx: &mut Tx<'_>,
    held: &Held,
    attempt: &Attempt,
    next: Next,
    fairness: &Fairness,
) -> Result<Recorded, Error> {
    let now_ms = tx.now_ms();
    attempts::close(tx, held, attempt)?;
    let taken_back = match next {
        Next::Retry { due_ms } => put_back(tx, held, &Back::after(attempt, due_ms, now_ms), fairness),
        Next::Delivered | Next::Failed { .. } => end(tx, held, fairness),
    };
    let mut destination = match taken_back {
        Ok(destination) => destination,
        Err(Error::LostLease) => return Ok(Recorded::Late),
        Err(error) => return Err(error),
    };
    step(tx, held.no, held.account, Dispatched.attempted(next, now_ms))?;
    destination.flow.attempted(attempt, now_ms, fairness);
    destination.save_with_room(tx, fairness)?;
    Ok(Recorded::InTime)
}

pub(crate) fn release(tx: &mut Tx<'_>, held: &Held, due_ms: i64, fairness: &Fairness) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let back = Back { due_ms, why: Why::LocalTrouble, n_unused: 1, n_counted: 0 };
    let destination = put_back(tx, held, &back, fairness)?;
    attempts::remove(tx, held)?;
    step(tx, held.no, held.account, Dispatched.returned(now_ms))?;
    destination.save_with_room(tx, fairness)
}

pub(crate) fn abandon(
    tx: &mut Tx<'_>,
    held: &Held,
    reason: String,
    fairness: &Fairness,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let destination = end(tx, held, fairness)?;
    attempts::remove(tx, held)?;
    step(tx, held.no, held.account, Dispatched.attempted(Next::Failed { reason }, now_ms))?;
    destination.save_with_room(tx, fairness)
}

impl Back {
    fn after(attempt: &Attempt, due_ms: i64, now_ms: i64) -> Self {
        let is_interrupted = attempt.outcome == Outcome::Interrupted;
        let why = match attempt.retry_after_ms {
            _ if is_interrupted => Why::Interrupted,
            // One that asks for less than the schedule's pause changes nothing.
            Some(asked_ms @ 1..) if due_ms <= now_ms.saturating_add(asked_ms) => Why::RetryAfter,
            _ => Why::Retry,
        };
        Self { due_ms, why, n_unused: 0, n_counted: i64::from(!is_interrupted) }
    }
}

/// Takes a webhook that is held out of the queue, for good. Its destination is not saved yet.
fn end(tx: &mut Tx<'_>, held: &Held, fairness: &Fairness) -> Result<Destination, Error> {
    let place = tx.query_optional(&END, params![held.no, held.fence], read_place)?;
    let (destination, _) = place.ok_or(Error::LostLease)?;
    let mut destination = Destination::load(tx, destination, fairness)?;
    destination.flow.returned();
    Ok(destination)
}

/// Puts a webhook that is held back into the queue. Its destination is not saved yet.
fn put_back(tx: &mut Tx<'_>, held: &Held, back: &Back, fairness: &Fairness) -> Result<Destination, Error> {
    let Back { due_ms, why, n_unused, n_counted } = *back;
    let params = params![held.no, held.fence, due_ms, why.as_str(), n_unused, n_counted];
    let (destination, lane) = tx.query_optional(&RESCHEDULE, params, read_place)?.ok_or(Error::LostLease)?;
    let mut destination = Destination::load(tx, destination, fairness)?;
    destination.flow.returned();
    destination.waits(Lane::from_number(lane), due_ms);
    Ok(destination)
}

pub(super) fn step(tx: &mut Tx<'_>, no: i64, account: AccountId, step: Transition) -> Result<(), Error> {
    Delta::default().with_step(&step).apply(tx, account)?;
    enter(tx, no, step)
}

fn read_place(row: &mut Row<'_>) -> Result<(i64, i64), Error> {
    Ok((row.take()?, row.take()?))
}

fn read_expired(row: &mut Row<'_>) -> Result<Expired, Error> {
    Ok(Expired {
        no: row.take()?,
        account: row.take()?,
        destination: row.take()?,
        n_counted: row.take()?,
        due_ms: row.take()?,
        why: row.take_word()?,
        wanted_ms: row.take()?,
    })
}

/// Whose webhook a request wants, where, how much later, and for how long.
fn read_wanted(row: &mut Row<'_>) -> Result<(AccountId, String, i64, Option<i64>), Error> {
    Ok((row.take()?, row.take()?, row.take()?, row.take()?))
}
