//! The deadline of an exchange or a fetch. The deadline does not count the time in which the operation waits
//! for a free resource of this machine, such as a place for a DNS lookup, because the peer is not responsible
//! for that time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A deadline that is postponed while the operation waits for a free resource of this machine.
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
    waits: Mutex<LocalWaits>,
}

/// The time in which the operation waited for a free resource of this machine.
struct LocalWaits {
    /// The total duration of all waits that have ended.
    total: Duration,
    /// The number of waits that are running. An operation can dial two addresses at the same time.
    n_running: u32,
    /// The start of the oldest running wait. The value is meaningless while no wait is running.
    since: Instant,
}

/// Ends a wait when the `RunningWait` is dropped, so that a cancelled wait ends as well.
struct RunningWait<'a>(&'a Deadline);

impl Deadline {
    /// A deadline that passes `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        let started = Instant::now();
        let waits = LocalWaits { total: Duration::ZERO, n_running: 0, since: started };
        Self { started, limit, waits: Mutex::new(waits) }
    }

    /// Runs an operation until the deadline. Returns `None` when the deadline passed first.
    ///
    /// Waits for this machine postpone the deadline, but all waits together postpone the deadline by at most
    /// `limit`. The lease of a webhook lasts longer than twice this limit.
    pub(crate) async fn run<T>(&self, operation: impl Future<Output = T>) -> Option<T> {
        let mut operation = std::pin::pin!(operation);
        loop {
            let ends_at = self.ends_at();
            tokio::select! {
                biased;
                result = &mut operation => return Some(result),
                () = sleep_until(ends_at) => if self.ends_at() <= ends_at { return None },
            }
        }
    }

    /// Runs a wait for a free resource of this machine. The duration of the wait postpones the deadline.
    pub(crate) async fn run_local_wait<T>(&self, wait: impl Future<Output = T>) -> T {
        let _running = self.begin_wait();
        wait.await
    }

    /// Returns whether the operation has waited for this machine for the longest time by which waits may
    /// postpone the deadline.
    pub(crate) fn is_spent_on_waits(&self) -> bool {
        self.waits().so_far() >= self.limit
    }

    /// Returns whether the deadline has passed. [`Self::run`] notices a passed deadline only while the
    /// operation waits.
    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.ends_at()
    }

    fn ends_at(&self) -> Instant {
        self.started + self.limit + self.waits().so_far().min(self.limit)
    }

    fn begin_wait(&self) -> RunningWait<'_> {
        let mut waits = self.waits();
        if waits.n_running == 0 {
            waits.since = Instant::now();
        }
        waits.n_running += 1;
        RunningWait(self)
    }

    fn waits(&self) -> MutexGuard<'_, LocalWaits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalWaits {
    fn so_far(&self) -> Duration {
        match self.n_running {
            0 => self.total,
            _ => self.total + self.since.elapsed(),
        }
    }
}

impl Drop for RunningWait<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        waits.n_running -= 1;
        if waits.n_running == 0 {
            let duration = waits.since.elapsed();
            waits.total += duration;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_free_resource_of_this_machine_postpones_the_deadline_by_the_length_of_the_wait() {
        let (begun, deadline) = (Instant::now(), Deadline::after(3 * SECOND));
        let operation = async {
            sleep(SECOND).await;
            deadline.run_local_wait(sleep(2 * SECOND)).await;
            std::future::pending::<()>().await;
        };
        assert_eq!(deadline.run(operation).await, None);
        assert_eq!(begun.elapsed(), 5 * SECOND);
        assert!(!deadline.is_spent_on_waits());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_free_resources_of_this_machine_at_most_double_the_time_until_the_deadline() {
        let (begun, deadline) = (Instant::now(), Deadline::after(3 * SECOND));
        let endless = deadline.run_local_wait(std::future::pending::<()>());
        assert_eq!(deadline.run(endless).await, None);
        assert_eq!(begun.elapsed(), 6 * SECOND);
        assert!(deadline.is_spent_on_waits());
    }

    #[tokio::test(start_paused = true)]
    async fn two_simultaneous_waits_for_resources_of_this_machine_postpone_the_deadline_only_once() {
        let (begun, deadline) = (Instant::now(), Deadline::after(3 * SECOND));
        let operation = async {
            let (first, second) = (sleep(SECOND), sleep(SECOND));
            tokio::join!(deadline.run_local_wait(first), deadline.run_local_wait(second));
            std::future::pending::<()>().await;
        };
        assert_eq!(deadline.run(operation).await, None);
        assert_eq!(begun.elapsed(), 4 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_ends_before_its_deadline_returns_its_result() {
        assert_eq!(Deadline::after(SECOND).run(async { 7 }).await, Some(7));
    }
}
