//! The worker processes of the pool: the pool lends idle workers, receives returned workers, and replaces
//! workers that must not be used again.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::child::Child;
use crate::runtime::lifecycle::Tasks;

/// The idle workers, and how to start a worker.
pub(super) struct Pool {
    program: PathBuf,
    cpu: Duration,
    idle: Mutex<Vec<Child>>,
    /// Runs the tasks that read the workers' standard error.
    tasks: Tasks,
}

impl Pool {
    /// Starts `n` workers.
    ///
    /// # Errors
    /// If the operating system cannot start a worker process.
    pub(super) fn start(program: PathBuf, cpu: Duration, n: usize, tasks: Tasks) -> io::Result<Self> {
        let pool = Self { program, cpu, idle: Mutex::default(), tasks };
        let idle = (0..n).map(|_| pool.spawn()).collect::<io::Result<Vec<_>>>()?;
        pool.idle().extend(idle);
        Ok(pool)
    }

    /// Borrows an idle worker, or starts a worker if no worker is idle. A heavy image gets an idle worker
    /// with low priority if such a worker exists. A light image gets an idle worker with normal priority if
    /// such a worker exists. The priority of a worker cannot be raised again.
    pub(super) fn borrow(&self, is_heavy: bool) -> io::Result<BorrowedWorker<'_>> {
        loop {
            let idle = {
                let mut idle = self.idle();
                let best = idle.iter().rposition(|child| child.has_low_priority() == is_heavy);
                match best {
                    Some(best) => Some(idle.remove(best)),
                    None => idle.pop(),
                }
            };
            let Some(mut child) = idle else { return self.borrow_new() };
            if child.is_alive() {
                return Ok(BorrowedWorker { pool: self, child: Some(child) });
            }
        }
    }

    /// Borrows the idle worker that was returned to the pool last, if this worker has not processed an image
    /// yet. If the worker has processed an image or has ended, the worker is dropped and a new worker is
    /// started.
    pub(super) fn borrow_unused(&self) -> io::Result<BorrowedWorker<'_>> {
        let idle = self.idle().pop();
        if let Some(mut child) = idle
            && child.is_alive()
            && !child.is_used()
        {
            return Ok(BorrowedWorker { pool: self, child: Some(child) });
        }
        self.borrow_new()
    }

    /// Returns the number of idle workers that are alive.
    pub(super) fn n_idle_alive(&self) -> usize {
        self.idle().iter_mut().filter_map(|child| child.is_alive().then_some(())).count()
    }

    /// Returns the process ids of the idle workers.
    pub(super) fn idle_pids(&self) -> Vec<u32> {
        self.idle().iter().filter_map(Child::pid).collect()
    }

    fn borrow_new(&self) -> io::Result<BorrowedWorker<'_>> {
        Ok(BorrowedWorker { pool: self, child: Some(self.spawn()?) })
    }

    fn spawn(&self) -> io::Result<Child> {
        Child::spawn(&self.program, self.cpu, &self.tasks)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker that is processing an image. If this value is dropped before the worker is returned to the pool,
/// the worker is killed and a replacement is started.
pub(super) struct BorrowedWorker<'a> {
    pool: &'a Pool,
    child: Option<Child>,
}

impl BorrowedWorker<'_> {
    pub(super) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("a borrowed worker is present until it is returned")
    }

    pub(super) fn return_to_pool(mut self) {
        let child = self.child.take();
        self.pool.idle().extend(child);
    }
}

impl Drop for BorrowedWorker<'_> {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill();
        match self.pool.spawn() {
            Ok(replacement) => self.pool.idle().push(replacement),
            // The pool now has one worker too few. A later request that finds no idle worker starts another
            // worker.
            Err(error) => tracing::error!(%error, "an image worker could not be replaced"),
        }
    }
}
