//! The pool of image workers. A worker is a child process of this binary and decodes customers' images, so a
//! malicious image can crash one worker, but never the server.
//!
//! A fixed number of workers starts with the server. The queue for these workers has a maximum length, and
//! requests beyond this length are refused. The pool kills and replaces a worker that exceeds its limit on
//! memory, CPU time or wall time, or whose caller no longer waits for the result.

mod child;
pub mod jail;
pub mod jail_probe;
mod usage;
mod wire;
pub mod worker;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pixaven_imaging::{Limits, Plan, Processed};
use tokio::sync::Semaphore;

use self::child::{Child, ExchangeError};
use super::Caller;
use super::error::WorkError;
use crate::runtime::lifecycle::Tasks;

/// The settings of the pool of image workers.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// The path of the `pixaven` binary, which runs as a worker if it is started with the command
    /// `image-worker`.
    pub program: PathBuf,
    /// The number of workers in the pool, at least 1.
    pub n_workers: usize,
    /// The resident memory that one worker may use, in bytes.
    pub memory_bytes: u64,
    /// The CPU time that a worker may use for one image.
    pub cpu: Duration,
    /// The wall time that a worker may take for one image, measured from the moment at which it received the
    /// image. For a job, only time counts in which the worker neither computes nor waits for a processor.
    pub wall: Duration,
    /// The largest number of interactive requests that may wait for a worker at the same time.
    pub queue_count: usize,
    /// The limits that a worker checks while it decodes and encodes one image, such as the number of pixels.
    pub limits: Limits,
}

/// The files that a worker receives for one image.
#[derive(Debug, Clone)]
pub struct WorkerInput {
    /// The image.
    pub image: Bytes,
    /// The watermark's image, if the plan of the request has a watermark.
    pub watermark: Option<Bytes>,
}

/// The pool of image workers. A clone is cheap, and all clones share one pool.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    settings: SandboxSettings,
    /// The permits for interactive requests: one for each place in the queue and one for each worker. A
    /// request holds its permit until its image is processed.
    queue: Semaphore,
    /// The permits for using a worker. Their number is the number of workers.
    workers: Semaphore,
    idle: Mutex<Vec<Child>>,
    /// Runs the tasks that read the workers' standard error.
    tasks: Tasks,
}

impl Shared {
    fn spawn_child(&self) -> std::io::Result<Child> {
        Child::spawn(&self.settings.program, self.settings.cpu, &self.tasks)
    }
}

impl Sandbox {
    /// Starts all workers of the pool.
    ///
    /// # Errors
    /// If the operating system cannot start a worker process.
    pub fn start(settings: SandboxSettings, tasks: Tasks) -> std::io::Result<Self> {
        let idle = (0..settings.n_workers)
            .map(|_| Child::spawn(&settings.program, settings.cpu, &tasks))
            .collect::<std::io::Result<Vec<_>>>()?;
        let shared = Shared {
            queue: Semaphore::new(settings.queue_count + settings.n_workers),
            workers: Semaphore::new(settings.n_workers),
            idle: Mutex::new(idle),
            settings,
            tasks,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Processes one image. A job waits for a free worker. An interactive request also waits, but is refused
    /// if the queue is full. If the caller drops the future, the image leaves the queue; if a worker is
    /// already busy with the image, the pool kills this worker.
    ///
    /// # Errors
    /// [`WorkError::Image`], [`WorkError::LimitExceeded`], [`WorkError::Overloaded`],
    /// [`WorkError::WorkerStart`], [`WorkError::WorkerCrashed`].
    pub async fn process(
        &self,
        input: &WorkerInput,
        plan: &Plan,
        caller: Caller,
    ) -> Result<Processed, WorkError> {
        let shared = &*self.shared;
        let _place = match caller {
            Caller::Interactive => Some(shared.queue.try_acquire().map_err(|_| WorkError::Overloaded)?),
            Caller::Job => None,
        };
        let _worker = shared.workers.acquire().await.map_err(WorkError::internal)?;
        match self.process_in(self.borrow()?, input, plan, caller).await {
            // The worker exceeded the memory limit, but it had processed other images before and still holds
            // memory of them. The image is therefore processed again in a new worker, where only the memory
            // of this image counts.
            Err(ExchangeError::OutOfMemoryAfterUse(_)) => {
                self.process_in(self.borrow_unused()?, input, plan, caller).await
            }
            other => other,
        }
        .map_err(|error| match error {
            ExchangeError::Image(error) => error.into(),
            ExchangeError::LimitExceeded(exceeded) | ExchangeError::OutOfMemoryAfterUse(exceeded) => {
                exceeded.into()
            }
            ExchangeError::Crashed(detail) => WorkError::WorkerCrashed(detail),
        })
    }

    async fn process_in(
        &self,
        mut worker: BorrowedWorker<'_>,
        input: &WorkerInput,
        plan: &Plan,
        caller: Caller,
    ) -> Result<Processed, ExchangeError> {
        let child = worker.child.as_mut().expect("a borrowed worker is present until it is returned");
        let processed = child.process(input, plan, &self.shared.settings, caller).await;
        if matches!(processed, Ok(_) | Err(ExchangeError::Image(_))) {
            worker.return_to_pool();
        }
        processed
    }

    /// Returns the number of busy workers plus the number of idle workers that are alive.
    pub fn n_alive(&self) -> usize {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let n_idle_alive = idle.iter_mut().filter_map(|child| child.is_alive().then_some(())).count();
        let n_busy = self.shared.settings.n_workers.saturating_sub(self.shared.workers.available_permits());
        n_idle_alive + n_busy
    }

    /// Returns the process ids of the idle workers. Tests and tools use these ids to kill workers.
    pub fn idle_pids(&self) -> Vec<u32> {
        let idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().filter_map(Child::pid).collect()
    }

    fn borrow(&self) -> Result<BorrowedWorker<'_>, WorkError> {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut child) = idle.pop() {
            if child.is_alive() {
                return Ok(BorrowedWorker { shared: &self.shared, child: Some(child) });
            }
        }
        drop(idle);
        self.spawn()
    }

    /// Borrows the idle worker that was returned to the pool last, if this worker has not processed an image
    /// yet. If the worker has processed an image or has ended, the worker is dropped and a new worker is
    /// started.
    fn borrow_unused(&self) -> Result<BorrowedWorker<'_>, WorkError> {
        let idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut child) = idle
            && child.is_alive()
            && !child.is_used()
        {
            return Ok(BorrowedWorker { shared: &self.shared, child: Some(child) });
        }
        self.spawn()
    }

    fn spawn(&self) -> Result<BorrowedWorker<'_>, WorkError> {
        let child = self.shared.spawn_child().map_err(WorkError::WorkerStart)?;
        Ok(BorrowedWorker { shared: &self.shared, child: Some(child) })
    }
}

/// A worker that is processing an image. If this value is dropped before the worker is returned to the pool,
/// the worker is killed and a replacement is started.
struct BorrowedWorker<'a> {
    shared: &'a Shared,
    child: Option<Child>,
}

impl BorrowedWorker<'_> {
    fn return_to_pool(&mut self) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.child.take());
    }
}

impl Drop for BorrowedWorker<'_> {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill();
        match self.shared.spawn_child() {
            Ok(replacement) => {
                self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(replacement);
            }
            // The pool now has one worker too few. A later request that finds no idle worker starts another
            // worker.
            Err(error) => tracing::error!(%error, "an image worker could not be replaced"),
        }
    }
}
