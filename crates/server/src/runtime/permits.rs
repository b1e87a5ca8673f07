//! Helpers for the two drivers, which claim jobs and webhooks from the ledger: how much work a driver claims
//! at once, and for how long it postpones work that this machine could not do.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest pause, in milliseconds, before a driver repeats work that failed because of this machine, for
/// example because the disk was full or the network was down. The failure does not count as an attempt.
pub const LOCAL_TROUBLE_PAUSE_MS: i64 = 2_000;

/// Returns the pause, in milliseconds, before a driver repeats work that failed because of this machine: from
/// half of [`LOCAL_TROUBLE_PAUSE_MS`] to all of it. `unit_random` is a random number in `[0, 1)`. The random
/// number prevents work that failed at the same time from being repeated at the same time.
pub fn local_trouble_pause_ms(unit_random: f64) -> i64 {
    let half_ms = LOCAL_TROUBLE_PAUSE_MS / 2;
    half_ms + (half_ms as f64 * unit_random) as i64
}

/// Waits for one permit and then takes all free permits. A driver claims as much work as it has permits, and
/// can therefore start all claimed work at once.
pub async fn free_permits(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let mut free = Arc::clone(permits).acquire_owned().await.expect("a driver's semaphore is never closed");
    let n_more = u32::try_from(permits.available_permits()).unwrap_or(u32::MAX);
    if let Ok(more) = Arc::clone(permits).try_acquire_many_owned(n_more) {
        free.merge(more);
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_a_fault_of_this_machine_or_its_proxy_is_between_one_and_two_seconds() {
        assert_eq!(local_trouble_pause_ms(0.0), 1_000);
        assert_eq!(local_trouble_pause_ms(0.5), 1_500);
        assert!(local_trouble_pause_ms(0.999_999) <= 2_000);
    }
}
