//! Waking the drivers: how a commit in this process reaches those who wait for work, at once and without polling.
//!
//! Each queue has one time in memory: when its earliest work is due. Commits move it forward, claims set it anew
//! from what they saw in the same transaction. It is a hint. Work that it misses, because another process made
//! it due, is found by asking once a second.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// How long a waiter sleeps at most, whatever it knows: the wall clock may have jumped, and another process may
/// have made work due.
const FLOOR: Duration = Duration::from_secs(1);

/// Nothing is known to be due, ever.
const NEVER_MS: i64 = i64::MAX;

/// Tells when a queue may have work.
#[derive(Debug)]
pub struct DueSignal {
    clock: Clock,
    earliest_ms: watch::Receiver<i64>,
    moves: Option<watch::Receiver<()>>,
    is_reported: bool,
}

/// The sending side for both queues.
#[derive(Debug)]
pub(crate) struct Dues {
    pub(crate) jobs: Due,
    pub(crate) webhooks: Due,
}

/// The earliest due time of one queue.
#[derive(Debug)]
pub(crate) struct Due {
    earliest_ms: watch::Sender<i64>,
}

/// Which queue something was learned about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Jobs,
    Webhooks,
}

/// What a transaction has learned about a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Work was made due at this time.
    At(i64),
    /// Of everything in the queue, this is due first.
    Earliest(Option<i64>),
}

impl DueSignal {
    /// Returns when work may be due: a commit in this process made some due, the earliest due time passed, or a
    /// second went by. What was reported once and not claimed since is not reported again before that second
    /// is over, so that a caller whose claims fail does not spin.
    pub async fn wait(&mut self) {
        let floor = tokio::time::sleep(FLOOR);
        tokio::pin!(floor);
        loop {
            if self.earliest_ms.has_changed().unwrap_or(false) {
                self.is_reported = false;
            }
            let earliest_ms = *self.earliest_ms.borrow_and_update();
            if !self.is_reported && earliest_ms <= self.clock.now_ms() {
                self.is_reported = true;
                return;
            }
            let sleep = if self.is_reported { FLOOR } else { self.clock.sleep_until(earliest_ms, FLOOR) };
            tokio::select! {
                () = &mut floor => return,
                () = tokio::time::sleep(sleep) => {}
                () = changed(Some(&mut self.earliest_ms)) => self.is_reported = false,
                () = changed(self.moves.as_mut()) => {}
            }
        }
    }
}

impl Dues {
    /// Queues of which nothing is known, so that they have to be asked.
    pub(crate) fn unknown() -> Self {
        Self {
            jobs: Due { earliest_ms: watch::Sender::new(i64::MIN) },
            webhooks: Due { earliest_ms: watch::Sender::new(i64::MIN) },
        }
    }

    /// Takes note of what a committed transaction has learned. Must be called in the order of the commits.
    pub(crate) fn note(&self, queue: Queue, wake: Wake) {
        match queue {
            Queue::Jobs => self.jobs.note(wake),
            Queue::Webhooks => self.webhooks.note(wake),
        }
    }
}

impl Due {
    pub(crate) fn signal(&self, clock: &Clock) -> DueSignal {
        DueSignal {
            clock: clock.clone(),
            earliest_ms: self.earliest_ms.subscribe(),
            moves: clock.moves(),
            is_reported: false,
        }
    }

    fn note(&self, wake: Wake) {
        match wake {
            Wake::At(due_ms) => {
                self.earliest_ms.send_if_modified(|earliest_ms| {
                    let is_earlier = due_ms < *earliest_ms;
                    *earliest_ms = due_ms.min(*earliest_ms);
                    is_earlier
                });
            }
            Wake::Earliest(due_ms) => {
                self.earliest_ms.send_replace(due_ms.unwrap_or(NEVER_MS));
            }
        }
    }
}

/// Waits for a change; for ever where there is nobody left to make one.
async fn changed<T>(receiver: Option<&mut watch::Receiver<T>>) {
    if let Some(receiver) = receiver
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
