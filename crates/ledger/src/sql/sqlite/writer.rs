//! The writing thread of the database. The thread takes all waiting operations from the queue, up to
//! a limit, runs each operation in a savepoint of one transaction, commits once, and then answers
//! all callers. During the flush of a commit, new operations wait in the queue and share the next commit. The
//! number of flushes per second therefore depends on the disk and not on the number of operations.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::{self, Checkpointer};
use super::connection::{OpenTransaction, execute};
use crate::clock::Clock;
use crate::due_signal::{DueTimes, DueUpdate, Queue};
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::database::{Message, Shared, spawn, split, take_batch, write_queue};
use crate::sql::operation::{Operation, RunEffect, TransactionFailure};

/// The time without an operation after which the writer requests a checkpoint. The checkpoint copies the
/// remaining pages of the write-ahead log into the database.
const IDLE: Duration = Duration::from_millis(500);

/// The number of uncopied pages of the write-ahead log at which the writer requests a checkpoint from the
/// checkpoint thread: 4 MiB.
const CHECKPOINT_REQUEST_PAGES: u64 = 1024;

/// The length of the write-ahead log, in pages, at which the writer itself copies the remaining pages: 32
/// MiB. After that, SQLite can write the log from the beginning of the log file again. The log reaches this
/// length only while writes never pause.
const LONG_LOG_PAGES: u64 = 8192;

pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    due_times: Arc<DueTimes>,
    shared: Arc<Shared>,
    checkpointer: Checkpointer,
    /// The number of pages of the write-ahead log that are not yet copied into the database.
    n_uncopied_pages: u64,
}

/// The operations of one commit, and the due-time updates that are applied after the commit.
struct Batch {
    operations: Vec<Box<dyn Operation>>,
    due_updates: Vec<(Queue, DueUpdate)>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        clock: Clock,
        due_times: Arc<DueTimes>,
        shared: Arc<Shared>,
        checkpointer: Checkpointer,
    ) -> Self {
        Self { connection, clock, due_times, shared, checkpointer, n_uncopied_pages: 0 }
    }

    /// Starts the writing thread, and returns its queue. The thread ends when it receives a stop message, or
    /// when all senders of the queue are dropped.
    pub(super) fn start(self) -> Result<SyncSender<Message>, Error> {
        let (queue, messages) = write_queue();
        spawn("ledger-writer", move || self.run(&messages))?;
        Ok(queue)
    }

    fn run(mut self, messages: &Receiver<Message>) {
        self.measure_log();
        let mut stop = None;
        while stop.is_none() {
            let Some(first) = self.next_message(messages) else { break };
            let operations;
            (operations, stop) = take_batch(first, messages);
            if !operations.is_empty() {
                self.commit_batch(Batch { operations, due_updates: Vec::new() });
                self.limit_log();
            }
        }
        self.close(stop);
    }

    /// Waits for the next message. If no message arrives for the time [`IDLE`], requests a checkpoint and
    /// continues to wait.
    fn next_message(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        if self.n_uncopied_pages > 0 {
            match messages.recv_timeout(IDLE) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.checkpointer.request(),
            }
            self.n_uncopied_pages = 0;
        }
        messages.recv().ok()
    }

    fn commit_batch(&mut self, mut batch: Batch) {
        let committed = if self.shared.is_poisoned() {
            Err(TransactionFailure::Poisoned)
        } else {
            self.run_batch(&mut batch)
        };
        match &committed {
            Ok(()) => {
                let n_operations = batch.operations.iter().map(|operation| operation.n_calls() as u64).sum();
                self.shared.n_operations.fetch_add(n_operations, Ordering::Relaxed);
                for (queue, update) in batch.due_updates {
                    self.due_times.apply(queue, update);
                }
            }
            Err(TransactionFailure::Poisoned) => self.shared.poison(),
            Err(_) => {}
        }
        for operation in batch.operations {
            operation.answer(committed.as_ref().copied());
        }
    }

    /// Runs every operation of a batch and commits. If the batch as a whole fails, all its operations are
    /// rolled back.
    fn run_batch(&mut self, batch: &mut Batch) -> Result<(), TransactionFailure> {
        self.execute("BEGIN IMMEDIATE")?;
        let n_changes = self.connection.total_changes();
        let committed = self.run_operations(batch).and_then(|()| self.execute("COMMIT"));
        if committed.is_err() && !self.connection.is_autocommit() {
            // An error of the rollback is ignored, because the callers get the error that caused the
            // rollback. If the rollback fails and the transaction stays open, every later `BEGIN` fails.
            drop(self.execute("ROLLBACK"));
        }
        if committed.is_ok() && self.connection.total_changes() != n_changes {
            self.shared.n_commits.fetch_add(1, Ordering::Relaxed);
        }
        committed
    }

    fn run_operations(&self, batch: &mut Batch) -> Result<(), TransactionFailure> {
        let mut index = 0;
        while let Some(operation) = batch.operations.get_mut(index) {
            self.execute("SAVEPOINT operation")?;
            let mut session = OpenTransaction(&self.connection);
            let mut tx = Tx::new(&mut session, self.clock.now_ms(), operation.limits());
            index += 1;
            match operation.run(&mut tx) {
                RunEffect::Commit => batch.due_updates.extend(tx.into_due_updates()),
                RunEffect::Poisoned => return Err(TransactionFailure::Poisoned),
                // SQLite itself has rolled the whole transaction back. SQLite may do this when the disk is
                // full or memory is used up.
                RunEffect::RollBack if self.connection.is_autocommit() => {
                    return Err(TransactionFailure::Busy);
                }
                RunEffect::RollBack => {
                    self.execute("ROLLBACK TO operation")?;
                    if split(&mut batch.operations, index - 1) {
                        index -= 1;
                    }
                }
            }
            self.execute("RELEASE operation")?;
        }
        Ok(())
    }

    /// Keeps the write-ahead log short. When the log has many uncopied pages, the checkpoint thread copies
    /// them while writes continue. When the log is long, the writing thread itself copies the remaining
    /// pages. Nothing is written between two batches, so the writing thread can copy all pages, and SQLite
    /// can then write the log from the beginning of the log file again.
    fn limit_log(&mut self) {
        let n_pages = self.measure_log();
        if n_pages >= LONG_LOG_PAGES && self.n_uncopied_pages > 0 {
            if let Some(log) = checkpoint::checkpoint(&self.connection, &self.shared) {
                self.n_uncopied_pages = log.n_uncopied_pages;
            }
        } else if self.n_uncopied_pages >= CHECKPOINT_REQUEST_PAGES {
            self.checkpointer.request();
        }
    }

    fn measure_log(&mut self) -> u64 {
        let Some(log) = checkpoint::measure(&self.connection) else { return 0 };
        self.n_uncopied_pages = log.n_uncopied_pages;
        self.shared.wal_pages.store(log.n_pages, Ordering::Relaxed);
        log.n_pages
    }

    /// Copies the whole write-ahead log and closes the database file. Drops the sender of the stop message
    /// last, because this reports to the receiver that the file is closed.
    fn close(self, stop: Option<oneshot::Sender<()>>) {
        let Self { connection, checkpointer, shared, .. } = self;
        checkpointer.stop();
        if !shared.is_poisoned() {
            checkpoint::truncate_log(&connection);
        }
        drop(connection);
        drop(stop);
    }

    fn execute(&self, sql: &'static str) -> Result<(), TransactionFailure> {
        execute(&self.connection, sql)
    }
}
