//! The queue of webhooks: adds webhooks to the queue, removes webhooks from it, and records attempts. The
//! module `claims` takes the leases on the queued webhooks.

use super::counters::Delta;
use super::destinations::{Destination, Destinations};
use super::{Params, Tx, columns, params, statements};
use crate::destination::{Lane, path_hash};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::authority::Authority;
use crate::model::request::NewRequest;
use crate::model::webhook::{DueReason, FailureReason, WebhookStatus};
use crate::state::{Transition, WebhookState};

columns! {
    DeliveryOptions as delivery_columns, read {
        seq, account, authority = "webhook_authority", url = "webhook_url", delay_ms = "webhook_delay_ms",
        expires_ms = "webhook_expires_ms"
    }
}
columns! {
    QueueRow as queue_columns, write {
        seq, account, destination, lane, path, due_ms, due_reason, expires_ms, fence, attempt,
        n_counted_attempts
    }
}
columns! {
    StatusChange as status_columns, write {
        seq = "of_seq", from = "from_status", to = "to_status", scheduled_ms = "new_scheduled_ms",
        dispatched_ms = "new_dispatched_ms", delivered_ms = "new_delivered_ms", failed_ms = "new_failed_ms",
        failure = "new_failure"
    }
}
statements! {
    ADD["seq, account, created_ms, status, host"] =
        "INSERT INTO webhooks (seq, account, created_ms, status, host)
         SELECT v.seq, v.account, v.created_ms, v.status, v.host FROM {rows}";
    SET_STATUS[status_columns!()] =
        "UPDATE webhooks
         SET status = v.to_status, scheduled_ms = COALESCE(v.new_scheduled_ms, scheduled_ms),
             dispatched_ms = COALESCE(v.new_dispatched_ms, dispatched_ms),
             delivered_ms = COALESCE(v.new_delivered_ms, delivered_ms),
             failed_ms = COALESCE(v.new_failed_ms, failed_ms), failure = COALESCE(v.new_failure, failure)
         FROM {rows} WHERE seq = v.of_seq AND status = v.from_status";
    ADD_PAYLOAD["seq, finished_ms, payload"] = "INSERT INTO payloads (seq, finished_ms, payload)
                                                SELECT v.seq, v.finished_ms, v.payload FROM {rows}";
    DELIVERY_OPTIONS["of_seq"] = concat!(
        "SELECT ", delivery_columns!(), " FROM {rows}, requests WHERE seq = v.of_seq"
    );
    ENQUEUE[queue_columns!()] = concat!(
        "INSERT INTO webhook_queue (", queue_columns!(), ") SELECT ", queue_columns!(of_rows), " FROM {rows}"
    );
    DEQUEUE_WAITING = "DELETE FROM webhook_queue WHERE seq = ?1 AND lease_until_ms IS NULL
                       RETURNING destination, lane";
}

/// A new row of the queue of webhooks.
pub(super) struct QueueRow {
    pub(super) seq: i64,
    pub(super) account: AccountId,
    pub(super) destination: i64,
    pub(super) lane: Lane,
    pub(super) path: i64,
    pub(super) due_ms: i64,
    pub(super) due_reason: DueReason,
    pub(super) expires_ms: Option<i64>,
    pub(super) fence: i64,
    pub(super) attempt: u32,
    pub(super) n_counted_attempts: u32,
}

/// The status of a webhook before and after a transition, and the columns that the transition changes.
struct StatusChange {
    seq: i64,
    from: WebhookStatus,
    to: WebhookStatus,
    scheduled_ms: Option<i64>,
    dispatched_ms: Option<i64>,
    delivered_ms: Option<i64>,
    failed_ms: Option<i64>,
    failure: Option<FailureReason>,
}

/// The options of a request that the delivery of its webhook needs.
struct DeliveryOptions {
    seq: i64,
    account: AccountId,
    authority: Authority,
    url: String,
    delay_ms: i64,
    expires_ms: Option<i64>,
}

/// Adds the webhooks of requests that were just accepted. Each request is given with its sequence number.
pub(super) fn create(tx: &mut Tx<'_>, requests: &[(i64, &NewRequest)]) -> Result<(), Error> {
    let (now_ms, status) = (tx.now_ms(), WebhookStatus::Created);
    let hosts: Vec<_> = requests.iter().map(|(_, request)| request.webhook.authority.host()).collect();
    let rows: Vec<_> = requests
        .iter()
        .zip(&hosts)
        .map(|((seq, request), host)| {
            Params::of(seq).and(&request.account).and(&now_ms).and(&status).and(host)
        })
        .collect();
    tx.execute_each(&ADD, &rows)
}

/// Stores the payloads of webhooks, and makes the first attempts due after the delays that the requests
/// specified. Each payload is given with the sequence number of its webhook.
pub(super) fn schedule_first(tx: &mut Tx<'_>, payloads: &[(i64, &String)]) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let rows: Vec<_> =
        payloads.iter().map(|(seq, payload)| Params::of(seq).and(&now_ms).and(*payload)).collect();
    tx.execute_each(&ADD_PAYLOAD, &rows)?;
    let rows: Vec<_> = payloads.iter().map(|(seq, _)| Params::of(seq)).collect();
    let options: Vec<DeliveryOptions> = tx.query_all(&DELIVERY_OPTIONS, &rows)?;
    let key = |options: &DeliveryOptions| (options.account, options.authority.clone());
    let (mut destinations, seqs) = Destinations::load_or_create(tx, options.iter().map(key))?;
    let mut queued = Vec::new();
    for options in &options {
        let due_ms = now_ms.saturating_add(options.delay_ms);
        let window_ms = tx.limits().retry_window_ms(options.expires_ms);
        queued.push(QueueRow {
            seq: options.seq,
            account: options.account,
            destination: seqs[&key(options)],
            lane: Lane::First,
            path: path_hash(&options.url),
            due_ms,
            due_reason: DueReason::Delay,
            expires_ms: window_ms.map(|window_ms| due_ms.saturating_add(window_ms)),
            fence: 0,
            attempt: 0,
            n_counted_attempts: 0,
        });
    }
    enqueue(tx, &queued, &mut destinations)
}

/// Adds rows to the queue of webhooks, and saves the states of their destinations.
pub(super) fn enqueue(
    tx: &mut Tx<'_>,
    rows: &[QueueRow],
    destinations: &mut Destinations,
) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute_each(&ENQUEUE, &rows.iter().map(Params::of).collect::<Vec<_>>())?;
    for row in rows {
        let destination = destinations.get_mut(row.destination)?;
        destination.webhook_added(row.lane, row.due_ms);
        let failed_path = destination.state.only_failed_path(now_ms);
        if row.lane == Lane::First && failed_path.is_some_and(|failed_path| failed_path != row.path) {
            let other_path_due_ms = &mut destination.due.other_path_due_ms;
            *other_path_due_ms = Some(other_path_due_ms.map_or(row.due_ms, |due_ms| due_ms.min(row.due_ms)));
        }
    }
    destinations.save(tx)
}

/// Changes the status of a webhook, and updates the counters of its account.
pub(super) fn apply_transition(
    tx: &mut Tx<'_>,
    seq: i64,
    account: AccountId,
    transition: Transition,
) -> Result<(), Error> {
    Delta::default().with_transition(&transition).apply(tx, account)?;
    write_statuses(tx, &[(seq, transition)])
}

/// Changes the statuses of webhooks. The caller must update the counters of the accounts.
pub(super) fn write_statuses(tx: &mut Tx<'_>, transitions: &[(i64, Transition)]) -> Result<(), Error> {
    let changes: Vec<_> = transitions.iter().map(StatusChange::from).collect();
    tx.execute_each(&SET_STATUS, &changes.iter().map(Params::of).collect::<Vec<_>>())
}

impl From<&(i64, Transition)> for StatusChange {
    fn from((seq, transition): &(i64, Transition)) -> Self {
        let unchanged = Self {
            seq: *seq,
            from: transition.from,
            to: transition.to.status(),
            scheduled_ms: None,
            dispatched_ms: None,
            delivered_ms: None,
            failed_ms: None,
            failure: None,
        };
        match transition.to {
            WebhookState::Scheduled { since_ms } => Self { scheduled_ms: Some(since_ms), ..unchanged },
            WebhookState::Dispatched { since_ms } => Self { dispatched_ms: Some(since_ms), ..unchanged },
            WebhookState::Delivered { at_ms } => Self { delivered_ms: Some(at_ms), ..unchanged },
            WebhookState::Failed { at_ms, reason } => {
                Self { failed_ms: Some(at_ms), failure: Some(reason), ..unchanged }
            }
        }
    }
}

/// Removes a waiting webhook from the queue. The webhook does not return to the queue.
pub(super) fn remove_waiting(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    let (destination, lane): (i64, Lane) = tx.query_one(&DEQUEUE_WAITING, params![seq])?;
    let mut destination = Destination::load(tx, destination)?;
    destination.refresh_earliest_due(tx, lane)?;
    // The destination may have been chosen to use free capacity at its IP address. After the removal, it may
    // not use this capacity. Therefore other destinations that wait for the same address become ready too.
    destination.save_and_wake_waiting(tx)
}
