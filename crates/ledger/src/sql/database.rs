//! An open database: the queues of operations for its threads, and the state that the threads share. One
//! thread writes, and a few threads read. The modules `sqlite` and `postgres` contain the threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::{oneshot, watch};

use super::Tx;
use super::operation::{CallGroup, Operation, call, operation};
use crate::destination::DeliveryLimits;
use crate::error::Error;
use crate::ledger::LedgerStats;

/// The largest number of write operations that wait in the queue. Further operations fail with
/// [`Error::Busy`].
const MAX_WAITING_WRITES: usize = 4096;

/// The largest number of read operations that wait in the queue. Further operations fail with
/// [`Error::Busy`].
const MAX_WAITING_READS: usize = 1024;

/// The largest number of operations in one commit. Without this limit, the first operation of a commit could
/// wait for a long time.
const MAX_BATCH_LEN: usize = 512;

/// An open database: the queues of its threads, and the state that the threads share.
#[derive(Debug)]
pub(crate) struct Database {
    pub(super) writes: SyncSender<Message>,
    pub(super) reads: SyncSender<Message>,
    /// The number of threads that take operations from `reads`.
    pub(super) n_readers: usize,
    pub(super) shared: Arc<Shared>,
}

/// A message to a thread of the database.
pub(super) enum Message {
    Run(Box<dyn Operation>),
    /// Ends the thread. The thread drops the contained sender after it has closed its connection.
    Stop(oneshot::Sender<()>),
}

/// The state that all threads of one database share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Whether a flush to disk has failed. After a failed flush, the content of the disk is unknown.
    is_poisoned: AtomicBool,
    pub(super) n_operations: AtomicU64,
    pub(super) n_commits: AtomicU64,
    n_refused: AtomicU64,
    /// PostgreSQL only: whether other nodes work on the ledger, which must hear of due work.
    pub(super) has_peers: AtomicBool,
    /// Whether the database was closed.
    pub(super) is_closed: watch::Sender<bool>,
    pub(super) wal_pages: AtomicU64,
    /// SQLite only: this lock is held during a checkpoint, because SQLite allows one checkpoint at a time and
    /// rejects a second checkpoint.
    pub(super) checkpointing: Mutex<()>,
}

/// Creates the queue of write operations.
pub(super) fn write_queue() -> (SyncSender<Message>, Receiver<Message>) {
    sync_channel(MAX_WAITING_WRITES)
}

/// Creates the queue of read operations.
pub(super) fn read_queue() -> (SyncSender<Message>, Receiver<Message>) {
    sync_channel(MAX_WAITING_READS)
}

/// Takes the operations that wait in a queue, up to [`MAX_BATCH_LEN`], beginning with `first`. Also returns
/// the sender of a stop message, if the queue contains a stop message. Calls of the same kind are merged into
/// one operation. Their order does not matter, because none of them was answered.
pub(super) fn take_batch(
    first: Message,
    messages: &Receiver<Message>,
) -> (Vec<Box<dyn Operation>>, Option<oneshot::Sender<()>>) {
    let (mut operations, mut n_calls) = (Vec::new(), 0);
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Run(operation) => merge(&mut operations, operation),
            Message::Stop(done) => return (operations, Some(done)),
        }
        n_calls += 1;
        next = if n_calls < MAX_BATCH_LEN { messages.try_recv().ok() } else { None };
    }
    (operations, None)
}

fn merge(operations: &mut Vec<Box<dyn Operation>>, new: Box<dyn Operation>) {
    let kind = new.kind();
    let same_kind = operations.iter_mut().find(|operation| kind.is_some() && operation.kind() == kind);
    let rest = match same_kind {
        Some(operation) => operation.merge(new),
        None => Some(new),
    };
    operations.extend(rest);
}

/// Replaces a failed operation with several calls by one operation for each call. Returns whether there is
/// anything to replace.
pub(super) fn split(operations: &mut Vec<Box<dyn Operation>>, index: usize) -> bool {
    if operations[index].n_calls() == 1 {
        return false;
    }
    let calls = operations.remove(index).split();
    operations.splice(index..index, calls);
    true
}

impl Database {
    /// Runs an operation on the writing thread. Returns after the commit that contains the operation.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        limits: DeliveryLimits,
        function: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(limits, function);
        self.send(&self.writes, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs a call on the writing thread, together with the waiting calls of the same function. Returns after
    /// the commit that contains the call.
    pub(crate) async fn call<I: Send + 'static, T: Send + 'static>(
        &self,
        limits: DeliveryLimits,
        function: CallGroup<I, T>,
        input: I,
    ) -> Result<T, Error> {
        let (operation, answer) = call(limits, function, input);
        self.send(&self.writes, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs an operation on a reading thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        limits: DeliveryLimits,
        function: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (operation, answer) = operation(limits, function);
        self.send(&self.reads, operation)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Ends the threads after they have run the waiting operations. The writing thread ends last.
    pub(crate) async fn close(&self) {
        self.shared.is_closed.send_replace(true);
        for (queue, n_threads) in [(&self.reads, self.n_readers), (&self.writes, 1)] {
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

    /// Says whether other nodes work on the ledger.
    pub(crate) fn set_has_peers(&self, has_peers: bool) {
        self.shared.has_peers.store(has_peers, Ordering::Relaxed);
    }

    /// Counts a write that was refused because its lease was lost.
    pub(crate) fn count_refused(&self) {
        self.shared.n_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> LedgerStats {
        LedgerStats {
            n_operations: self.shared.n_operations.load(Ordering::Relaxed),
            n_commits: self.shared.n_commits.load(Ordering::Relaxed),
            n_refused: self.shared.n_refused.load(Ordering::Relaxed),
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
    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::SeqCst)
    }

    pub(super) fn poison(&self) {
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

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| Error::Database(Box::new(error)))
}
