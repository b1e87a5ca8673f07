//! A world, which is one simulation: a ledger, a driver that claims and sends webhooks, receivers, and users.
//! A world has two time scales. The time `time_ms` never jumps. The ledger's clock shows `time_ms +
//! offset_ms`, and `offset_ms` jumps.

use std::collections::HashMap;

use uuid::Uuid;

use super::database::Database;
use super::receiver::Receiver;
use super::rng::Rng;
use super::tally::Tally;
use crate::destination::{DeliveryLimits, SendCapacity};
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::NewKey;
use crate::model::webhook::{Attempt, Disposition, DueWebhook, FailureReason, Outcome};
use crate::schedule::Schedule;
use crate::sql::reports::{RecordEffect, Report};
use crate::sql::{self, Tx};

const START_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
pub(super) const LEASE_MS: i64 = 30_000;
/// The time after which the driver tries again to send a webhook that could not be sent, in milliseconds.
const LOCAL_TROUBLE_PAUSE_MS: i64 = 5_000;
/// The largest number of webhooks that the simulated driver sends at the same time.
pub(super) const CAPACITY: SendCapacity = SendCapacity { n_total: 12, n_retries: 6 };
/// The longest time from the due time of a webhook's first attempt to its expiry, in milliseconds.
pub(super) const GIVE_UP_MS: i64 = 14 * DAY_MS;

/// The largest concurrency limit of a destination. The limit of a new destination is
/// [`PER_AUTHORITY_START`].
pub(super) const MAX_PER_AUTHORITY: u32 = 8;
pub(super) const PER_AUTHORITY_START: u32 = 2;

pub(super) const LIMITS: DeliveryLimits = DeliveryLimits {
    capacity: CAPACITY.n_total,
    per_authority: MAX_PER_AUTHORITY,
    per_authority_start: PER_AUTHORITY_START,
    per_address: 5,
    n_failures_to_open: 5,
    first_pause_ms: 1_000,
    max_pause_ms: 300_000,
    max_retry_after_ms: 3_600_000,
    max_latency_ms: 5_000,
    give_up_ms: None,
};

pub(super) struct World {
    pub(super) database: Database,
    pub(super) rng: Rng,
    pub(super) account: i64,
    pub(super) schedule: Schedule,
    pub(super) receivers: Vec<Receiver>,
    /// The time since the start of the simulation, in milliseconds. This time never jumps.
    pub(super) time_ms: i64,
    /// The time of the ledger's clock minus `time_ms`.
    pub(super) offset_ms: i64,
    /// The time of the last claim on the ledger's clock.
    pub(super) last_claim_ms: i64,
    /// The earliest time, on the ledger's clock, at which a webhook may be ready to be claimed. `None` if no
    /// claim is due.
    pub(super) wake_ms: Option<i64>,
    pub(super) under_way: Vec<UnderWay>,
    pub(super) expected: HashMap<Uuid, Expected>,
    pub(super) ids: Vec<Uuid>,
    pub(super) tally: Tally,
}

/// A simulated attempt that is under way.
pub(super) struct UnderWay {
    pub(super) lease: Lease<DueWebhook>,
    pub(super) attempt: Attempt,
    /// The time at which the attempt ends, on the time scale of `World::time_ms`.
    pub(super) ends_ms: i64,
}

/// The values that the simulation expects for one webhook. The times are on the ledger's clock.
pub(super) struct Expected {
    pub(super) receiver: usize,
    /// The number of the URL path to which the webhook is sent.
    pub(super) path: usize,
    pub(super) due_ms: i64,
    pub(super) ends_ms: i64,
    /// The time from the first due time to the expiry.
    pub(super) expires_ms: i64,
    pub(super) n_delivered: u32,
    /// Whether the driver has returned the webhook to the queue unsent.
    pub(super) is_postponed: bool,
}

impl World {
    /// Runs a simulation with random events for `n_weeks`, and then without events until every webhook must
    /// have ended.
    pub(super) fn run(database: Database, seed: u64, n_weeks: u64) -> Tally {
        let mut world = Self::new(database, seed);
        let end_ms = i64::try_from(n_weeks).expect("the number of weeks is small") * WEEK_MS;
        while world.time_ms < end_ms {
            let event_ms = world.time_ms + world.rng.log_range(1_000, 2 * DAY_MS);
            world.pass_until(event_ms);
            world.random_event();
        }
        // By the end of this time, every webhook must have been delivered, failed or expired.
        world.pass_until(world.time_ms + 2 * GIVE_UP_MS + 40 * DAY_MS);
        world.check_all_ended();
        world.tally
    }

    fn new(database: Database, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let n_receivers = 2 + rng.index(6);
        let mut world = Self {
            database,
            account: 0,
            schedule: Schedule::default(),
            receivers: (0..n_receivers).map(Receiver::new).collect(),
            rng,
            time_ms: 0,
            offset_ms: START_MS,
            last_claim_ms: i64::MAX,
            wake_ms: None,
            under_way: vec![],
            expected: HashMap::new(),
            ids: vec![],
            tally: Tally::default(),
        };
        let key = NewKey {
            sha256: [0; 32],
            prefix: String::new(),
            label: String::new(),
            webhook_secret: String::new(),
        };
        let created = world.write(|tx| sql::accounts::create_key(tx, &key));
        world.account = created.expect("the ledger is new").account;
        world
    }

    /// Returns the time that the ledger's clock shows.
    pub(super) fn now_ms(&self) -> i64 {
        self.time_ms + self.offset_ms
    }

    /// Runs one ledger operation in its own transaction.
    pub(super) fn write<T>(&mut self, run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let now_ms = self.now_ms();
        let (result, due_updates) = self.database.transact(now_ms, run);
        for (_, update) in due_updates.into_iter().filter(|(queue, _)| *queue == Queue::Webhooks) {
            self.wake_ms = match (update, self.wake_ms) {
                (DueUpdate::WorkDueAt(due_ms), Some(wake_ms)) => Some(wake_ms.min(due_ms)),
                (DueUpdate::WorkDueAt(due_ms), None) => Some(due_ms),
                (DueUpdate::Earliest(earliest_ms), _) => earliest_ms,
            };
        }
        result
    }

    /// Advances `time_ms` to `until_ms`. On the way, ends each attempt at its end time, and claims webhooks
    /// as soon as webhooks are due.
    fn pass_until(&mut self, until_ms: i64) {
        loop {
            let end_ms = self.under_way.iter().map(|running| running.ends_ms).min();
            let wake_ms =
                self.wake_ms.map(|wake_ms| wake_ms.saturating_sub(self.offset_ms).max(self.time_ms));
            let Some(next_ms) =
                [end_ms, wake_ms].into_iter().flatten().min().filter(|next_ms| *next_ms <= until_ms)
            else {
                self.time_ms = until_ms;
                return;
            };
            self.time_ms = next_ms;
            self.end_attempts();
            self.claim();
        }
    }

    /// Claims as many webhooks as the driver has free capacity for, and starts their attempts.
    pub(super) fn claim(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.last_claim_ms {
            self.write(sql::ready_destinations::clamp_to_clock).expect("the destinations can be corrected");
        }
        self.last_claim_ms = now_ms;
        let n_retries = self.under_way.iter().filter(|running| running.lease.value.is_retry).count();
        let n_total = self.under_way.len();
        let small = |n: usize| u32::try_from(n).expect("few attempts are under way");
        let capacity = SendCapacity {
            n_total: CAPACITY.n_total.saturating_sub(small(n_total)),
            n_retries: CAPACITY.n_retries.saturating_sub(small(n_retries)),
        };
        let claimed =
            self.write(|tx| sql::claims::claim(tx, None, capacity, LEASE_MS)).expect("a claim succeeds");
        let leases = claimed.leases;
        self.tally.n_held_back += u64::from(claimed.is_held_back);
        assert!(leases.len() <= capacity.n_total as usize);
        let is_full = leases.len() == capacity.n_total as usize;
        let n_leases = leases.len();
        let n_started = leases.into_iter().filter_map(|lease| self.start_attempt(lease)).count();
        if self.rng.one_in(8) {
            self.check_limits();
        }
        // The check is skipped if this claim returned a webhook to the queue, because only the next claim can
        // use the capacity of the returned webhook.
        if !is_full && n_started == n_leases && self.rng.one_in(8) {
            self.check_nothing_waits_without_reason();
        }
        // While the driver has no free capacity, no claim is due until an attempt ends.
        if self.under_way.len() >= CAPACITY.n_total as usize {
            self.wake_ms = None;
        }
    }

    /// Starts the attempt of a claimed webhook. If an earlier attempt of the webhook is still under way,
    /// returns the webhook to the queue and returns `None`.
    fn start_attempt(&mut self, lease: Lease<DueWebhook>) -> Option<()> {
        let now_ms = self.now_ms();
        let id = lease.value.id;
        let expected = &self.expected[&id];
        assert!(expected.due_ms <= now_ms, "{id} is claimed {} ms too early", expected.due_ms - now_ms);
        let is_last_chance = now_ms >= expected.ends_ms;
        assert!(!is_last_chance || lease.value.n_counted_attempts == 0, "{id} is claimed after its expiry");
        self.tally.n_last_chances += u64::from(is_last_chance);
        if self.under_way.iter().any(|running| running.lease.value.id == id) {
            // The earlier lease has ended, because the clock jumped past its end. Therefore the ledger leased
            // the webhook again while the earlier attempt is under way. The server returns such a webhook to
            // the queue, and so does the simulation.
            let due_ms = now_ms + LOCAL_TROUBLE_PAUSE_MS;
            self.expect_due(id, due_ms);
            self.expected.get_mut(&id).expect("the webhook was accepted").is_postponed = true;
            self.write(|tx| sql::reports::release(tx, &lease.key(), due_ms)).expect("the lease is held");
            return None;
        }
        let receiver = expected.receiver;
        self.tally.n_attempts += 1;
        let path = expected.path;
        let answer = self.receivers[receiver].answer(&mut self.rng, self.time_ms, path);
        let attempt = Attempt { started_ms: now_ms, ..answer };
        let ends_ms = self.time_ms + i64::from(attempt.duration_ms);
        self.under_way.push(UnderWay { lease, attempt, ends_ms });
        Some(())
    }

    fn end_attempts(&mut self) {
        let time_ms = self.time_ms;
        while let Some(index) = self.under_way.iter().position(|running| running.ends_ms <= time_ms) {
            // With probability 1/20, the simulated ledger is busy. The driver then reports the end of the
            // attempt one second later.
            if self.rng.one_in(20) {
                self.under_way[index].ends_ms = time_ms + 1_000;
                continue;
            }
            let ended = self.under_way.swap_remove(index);
            self.report(ended);
        }
    }

    /// Reports the result of an ended attempt to the ledger.
    fn report(&mut self, ended: UnderWay) {
        let UnderWay { lease, mut attempt, .. } = ended;
        let now_ms = self.now_ms();
        let id = lease.value.id;
        let n_counted_attempts = lease.value.n_counted_attempts + 1;
        let max_wait_ms = self.schedule.max_wait_after(n_counted_attempts);
        attempt.retry_after_ms = attempt.retry_after_ms.map(|retry_after_ms| retry_after_ms.min(max_wait_ms));
        let unit_random = self.rng.unit();
        let due_ms = self.schedule.due_after(n_counted_attempts, now_ms, unit_random, attempt.retry_after_ms);
        let failed = |reason| Disposition::Failed { reason };
        let disposition = match (attempt.outcome, attempt.status, due_ms) {
            (Outcome::Delivered, ..) => Disposition::Delivered,
            (_, Some(410), _) => failed(FailureReason::Gone),
            (.., None) => failed(FailureReason::RetriesExhausted),
            (.., Some(due_ms)) if due_ms >= self.expected[&id].ends_ms => failed(FailureReason::Expired),
            (.., Some(due_ms)) => Disposition::Retry { due_ms },
        };
        let report = Report { lease: lease.key(), attempt, disposition };
        let effect = self
            .write(|tx| sql::single(tx, sql::reports::record, report))
            .expect("an attempt can be recorded");
        match (effect, disposition) {
            (RecordEffect::HistoryOnly, _) => self.tally.n_late_reports += 1,
            (RecordEffect::Applied(_), Disposition::Retry { due_ms }) => self.expect_due(id, due_ms),
            (RecordEffect::Applied(_), Disposition::Delivered) => {
                self.expected.get_mut(&id).expect("the webhook was accepted").n_delivered += 1;
            }
            (RecordEffect::Applied(_), Disposition::Failed { .. }) => {}
        }
    }

    pub(super) fn expect_due(&mut self, id: Uuid, due_ms: i64) {
        self.expected.get_mut(&id).expect("the webhook was accepted").due_ms = due_ms;
    }
}
