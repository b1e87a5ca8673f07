//! The one thread that writes. It takes the operation that has waited longest and all others that wait behind it,
//! runs each in a savepoint of one transaction, commits once, and then answers everybody. While a commit flushes,
//! the next operations gather; so the number of flushes follows the disk, not the number of operations.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::{self, Checkpointer};
use super::connection::{Open, failure};
use super::{Message, Shared, spawn};
use crate::clock::Clock;
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::operation::{Failure, Operation, Ran};
use crate::wake::{Dues, Queue, Wake};

/// How many operations may wait; one more is answered with [`Error::Busy`].
const MAX_WAITING_OPERATIONS: usize = 4096;

/// How many operations share one commit at most, so that the first of them does not wait for ever.
const MAX_BATCH_OPERATIONS: usize = 512;

/// How long nothing has to happen before the rest of the log is copied back.
const IDLE: Duration = Duration::from_millis(500);

/// Pages of log since the last checkpoint from which on another one is asked for, beside the writing: 4 MiB.
const ASK_FOR_CHECKPOINT_PAGES: u64 = 1024;

/// Length of the log from which on the writer itself copies back what the checkpointer has left over, so that the
/// log can start anew: 32 MiB. Reached only while writes never pause.
const LONG_LOG_PAGES: u64 = 8192;

pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    dues: Arc<Dues>,
    shared: Arc<Shared>,
    checkpointer: Checkpointer,
    /// Pages of the log that are not yet in the database.
    n_unsaved_pages: u64,
}

/// Operations that share a commit, and what they have to say once it is done.
struct Batch {
    operations: Vec<Box<dyn Operation>>,
    wakes: Vec<(Queue, Wake)>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        clock: Clock,
        dues: Arc<Dues>,
        shared: Arc<Shared>,
        checkpointer: Checkpointer,
    ) -> Self {
        Self { connection, clock, dues, shared, checkpointer, n_unsaved_pages: 0 }
    }

    /// Starts the thread; returns the way to it. The thread ends when it is told to, or when nobody can send it
    /// anything any more.
    pub(super) fn start(self) -> Result<SyncSender<Message>, Error> {
        let (queue, messages) = sync_channel(MAX_WAITING_OPERATIONS);
        spawn("ledger-writer", move || self.run(&messages))?;
        Ok(queue)
    }

    fn run(mut self, messages: &Receiver<Message>) {
        self.measure_log();
        let mut is_stopped = None;
        while is_stopped.is_none() {
            let mut operations = Vec::new();
            match self.next(messages) {
                Some(Message::Run(first)) => operations.push(first),
                Some(Message::Stop(done)) => is_stopped = Some(done),
                None => break,
            }
            while is_stopped.is_none() && operations.len() < MAX_BATCH_OPERATIONS {
                match messages.try_recv() {
                    Ok(Message::Run(next)) => operations.push(next),
                    Ok(Message::Stop(done)) => is_stopped = Some(done),
                    Err(_) => break,
                }
            }
            if !operations.is_empty() {
                self.commit_together(Batch { operations, wakes: Vec::new() });
                self.keep_log_short();
            }
        }
        self.leave(is_stopped);
    }

    /// Waits for the next message. When none comes for a while, has the log copied back first.
    fn next(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        if self.n_unsaved_pages > 0 {
            match messages.recv_timeout(IDLE) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.checkpointer.ask(),
            }
            self.n_unsaved_pages = 0;
        }
        messages.recv().ok()
    }

    fn commit_together(&mut self, mut batch: Batch) {
        let committed =
            if self.shared.is_poisoned() { Err(Failure::Poisoned) } else { self.run_batch(&mut batch) };
        match &committed {
            Ok(()) => {
                let n_operations = batch.operations.len() as u64;
                self.shared.n_operations.fetch_add(n_operations, Ordering::Relaxed);
                for (queue, wake) in batch.wakes {
                    self.dues.note(queue, wake);
                }
            }
            Err(Failure::Poisoned) => self.shared.poison(),
            Err(_) => {}
        }
        for operation in batch.operations {
            operation.answer(committed.as_ref().copied());
        }
    }

    /// Runs every operation of a batch and commits. On failure nothing of the batch is kept.
    fn run_batch(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        self.execute("BEGIN IMMEDIATE")?;
        let n_changes = self.connection.total_changes();
        let committed = self.run_operations(batch).and_then(|()| self.execute("COMMIT"));
        if committed.is_err() && !self.connection.is_autocommit() {
            // What failed is what will be told; a transaction that cannot be rolled back either makes every later
            // BEGIN fail, which tells it again.
            drop(self.execute("ROLLBACK"));
        }
        if committed.is_ok() && self.connection.total_changes() != n_changes {
            self.shared.n_commits.fetch_add(1, Ordering::Relaxed);
        }
        committed
    }

    fn run_operations(&self, batch: &mut Batch) -> Result<(), Failure> {
        for operation in &mut batch.operations {
            self.execute("SAVEPOINT operation")?;
            let mut session = Open(&self.connection);
            let mut tx = Tx::new(&mut session, self.clock.now_ms());
            match operation.run(&mut tx) {
                Ran::Kept => batch.wakes.extend(tx.into_wakes()),
                Ran::Poisoned => return Err(Failure::Poisoned),
                // SQLite itself has rolled everything back, as it may when the disk or the memory is full.
                Ran::Undone if self.connection.is_autocommit() => return Err(Failure::Busy),
                Ran::Undone => self.execute("ROLLBACK TO operation")?,
            }
            self.execute("RELEASE operation")?;
        }
        Ok(())
    }

    /// Asks for a checkpoint beside the writing when enough has gathered, and does the rest of it here when the log
    /// is long: between two batches nobody writes, so the copy can be complete and the log start anew.
    fn keep_log_short(&mut self) {
        let n_pages = self.measure_log();
        if n_pages >= LONG_LOG_PAGES && self.n_unsaved_pages > 0 {
            if let Some(log) = checkpoint::copy_back(&self.connection, &self.shared) {
                self.n_unsaved_pages = log.n_unsaved_pages;
            }
        } else if self.n_unsaved_pages >= ASK_FOR_CHECKPOINT_PAGES {
            self.checkpointer.ask();
        }
    }

    fn measure_log(&mut self) -> u64 {
        let Some(log) = checkpoint::measure(&self.connection) else { return 0 };
        self.n_unsaved_pages = log.n_unsaved_pages;
        self.shared.wal_pages.store(log.n_pages, Ordering::Relaxed);
        log.n_pages
    }

    /// Copies the whole log back and lets go of the file; only then the one who asked for it is told.
    fn leave(self, stopped: Option<oneshot::Sender<()>>) {
        let Self { connection, checkpointer, shared, .. } = self;
        checkpointer.stop();
        if !shared.is_poisoned() {
            checkpoint::finish(&connection);
        }
        drop(connection);
        drop(stopped);
    }

    fn execute(&self, sql: &'static str) -> Result<(), Failure> {
        let executed = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        executed.map(drop).map_err(failure)
    }
}
