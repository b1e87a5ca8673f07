//! The ledger in one SQLite file: who has it open and how work gets to them.
//!
//! One thread writes, and commits whatever waits together (`writer`). A few threads read, each on a connection of
//! its own (`readers`), and see every commit that was answered before they began. One thread copies the
//! write-ahead log back into the database (`checkpoint`).

mod checkpoint;
mod connection;
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
use crate::error::Error;
use crate::ledger::Stats;
use crate::wake::Dues;
use checkpoint::Checkpointer;
use connection::Role;
#[cfg(test)]
pub(crate) use in_memory::{memory, transact};
use writer::Writer;

/// Threads that read. Reads are short and mostly from memory: more of them would not be faster on few cores.
const N_READERS: usize = 2;

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    writes: SyncSender<Message>,
    reads: SyncSender<Message>,
    shared: Arc<Shared>,
}

/// What a thread of the database is told.
enum Message {
    Run(Box<dyn Operation>),
    /// Leave, and drop the sender when the database is let go of.
    Stop(oneshot::Sender<()>),
}

/// What the threads know together.
#[derive(Debug, Default)]
struct Shared {
    /// A flush failed: nobody knows what is on the disk.
    is_poisoned: AtomicBool,
    n_operations: AtomicU64,
    n_commits: AtomicU64,
    wal_pages: AtomicU64,
    /// Held by whoever copies the log back: SQLite lets one do it at a time and turns the other away.
    checkpointing: Mutex<()>,
}

impl Database {
    /// Opens the file, making it if need be, and starts the threads.
    pub(crate) async fn open(path: PathBuf, clock: Clock, dues: Arc<Dues>) -> Result<Self, Error> {
        let (opened, is_open) = oneshot::channel();
        spawn("ledger-open", move || drop(opened.send(Self::open_blocking(&path, &clock, dues))))?;
        is_open.await.map_err(|_| Error::Closed)?
    }

    fn open_blocking(path: &Path, clock: &Clock, dues: Arc<Dues>) -> Result<Self, Error> {
        let _alone = connection::create(path)?;
        let mut connection = connection::open(path, Role::Writer)?;
        migrate::migrate(&mut connection, path)?;
        Self::start(path, connection, clock, dues)
    }

    fn start(path: &Path, connection: Connection, clock: &Clock, dues: Arc<Dues>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let checkpointer = Checkpointer::start(path, Arc::clone(&shared))?;
        let reads = readers::start(path, N_READERS, clock, &shared)?;
        let writer = Writer::new(connection, clock.clone(), dues, Arc::clone(&shared), checkpointer);
        Ok(Self { writes: writer.start()?, reads, shared })
    }

    /// Runs an operation on the writer's thread; returns after the commit it took part in.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(run);
        self.send(&self.writes, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs an operation on a reader's thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(run);
        self.send(&self.reads, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Lets the threads finish what waits and leave, the writer last.
    pub(crate) async fn close(&self) {
        for threads in [(&self.reads, N_READERS), (&self.writes, 1)] {
            let (queue, n_threads) = threads;
            let stops: Vec<_> = (0..n_threads).map(|_| stop(queue.clone())).collect();
            for stopped in stops {
                // An error is what is waited for: the thread dropped its end, now or long ago.
                let _ = stopped.await;
            }
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
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

/// Sends a stop from a thread of its own, since the queue may be full and only blocking gets in line for it.
fn stop(queue: SyncSender<Message>) -> oneshot::Receiver<()> {
    let (done, is_done) = oneshot::channel();
    // Where no thread can be had, the database's threads leave when the last handle is dropped.
    drop(spawn("ledger-stop", move || drop(queue.send(Message::Stop(done)))));
    is_done
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| Error::Database(Box::new(error)))
}
