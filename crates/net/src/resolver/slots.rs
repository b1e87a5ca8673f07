//! The limit on the number of lookups that run at the same time. Every running lookup occupies a slot. Names
//! whose name servers are silent cannot occupy all slots for long: when a lookup waits for a slot, and the
//! oldest running lookup has run for [`GUARANTEED`], the oldest lookup ends and frees its slot.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The largest number of lookups that run at the same time. A lookup of an unanswered name has two UDP sockets
/// for each name server, and at most two name servers are asked at the same time.
pub(super) const MAX_LOOKUPS: usize = 512;

/// The time for which every lookup may run, even while other lookups wait for a slot. A name server that
/// works answers within a much shorter time.
pub(super) const GUARANTEED: Duration = Duration::from_secs(2);

/// The slots: the permits to run a lookup.
pub(super) struct Slots {
    permits: Arc<Semaphore>,
    running: Mutex<VecDeque<Running>>,
}

/// A running lookup. The queue of running lookups is ordered by `since`.
struct Running {
    since: Instant,
    give_way: Arc<Notify>,
}

/// A slot of a running lookup. Dropping the `Slot` frees the slot.
pub(super) struct Slot {
    slots: Arc<Slots>,
    give_way: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_LOOKUPS)), running: Mutex::new(VecDeque::new()) }
    }

    /// Waits for a slot. Lookups get their slots in the order of arrival, each after at most [`GUARANTEED`].
    pub(super) async fn enter(self: Arc<Self>) -> Slot {
        let mut permit = std::pin::pin!(Arc::clone(&self.permits).acquire_owned());
        // A lookup that waits for a slot asks at most one running lookup to end.
        let mut has_ended_one = false;
        let permit = loop {
            tokio::select! {
                biased;
                permit = &mut permit => break permit.expect("this semaphore is never closed"),
                () = sleep_until(self.next_end()), if !has_ended_one => has_ended_one = self.end_oldest(),
            }
        };
        let give_way = Arc::new(Notify::new());
        self.running().push_back(Running { since: Instant::now(), give_way: Arc::clone(&give_way) });
        Slot { slots: self, give_way, _permit: permit }
    }

    /// The time at which the oldest running lookup must end for a waiting lookup. Lookups that have already
    /// been asked to end do not count, because their slots become free soon. If no other lookup is running,
    /// the time is [`GUARANTEED`] from now.
    fn next_end(&self) -> Instant {
        let oldest = self.running().front().map(|oldest| oldest.since);
        oldest.unwrap_or_else(Instant::now) + GUARANTEED
    }

    /// Asks the oldest running lookup to end, if this lookup has run for [`GUARANTEED`]. Returns whether a
    /// lookup has been asked to end.
    fn end_oldest(&self) -> bool {
        let is_over = |oldest: &mut Running| oldest.since.elapsed() >= GUARANTEED;
        let oldest = self.running().pop_front_if(is_over);
        if let Some(oldest) = &oldest {
            oldest.give_way.notify_one();
        }
        oldest.is_some()
    }

    fn running(&self) -> MutexGuard<'_, VecDeque<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Waits until the lookup that holds this slot must end, because another lookup needs the slot.
    pub(super) async fn must_give_way(&self) {
        self.give_way.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.running().retain(|running| !Arc::ptr_eq(&running.give_way, &self.give_way));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    async fn fill(slots: &Arc<Slots>) -> Vec<Slot> {
        let begun = Instant::now();
        let filled = join_all((0..MAX_LOOKUPS).map(|_| Arc::clone(slots).enter())).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "a free slot needs no wait");
        filled
    }

    #[tokio::test(start_paused = true)]
    async fn a_dns_lookup_above_the_limit_waits_until_the_oldest_dns_lookup_has_run_for_its_guaranteed_time()
    {
        let slots = Arc::new(Slots::new());
        let mut silent = fill(&slots).await;
        let (begun, oldest) = (Instant::now(), silent.remove(0));
        let entered = Arc::clone(&slots).enter();
        let given_way = async {
            oldest.must_give_way().await;
            drop(oldest);
        };
        let (_entered, ()) = tokio::join!(entered, given_way);
        assert_eq!(begun.elapsed(), GUARANTEED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dns_lookup_that_ends_lets_a_waiting_dns_lookup_start_at_once() {
        let slots = Arc::new(Slots::new());
        let mut running = fill(&slots).await;
        let begun = Instant::now();
        let mut entered = std::pin::pin!(Arc::clone(&slots).enter());
        assert!((&mut entered).now_or_never().is_none());
        running.pop();
        entered.await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn for_each_dns_lookup_that_waits_exactly_one_of_the_oldest_running_dns_lookups_is_ended() {
        let slots = Arc::new(Slots::new());
        let mut old = fill(&slots).await;
        let young = old.split_off(100);
        let begun = Instant::now();
        let entered = join_all((0..100).map(|_| Arc::clone(&slots).enter()));
        let given_way = join_all(old.into_iter().map(async |slot| {
            slot.must_give_way().await;
        }));
        tokio::join!(entered, given_way);
        assert_eq!(begun.elapsed(), GUARANTEED);
        for slot in &young {
            assert!(slot.must_give_way().now_or_never().is_none(), "nobody needs the other slots");
        }
    }
}
