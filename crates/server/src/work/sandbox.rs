//! The pool of image workers. A worker is a child process of this binary and decodes customers' images, so a
//! malicious image can crash one worker, but never the server.
//!
//! A fixed number of workers starts with the server. Images wait for a worker in the order of the module
//! `schedule`, and requests that would wait too long are refused. The pool kills and replaces a worker that exceeds its limit on
//! memory, CPU time or wall time, or whose caller no longer waits for the result.

mod child;
mod estimate;
pub mod jail;
pub mod jail_probe;
mod pool;
mod schedule;
mod scheduler;
mod usage;
mod wire;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pixaven_imaging::{Limits, Plan, Processed};

use self::child::{Exchange, ExchangeError};
use self::estimate::{Estimator, Spent, Work};
use self::pool::Pool;
use self::schedule::{Schedule, Start};
use self::scheduler::Scheduler;
pub use self::scheduler::{QueueLimits, Ticket};
use super::Caller;
use super::error::{LimitExceeded, WorkError};
use super::fonts::FontLibrary;
use crate::runtime::lifecycle::Tasks;

/// The settings of the pool of image workers.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// The path of the `pixaven` binary, which runs as a worker if it is started with the command
    /// `image-worker`.
    pub program: PathBuf,
    /// The number of ordinary workers, at least 1.
    pub n_workers: usize,
    /// The number of express workers, which process only light images of interactive requests.
    pub n_express_workers: usize,
    /// The resident memory that one worker may use, in bytes.
    pub memory_bytes: u64,
    /// The CPU time that a worker may use for one image.
    pub cpu: Duration,
    /// The wall time that a worker may take for one image, measured from the moment at which it received the
    /// image. For a job, only time counts in which the worker neither computes nor waits for a processor.
    pub wall: Duration,
    /// The limits of the queue for workers.
    pub queue: QueueLimits,
    /// The limits that a worker checks while it decodes and encodes one image, such as the number of pixels.
    pub limits: Limits,
    /// The fonts for which workers can ask.
    pub fonts: FontLibrary,
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
    scheduler: Arc<Scheduler>,
    pool: Pool,
}

impl Sandbox {
    /// Starts all workers of the pool.
    ///
    /// # Errors
    /// If the operating system cannot start a worker process.
    pub fn start(settings: SandboxSettings, tasks: Tasks) -> std::io::Result<Self> {
        let SandboxSettings { n_workers, n_express_workers, cpu, .. } = settings;
        let pool = Pool::start(settings.program.clone(), cpu, n_workers + n_express_workers, tasks)?;
        let schedule = Schedule::new(n_workers, n_express_workers);
        let scheduler = Scheduler::new(schedule, Estimator::new(cpu), settings.queue);
        Ok(Self { shared: Arc::new(Shared { settings, scheduler, pool }) })
    }

    /// Gives an image a place in the queue, called a ticket, before the bytes of the image have arrived.
    /// `n_bytes` is the length of the file, if it is known. A job is always admitted. An interactive request
    /// is refused if the queue is full or if the wait for a worker would probably be too long.
    ///
    /// # Errors
    /// [`WorkError::LongQueue`].
    pub fn admit(&self, caller: Caller, n_bytes: Option<u64>) -> Result<Ticket, WorkError> {
        self.shared.scheduler.admit(caller, n_bytes)
    }

    /// Waits for a worker and processes one image. An interactive request is refused if the image turns out
    /// to be so heavy that the image would wait too long. If the caller drops the future, the image leaves
    /// the queue; if a worker is already busy with the image, the pool kills this worker.
    ///
    /// # Errors
    /// [`WorkError::Image`], [`WorkError::LimitExceeded`], [`WorkError::LongQueue`],
    /// [`WorkError::WorkerStart`], [`WorkError::WorkerCrashed`].
    pub async fn process(
        &self,
        input: &WorkerInput,
        plan: &Plan,
        ticket: &Ticket,
    ) -> Result<Processed, WorkError> {
        let work = Work::of(input, plan, &self.shared.settings.limits);
        let start = self.shared.scheduler.turn(ticket, &work).await?;
        let processed = self.process_from(start, input, plan, &work, ticket).await;
        ticket.finish();
        processed
    }

    async fn process_from(
        &self,
        mut start: Start,
        input: &WorkerInput,
        plan: &Plan,
        work: &Work,
        ticket: &Ticket,
    ) -> Result<Processed, WorkError> {
        let Shared { settings, scheduler, pool } = &*self.shared;
        let on_overrun = || scheduler.overrun(ticket);
        loop {
            let exchange = Exchange {
                input,
                plan,
                settings,
                caller: ticket.caller(),
                is_large: work.is_large(),
                on_overrun: (!start.is_heavy).then_some(&on_overrun),
            };
            let worker = pool.borrow(start.is_heavy).map_err(WorkError::WorkerStart)?;
            let processed = match self.process_in(worker, &exchange, work).await {
                Err(ExchangeError::Overrun) => {
                    start = scheduler.next_turn(ticket).await?;
                    continue;
                }
                // The worker exceeded the memory limit, but it had processed other images before and still
                // holds memory of them. The image is therefore processed again in a new worker, where only the
                // memory of this image counts.
                Err(ExchangeError::OutOfMemoryAfterUse(_)) => {
                    let exchange = Exchange { on_overrun: None, ..exchange };
                    let unused = pool.borrow_unused().map_err(WorkError::WorkerStart)?;
                    self.process_in(unused, &exchange, work).await
                }
                other => other,
            };
            return processed.map_err(WorkError::from);
        }
    }

    async fn process_in(
        &self,
        mut worker: pool::BorrowedWorker<'_>,
        exchange: &Exchange<'_>,
        work: &Work,
    ) -> Result<Processed, ExchangeError> {
        let processed = worker.child().process(exchange).await;
        if matches!(processed, Ok(_) | Err(ExchangeError::Image(_))) {
            worker.return_to_pool();
        }
        if let Err(ExchangeError::LimitExceeded(LimitExceeded::CpuTime { max })) = processed {
            self.shared.scheduler.learn(work, Spent { cpu: max, wall: max });
        }
        let (processed, spent) = processed?;
        self.shared.scheduler.learn(work, spent);
        Ok(processed)
    }

    /// Returns the number of busy workers plus the number of idle workers that are alive.
    pub fn n_alive(&self) -> usize {
        self.shared.pool.n_idle_alive() + self.shared.scheduler.n_running()
    }

    /// Returns the process ids of the idle workers. Tests and tools use these ids to kill workers.
    pub fn idle_pids(&self) -> Vec<u32> {
        self.shared.pool.idle_pids()
    }
}
