//! Helpers for the two drivers, which claim jobs and webhooks from the ledger: how much work a driver claims
//! at once, and for how long it postpones work that this machine could not do.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The pause, in milliseconds, before a driver repeats work that failed because of this machine, for example
/// because the disk was full or no socket was free. The failure does not count as an attempt.
pub const LOCAL_TROUBLE_PAUSE_MS: i64 = 5_000;

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
