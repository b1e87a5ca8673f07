//! One world: a ledger, a driver, receivers, users, and a time that passes evenly while the clock jumps.

use std::collections::HashMap;
use std::ops::AddAssign;

use rusqlite::Connection;
use uuid::Uuid;

use super::dice::Dice;
use super::receiver::Receiver;
use crate::destination::{Fairness, Room};
use crate::error::Error;
use crate::lease::Lease;
use crate::model::account::NewKey;
use crate::model::webhook::{Attempt, DueWebhook, Next, Outcome};
use crate::schedule::Schedule;
use crate::sql::sqlite::memory;
use crate::sql::webhooks::Recorded;
use crate::sql::{self, Tx};
use crate::wake::{Queue, Wake};

const START_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
const LEASE_MS: i64 = 30_000;
pub(super) const ROOM: Room = Room { n: 12, n_retries: 6 };
/// The longest a webhook is tried.
pub(super) const GIVE_UP_MS: i64 = 14 * DAY_MS;

pub(super) const FAIRNESS: Fairness = Fairness {
    per_authority: 4,
    per_address: 5,
    n_failures_to_open: 5,
    first_pause_ms: 5_000,
    longest_pause_ms: 300_000,
    longest_asked_ms: 3_600_000,
    give_up_ms: None,
};

/// What happened, so that a test can see that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) n_delivered: u64,
    pub(super) n_failed: u64,
    pub(super) n_attempts: u64,
    pub(super) n_crashes: u64,
    pub(super) n_jumps: u64,
    pub(super) n_late: u64,
    pub(super) n_paused: u64,
    pub(super) n_saturated: u64,
    pub(super) n_crowded: u64,
}

pub(super) struct World {
    pub(super) connection: Connection,
    pub(super) dice: Dice,
    pub(super) account: i64,
    pub(super) schedule: Schedule,
    pub(super) receivers: Vec<Receiver>,
    /// Passes evenly.
    pub(super) time_ms: i64,
    /// What the clock shows more than that.
    pub(super) offset_ms: i64,
    /// What the clock showed at the last claim.
    pub(super) latest_claim_ms: i64,
    /// When the ledger says that there will be something to do, by the clock.
    pub(super) wake_ms: Option<i64>,
    pub(super) under_way: Vec<UnderWay>,
    pub(super) known: HashMap<Uuid, Known>,
    pub(super) ids: Vec<Uuid>,
    pub(super) tally: Tally,
}

pub(super) struct UnderWay {
    pub(super) lease: Lease<DueWebhook>,
    pub(super) attempt: Attempt,
    pub(super) ends_ms: i64,
}

struct PutBack;

/// What must hold of one webhook, by the clock.
pub(super) struct Known {
    pub(super) receiver: usize,
    pub(super) due_ms: i64,
    pub(super) ends_ms: i64,
    pub(super) n_delivered: u32,
}

impl World {
    /// Lets so many weeks pass, then as much time as the last webhook needs to end.
    pub(super) fn run(seed: u64, n_weeks: u64) -> Tally {
        let mut world = Self::new(seed);
        let end_ms = i64::try_from(n_weeks).expect("few weeks") * WEEK_MS;
        while world.time_ms < end_ms {
            let event_ms = world.time_ms + world.dice.spread(1_000, 2 * DAY_MS);
            world.pass_until(event_ms);
            world.something_happens();
        }
        // Nobody interferes any more: everything comes to an end, whatever its receiver does.
        world.pass_until(world.time_ms + 2 * GIVE_UP_MS + 40 * DAY_MS);
        world.check_the_end();
        world.tally
    }

    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let n_receivers = 2 + dice.index(6);
        let mut world = Self {
            connection: memory(),
            account: 0,
            schedule: Schedule::default(),
            receivers: (0..n_receivers).map(Receiver::new).collect(),
            dice,
            time_ms: 0,
            offset_ms: START_MS,
            latest_claim_ms: i64::MAX,
            wake_ms: None,
            under_way: vec![],
            known: HashMap::new(),
            ids: vec![],
            tally: Tally::default(),
        };
        let key = NewKey {
            sha256: [0; 32],
            prefix: String::new(),
            label: String::new(),
            webhook_secret: String::new(),
        };
        world.account = world.write(|tx| sql::accounts::create_key(tx, &key)).expect("a new ledger").account;
        world
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.time_ms + self.offset_ms
    }

    /// Runs an operation in a transaction of its own.
    pub(super) fn write<T>(&mut self, run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let now_ms = self.now_ms();
        let (result, wakes) = sql::sqlite::transact(&self.connection, now_ms, run);
        for (_, wake) in wakes.into_iter().filter(|(queue, _)| *queue == Queue::Webhooks) {
            self.wake_ms = match (wake, self.wake_ms) {
                (Wake::At(at_ms), Some(known_ms)) => Some(known_ms.min(at_ms)),
                (Wake::At(at_ms), None) => Some(at_ms),
                (Wake::Earliest(earliest_ms), _) => earliest_ms,
            };
        }
        result
    }

    /// Lets time pass: attempts end and others begin, whenever something is due.
    fn pass_until(&mut self, until_ms: i64) {
        loop {
            let end_ms = self.under_way.iter().map(|running| running.ends_ms).min();
            let wake_ms =
                self.wake_ms.map(|wake_ms| wake_ms.saturating_sub(self.offset_ms).max(self.time_ms));
            let Some(next_ms) =
                [end_ms, wake_ms].into_iter().flatten().min().filter(|at_ms| *at_ms <= until_ms)
            else {
                self.time_ms = until_ms;
                return;
            };
            self.time_ms = next_ms;
            self.end_attempts();
            self.claim();
        }
    }

    pub(super) fn claim(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.latest_claim_ms {
            self.write(|tx| sql::destinations::clock_went_back(tx, &FAIRNESS)).expect("it can be mended");
        }
        self.latest_claim_ms = now_ms;
        let n_retries = self.under_way.iter().filter(|running| running.lease.value.is_retry).count();
        let n = self.under_way.len();
        let room = Room {
            n: ROOM.n.saturating_sub(u32::try_from(n).expect("few")),
            n_retries: ROOM.n_retries.saturating_sub(u32::try_from(n_retries).expect("few")),
        };
        let leases = self.write(|tx| sql::claims::claim(tx, room, LEASE_MS, &FAIRNESS)).expect("a claim");
        assert!(leases.len() <= room.n as usize);
        let is_full = leases.len() == room.n as usize;
        let n_put_back = leases.into_iter().filter_map(|lease| self.begin(lease)).count();
        if self.dice.one_in(8) {
            self.check_limits();
        }
        // What was put back has left room that the next claim gives to others.
        if !is_full && n_put_back == 0 && self.dice.one_in(8) {
            self.check_nobody_is_forgotten();
        }
        // Without room nothing is due until an attempt ends.
        if self.under_way.len() >= ROOM.n as usize {
            self.wake_ms = None;
        }
    }

    /// Says so when it cannot be begun and is put back.
    fn begin(&mut self, lease: Lease<DueWebhook>) -> Option<PutBack> {
        let now_ms = self.now_ms();
        let known = &self.known[&lease.value.id];
        assert!(known.due_ms <= now_ms, "{} is early by {} ms", lease.value.id, known.due_ms - now_ms);
        assert!(now_ms < known.ends_ms, "{} is sent after its time", lease.value.id);
        let is_under_way = |running: &UnderWay| running.lease.value.id == lease.value.id;
        if self.under_way.iter().any(is_under_way) {
            // The clock jumped over the end of its lease: as the driver does, it is put back.
            self.reschedule(lease.value.id, now_ms + 5_000);
            self.write(|tx| sql::webhooks::release(tx, &lease.held(), now_ms + 5_000, &FAIRNESS))
                .expect("it is held");
            return Some(PutBack);
        }
        self.tally.n_attempts += 1;
        let attempt = self.receivers[known.receiver].answer(&mut self.dice, self.time_ms);
        let ends_ms = self.time_ms + i64::from(attempt.duration_ms);
        self.under_way.push(UnderWay { lease, attempt, ends_ms });
        None
    }

    fn end_attempts(&mut self) {
        let time_ms = self.time_ms;
        while let Some(at) = self.under_way.iter().position(|running| running.ends_ms <= time_ms) {
            // Now and then the ledger is busy, and what came of an attempt is told a second later.
            if self.dice.one_in(20) {
                self.under_way[at].ends_ms = time_ms + 1_000;
                continue;
            }
            let ended = self.under_way.swap_remove(at);
            self.end(ended);
        }
    }

    fn end(&mut self, ended: UnderWay) {
        let UnderWay { lease, mut attempt, .. } = ended;
        let now_ms = self.now_ms();
        let id = lease.value.id;
        let n_counted = lease.value.n_counted + 1;
        let granted_ms = self.schedule.longest_wait_after(n_counted);
        attempt.retry_after_ms = attempt.retry_after_ms.map(|asked_ms| asked_ms.min(granted_ms));
        let due_ms = self.schedule.due_after(n_counted, now_ms, self.dice.unit(), attempt.retry_after_ms);
        let failed = |reason: &str| Next::Failed { reason: reason.to_owned() };
        let next = match (attempt.outcome, attempt.status, due_ms) {
            (Outcome::Delivered, ..) => Next::Delivered,
            (_, Some(410), _) => failed("gone"),
            (.., None) => failed("retries_exhausted"),
            (.., Some(due_ms)) if due_ms >= self.known[&id].ends_ms => failed("expired"),
            (.., Some(due_ms)) => Next::Retry { due_ms },
        };
        let held = lease.held();
        let recorded = self
            .write(|tx| sql::webhooks::record(tx, &held, &attempt, next.clone(), &FAIRNESS))
            .expect("an attempt can be recorded");
        match (recorded, next) {
            (Recorded::Late, _) => self.tally.n_late += 1,
            (Recorded::InTime, Next::Retry { due_ms }) => self.reschedule(id, due_ms),
            (Recorded::InTime, Next::Delivered) => {
                self.known.get_mut(&id).expect("it is known").n_delivered += 1;
            }
            (Recorded::InTime, Next::Failed { .. }) => {}
        }
    }

    pub(super) fn reschedule(&mut self, id: Uuid, due_ms: i64) {
        self.known.get_mut(&id).expect("it is known").due_ms = due_ms;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.n_delivered += other.n_delivered;
        self.n_failed += other.n_failed;
        self.n_attempts += other.n_attempts;
        self.n_crashes += other.n_crashes;
        self.n_jumps += other.n_jumps;
        self.n_late += other.n_late;
        self.n_paused += other.n_paused;
        self.n_saturated += other.n_saturated;
        self.n_crowded += other.n_crowded;
    }
}
