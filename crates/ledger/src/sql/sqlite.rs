//! The ledger in one SQLite file: the database threads, and the queues of operations for these threads.
//!
//! One thread writes, and commits all waiting operations together (module `writer`). A few threads read, each
//! on its own connection (module `readers`). A read sees every commit that was reported to its callers before
//! the read began. One thread copies the write-ahead log into the database (module `checkpoint`).

mod checkpoint;
mod connection;
mod erase;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod in_memory;
mod migrate;
#[cfg(test)]
mod plans;
mod readers;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Tx;
use super::operation::{Operation, operation};
use crate::clock::Clock;
use crate::destination::DeliveryLimits;
use crate::due_signal::DueTimes;
use crate::error::Error;
use crate::ledger::LedgerStats;
use checkpoint::Checkpointer;
use connection::Role;
pub use erase::erase_remains;
#[cfg(test)]
pub(crate) use in_memory::{memory, transact};
use writer::Writer;

/// The number of reading threads. On a machine with few cores, more threads would not be faster, because most
/// reads use only data in memory.
const N_READERS: usize = 2;

/// An open database: the queues of its threads, and the state that the threads share.
#[derive(Debug)]
pub(crate) struct Database {
    writes: SyncSender<Message>,
    reads: SyncSender<Message>,
    shared: Arc<Shared>,
}

/// A message to a thread of the database.
enum Message {
    Run(Box<dyn Operation>),
    /// Ends the thread. The thread drops the contained sender after it has closed its connection.
    Stop(oneshot::Sender<()>),
}

/// The state that all threads of one database share.
#[derive(Debug, Default)]
struct Shared {
    /// Whether a flush to disk has failed. After a failed flush, the content of the disk is unknown.
    is_poisoned: AtomicBool,
    n_operations: AtomicU64,
    n_commits: AtomicU64,
    wal_pages: AtomicU64,
    /// This lock is held during a checkpoint, because SQLite allows one checkpoint at a time and rejects a
    /// second checkpoint.
    checkpointing: Mutex<()>,
}

impl Database {
    /// Opens the database file, creates the file if it is missing, and starts the threads.
    pub(crate) async fn open(path: PathBuf, clock: Clock, due_times: Arc<DueTimes>) -> Result<Self, Error> {
        let (opened, answer) = oneshot::channel();
        spawn("ledger-open", move || drop(opened.send(Self::open_blocking(&path, &clock, due_times))))?;
        answer.await.map_err(|_| Error::Closed)?
    }

    fn open_blocking(path: &Path, clock: &Clock, due_times: Arc<DueTimes>) -> Result<Self, Error> {
        let locked_directory = connection::create(path)?;
        let mut connection = connection::open(path, Role::Writer)?;
        migrate::migrate(&mut connection, path)?;
        connection::flush_names(&locked_directory, path)?;
        Self::start(path, connection, clock, due_times)
    }

    fn start(
        path: &Path,
        connection: Connection,
        clock: &Clock,
        due_times: Arc<DueTimes>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let checkpointer = Checkpointer::start(path, Arc::clone(&shared))?;
        let reads = readers::start(path, N_READERS, clock, &shared)?;
        let writer = Writer::new(connection, clock.clone(), due_times, Arc::clone(&shared), checkpointer);
        Ok(Self { writes: writer.start()?, reads, shared })
    }

    /// Runs an operation on the writing thread. Returns after the commit that contains the operation.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        limits: DeliveryLimits,
        function: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(limits, function);
        self.send(&self.writes, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs an operation on a reading thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        limits: DeliveryLimits,
        function: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(limits, function);
        self.send(&self.reads, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Ends the threads after they have run the waiting operations. The writing thread ends last.
    pub(crate) async fn close(&self) {
        for (queue, n_threads) in [(&self.reads, N_READERS), (&self.writes, 1)] {
            let stops: Vec<_> = (0..n_threads).map(|_| stop(queue.clone())).collect();
            for stopped in stops {
                // The result of this receive is always an error, because the thread sends nothing on this
                // channel and drops the sender when the thread ends.
                let _ = stopped.await;
            }
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    pub(crate) fn stats(&self) -> LedgerStats {
        LedgerStats {
            n_operations: self.shared.n_operations.load(Ordering::Relaxed),
            n_commits: self.shared.n_commits.load(Ordering::Relaxed),
            wal_pages: self.shared.wal_pages.load(Ordering::Relaxed),
        }
    }

    fn send(&self, queue: &SyncSender<Message>, operation: Box<dyn Operation>) -> Result<(), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        queue.try_send(Message::Run(operation)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Disconnected(_) => Error::Closed,
        })
    }
}

impl Shared {
    fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::SeqCst)
    }

    fn poison(&self) {
        self.is_poisoned.store(true, Ordering::SeqCst);
    }
}

/// Sends a stop message from a new thread. A new thread is needed because sending blocks while the queue is
/// full.
fn stop(queue: SyncSender<Message>) -> oneshot::Receiver<()> {
    let (done, stopped) = oneshot::channel();
    // If the new thread cannot be started, the database threads still end when the last handle to the
    // database is dropped.
    drop(spawn("ledger-stop", move || drop(queue.send(Message::Stop(done)))));
    stopped
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| Error::Database(Box::new(error)))
}
