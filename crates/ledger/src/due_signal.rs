//! Wakes the drivers. A driver is a task of the server that claims the work of one queue: the queue of jobs
//! or the queue of webhooks. A commit in this process that makes work due wakes the waiting driver at once,
//! so a driver need not poll.
//!
//! For each queue, this process keeps one time in memory: the due time of the queue's earliest work. A commit
//! that adds earlier work sets this time to the due time of the added work. A claim sets this time from the
//! rows that the claim reads in its transaction. The time in memory may be too late, because another process
//! may add work without changing the memory of this process. The driver still finds such work, because a
//! driver claims at least once per second.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// The longest time for which a driver sleeps. After this time, [`DueSignal::wait`] returns even if no work
/// is known to be due, because the wall clock may have jumped or another process may have added work.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The value that stands for the due time of an empty queue.
const NEVER_MS: i64 = i64::MAX;

/// Signals when a queue may contain due work.
#[derive(Debug)]
pub struct DueSignal {
    clock: Clock,
    earliest_ms: watch::Receiver<i64>,
    clock_changes: Option<watch::Receiver<()>>,
    is_reported: bool,
}

/// The due time of the earliest job and the due time of the earliest webhook.
#[derive(Debug)]
pub(crate) struct DueTimes {
    pub(crate) jobs: DueTime,
    pub(crate) webhooks: DueTime,
}

/// The due time of the earliest work in one queue.
#[derive(Debug)]
pub(crate) struct DueTime {
    earliest_ms: watch::Sender<i64>,
}

/// The queues of the ledger that contain work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Jobs,
    Webhooks,
}

/// A change of a queue's earliest due time that a transaction caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueUpdate {
    /// The transaction added work that is due at the given time.
    WorkDueAt(i64),
    /// The transaction determined the due time of the earliest work in the whole queue. The value is this due
    /// time, or `None` for an empty queue.
    Earliest(Option<i64>),
}

impl DueSignal {
    /// Waits until work may be due: until a commit in this process makes work due, the earliest due time
    /// passes, or one second has passed.
    ///
    /// The function signals the same due work again only after a claim or after one second. A caller whose
    /// claims fail therefore does not loop without a pause.
    pub async fn wait(&mut self) {
        let time_out = tokio::time::sleep(MAX_SLEEP);
        tokio::pin!(time_out);
        loop {
            if self.earliest_ms.has_changed().unwrap_or(false) {
                self.is_reported = false;
            }
            let earliest_ms = *self.earliest_ms.borrow_and_update();
            if !self.is_reported && earliest_ms <= self.clock.now_ms() {
                self.is_reported = true;
                return;
            }
            let sleep =
                if self.is_reported { MAX_SLEEP } else { self.clock.sleep_until(earliest_ms, MAX_SLEEP) };
            tokio::select! {
                () = &mut time_out => return,
                () = tokio::time::sleep(sleep) => {}
                () = changed(Some(&mut self.earliest_ms)) => self.is_reported = false,
                () = changed(self.clock_changes.as_mut()) => {}
            }
        }
    }
}

impl DueTimes {
    /// Creates the due times of a ledger that was just opened. The content of both queues is still unknown,
    /// so the due time of each queue lies in the past, which signals possible work.
    pub(crate) fn unknown() -> Self {
        Self {
            jobs: DueTime { earliest_ms: watch::Sender::new(i64::MIN) },
            webhooks: DueTime { earliest_ms: watch::Sender::new(i64::MIN) },
        }
    }

    /// Applies a due-time update of a committed transaction. The updates must be applied in the order of the
    /// commits.
    pub(crate) fn apply(&self, queue: Queue, update: DueUpdate) {
        match queue {
            Queue::Jobs => self.jobs.apply(update),
            Queue::Webhooks => self.webhooks.apply(update),
        }
    }
}

impl DueTime {
    pub(crate) fn signal(&self, clock: &Clock) -> DueSignal {
        DueSignal {
            clock: clock.clone(),
            earliest_ms: self.earliest_ms.subscribe(),
            clock_changes: clock.changes(),
            is_reported: false,
        }
    }

    fn apply(&self, update: DueUpdate) {
        match update {
            DueUpdate::WorkDueAt(due_ms) => {
                self.earliest_ms.send_if_modified(|earliest_ms| {
                    let is_earlier = due_ms < *earliest_ms;
                    *earliest_ms = due_ms.min(*earliest_ms);
                    is_earlier
                });
            }
            DueUpdate::Earliest(due_ms) => {
                self.earliest_ms.send_replace(due_ms.unwrap_or(NEVER_MS));
            }
        }
    }
}

/// Waits for the next change that `receiver` reports. Waits for ever when there is no receiver, or when the
/// sender was dropped.
async fn changed<T>(receiver: Option<&mut watch::Receiver<T>>) {
    if let Some(receiver) = receiver
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
