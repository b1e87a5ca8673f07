//! The image workers: child processes of this binary in which every byte of a customer's image is decoded. One
//! image can cost one worker, never the server.
//!
//! A fixed number of workers is started before there is work. In front of them stands a queue bounded by count and
//! by bytes; who is refused there is told to come back. A worker that exceeds its memory, its CPU or its time, or
//! whose caller has gone, is killed and replaced.

mod admission;
mod child;
mod usage;
mod wire;
pub mod worker;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pixaven_imaging::{Limits, Plan, Processed};
use tokio::sync::Semaphore;

pub use admission::{Memory, Reservation};
use child::{Broken, Child};

use crate::error::{ApiError, Kind};

/// How the workers are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The binary that understands `image-worker`.
    pub program: PathBuf,
    /// Number of workers, at least 1.
    pub n_workers: usize,
    /// Resident memory of one worker, in bytes.
    pub memory_bytes: u64,
    /// CPU time of one image.
    pub cpu: Duration,
    /// Time of one image from the moment a worker has it.
    pub wall: Duration,
    /// Requests that may wait for a worker.
    pub queue_count: usize,
    /// Limits of an image.
    pub limits: Limits,
}

/// What goes into a worker.
#[derive(Debug, Clone)]
pub struct Files {
    /// The image.
    pub image: Bytes,
    /// The picture of its watermark.
    pub watermark: Option<Bytes>,
}

/// Whether a caller gives up when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Somebody waits for the answer: refuse rather than let the queue grow.
    Refuse,
    /// An accepted job, which has its own bound: wait.
    Wait,
}

/// Why an image came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A full answer for the client: the image is bad, too large, too slow, or we are overloaded.
    #[error(transparent)]
    Answer(#[from] ApiError),
    /// The worker died of something that is not this image's proven fault: worth one more try.
    #[error("an image worker ended unexpectedly: {0}")]
    Crashed(String),
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Answer(error) => error,
            Failure::Crashed(detail) => Self::new(
                Kind::ProcessingFailed,
                "the image could not be processed: its worker ended unexpectedly",
            )
            .with_source(detail),
        }
    }
}

/// The pool of workers. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    /// Places in the queue, those being processed included.
    queue: Semaphore,
    /// One permit per worker.
    seats: Semaphore,
    idle: Mutex<Vec<Child>>,
}

impl Sandbox {
    /// Starts the workers.
    pub fn start(settings: Settings) -> std::io::Result<Self> {
        let idle = (0..settings.n_workers)
            .map(|_| Child::spawn(&settings.program, settings.cpu))
            .collect::<std::io::Result<Vec<_>>>()?;
        let shared = Shared {
            queue: Semaphore::new(settings.queue_count + settings.n_workers),
            seats: Semaphore::new(settings.n_workers),
            idle: Mutex::new(idle),
            settings,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Processes one image. Dropping the future gives the place in the queue back, or kills the worker that is
    /// busy with an image nobody waits for any more.
    pub async fn process(
        &self,
        files: &Files,
        plan: &Plan,
        patience: Patience,
    ) -> Result<Processed, Failure> {
        let shared = &*self.shared;
        let _place = match patience {
            Patience::Refuse => Some(shared.queue.try_acquire().map_err(|_| overloaded())?),
            Patience::Wait => None,
        };
        let _seat = shared.seats.acquire().await.map_err(ApiError::internal)?;
        match self.process_in(self.borrow()?, files, plan).await {
            // What earlier images left in a worker counts, too: the limit is this image's own only in a new one.
            Err(Broken::Outgrown(_)) => self.process_in(self.borrow_new()?, files, plan).await,
            other => other,
        }
        .map_err(|broken| match broken {
            Broken::Refused(error) | Broken::Killed(error) | Broken::Outgrown(error) => {
                Failure::Answer(error)
            }
            Broken::Ended(detail) => Failure::Crashed(detail),
        })
    }

    async fn process_in(
        &self,
        mut worker: Borrowed<'_>,
        files: &Files,
        plan: &Plan,
    ) -> Result<Processed, Broken> {
        let child = worker.child.as_mut().expect("a worker just borrowed is there");
        let processed = child.process(files, plan, &self.shared.settings).await;
        if matches!(processed, Ok(_) | Err(Broken::Refused(_))) {
            worker.give_back();
        }
        processed
    }

    /// The number of workers that can take an image now or when they have finished the one they have.
    pub fn n_alive(&self) -> usize {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let n_idle_alive = idle.iter_mut().filter_map(|child| child.is_alive().then_some(())).count();
        let n_busy = self.shared.settings.n_workers.saturating_sub(self.shared.seats.available_permits());
        n_idle_alive + n_busy
    }

    /// Process ids of the idle workers, for tests and tools that kill them.
    pub fn idle_pids(&self) -> Vec<u32> {
        let idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().filter_map(Child::pid).collect()
    }

    fn borrow(&self) -> Result<Borrowed<'_>, ApiError> {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut child) = idle.pop() {
            if child.is_alive() {
                return Ok(Borrowed { shared: &self.shared, child: Some(child) });
            }
        }
        drop(idle);
        self.spawn()
    }

    /// A worker that has had no image yet; an idle one makes way for it.
    fn borrow_new(&self) -> Result<Borrowed<'_>, ApiError> {
        let idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut child) = idle
            && child.is_alive()
            && !child.is_used()
        {
            return Ok(Borrowed { shared: &self.shared, child: Some(child) });
        }
        self.spawn()
    }

    fn spawn(&self) -> Result<Borrowed<'_>, ApiError> {
        let child =
            Child::spawn(&self.shared.settings.program, self.shared.settings.cpu).map_err(|error| {
                ApiError::new(
                    Kind::Unavailable,
                    "the server cannot process images at the moment; try again later",
                )
                .with_source(error)
            })?;
        Ok(Borrowed { shared: &self.shared, child: Some(child) })
    }
}

/// A worker taken from the pool. Unless it is given back it is killed on drop, and its replacement started at once.
struct Borrowed<'a> {
    shared: &'a Shared,
    child: Option<Child>,
}

impl Borrowed<'_> {
    fn give_back(&mut self) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.child.take());
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill();
        match Child::spawn(&self.shared.settings.program, self.shared.settings.cpu) {
            Ok(fresh) => self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(fresh),
            // Not lost: the next borrower finds the pool short and tries again itself.
            Err(error) => tracing::error!(%error, "an image worker could not be replaced"),
        }
    }
}

fn overloaded() -> ApiError {
    ApiError::new(Kind::Overloaded, "too many images are waiting already; try again in a moment")
}
