//! Wakes the drivers. A driver is a task of the server that claims the work of one queue. A commit in this
//! process that makes work due wakes the waiting driver at once, so drivers need not poll.
//!
//! For each queue this process keeps one time in memory: the due time of the queue's earliest work. A commit
//! that adds earlier work sets the time to the due time of this work. A claim sets the time from the rows
//! that it reads in its transaction. The time may be wrong, because another process may add work without
//! changing the time in this process. A driver finds such work because it claims at least once per second.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// The longest time for which a driver sleeps. After this time [`DueSignal::wait`] reports possible work,
/// because the wall clock may have jumped or another process may have added work.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The value that is stored as the due time of an empty queue.
const NEVER_MS: i64 = i64::MAX;

/// Signals when a queue may have due work.
#[derive(Debug)]
pub struct DueSignal {
    clock: Clock,
    earliest_ms: watch::Receiver<i64>,
    clock_changes: Option<watch::Receiver<()>>,
    is_reported: bool,
}

/// The earliest due times of both queues.
#[derive(Debug)]
pub(crate) struct DueTimes {
    pub(crate) jobs: DueTime,
    pub(crate) webhooks: DueTime,
}

/// The earliest due time of one queue.
#[derive(Debug)]
pub(crate) struct DueTime {
    earliest_ms: watch::Sender<i64>,
}

/// A queue of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Jobs,
    Webhooks,
}

/// A change of a queue's due time that a transaction caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueUpdate {
    /// The transaction added work that is due at this time.
    WorkDueAt(i64),
    /// The transaction read the whole queue. The value is the due time of the queue's earliest work, or
    /// `None` for an empty queue.
    Earliest(Option<i64>),
}

impl DueSignal {
    /// Waits until work may be due: until a commit in this process makes work due, the earliest due time
    /// passes, or one second has passed. After this function has returned for some work, it returns for the
    /// same work again only after a claim or after one second. A caller whose claims fail therefore does not
    /// loop without a pause.
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
    /// The due times of a ledger that was just opened. The content of both queues is still unknown, so both
    /// signal possible work.
    pub(crate) fn unknown() -> Self {
        Self {
            jobs: DueTime { earliest_ms: watch::Sender::new(i64::MIN) },
            webhooks: DueTime { earliest_ms: watch::Sender::new(i64::MIN) },
        }
    }

    /// Applies an update of a committed transaction. Calls must come in the order of the commits.
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

/// Waits for the next change that the receiver reports. Waits for ever when there is no receiver, or when its
/// sender was dropped.
async fn changed<T>(receiver: Option<&mut watch::Receiver<T>>) {
    if let Some(receiver) = receiver
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
