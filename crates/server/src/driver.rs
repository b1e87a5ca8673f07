//! What the drivers of jobs and of webhooks share: how they take as much work as there is room for, and how long they
//! leave alone what this machine could not do.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long work waits that this machine could not do: a full disk, no sockets. Its try is not used up.
pub const LOCAL_TROUBLE_PAUSE_MS: i64 = 5_000;

/// Waits for one permit and takes all that are free: no more is claimed than can be begun at once.
pub async fn free_permits(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let mut free = Arc::clone(permits).acquire_owned().await.expect("a driver's semaphore is never closed");
    let n_more = u32::try_from(permits.available_permits()).unwrap_or(u32::MAX);
    if let Ok(more) = Arc::clone(permits).try_acquire_many_owned(n_more) {
        free.merge(more);
    }
    free
}
