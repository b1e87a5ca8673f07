//! Runs long computations outside of the threads that serve connections. A computation of 10 ms on such a
//! thread would delay every other connection of the thread.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// The largest input, in bytes, whose computation runs at once on the thread of its caller. Parsing or
/// hashing so many bytes takes about a millisecond.
const SHORT_BYTES: usize = 64 << 10;

/// A limited number of threads for long computations. Cloning this value is cheap, and all clones share one
/// limit.
#[derive(Clone)]
pub struct BlockingThreads {
    permits: Arc<Semaphore>,
}

/// The error of a computation that panicked, or that was cancelled because the Tokio runtime ended.
#[derive(Debug, thiserror::Error)]
#[error("a computation did not end")]
pub struct ComputationError(#[source] tokio::task::JoinError);

impl BlockingThreads {
    /// Limits the number of long computations that run at the same time to `n_threads`, at least 1.
    pub fn new(n_threads: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(n_threads.max(1))) }
    }

    /// Runs `compute`, whose time grows with its input of `n_bytes` bytes. A short computation runs at once.
    /// A long computation waits for a permit and runs in a thread of its own.
    ///
    /// # Errors
    /// [`ComputationError`] if `compute` panics in its thread.
    pub async fn run<T: Send + 'static>(
        &self,
        n_bytes: usize,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputationError> {
        if n_bytes <= SHORT_BYTES {
            return Ok(compute());
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let computed = tokio::task::spawn_blocking(move || {
            let value = compute();
            drop(permit);
            value
        });
        computed.await.map_err(ComputationError)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn only_a_computation_over_many_bytes_runs_on_a_blocking_thread_instead_of_the_calling_thread() {
        let threads = BlockingThreads::new(1);
        let here = thread::current().id();
        for (n_bytes, stays) in [(SHORT_BYTES, true), (SHORT_BYTES + 1, false), (usize::MAX, false)] {
            let there = threads.run(n_bytes, || thread::current().id()).await.expect("nothing panics");
            assert_eq!(there == here, stays, "{n_bytes}");
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_computation_on_a_blocking_thread_is_returned_as_an_error_and_frees_the_permit() {
        let threads = BlockingThreads::new(1);
        let panicked = threads.run(usize::MAX, || panic!("on purpose")).await;
        assert!(panicked.is_err());
        assert_eq!(threads.run(usize::MAX, || 1).await.expect("the permit is free"), 1);
    }
}
