//! The writing thread of a process. The thread takes all waiting operations from the queue, runs each
//! operation in a savepoint of one transaction, commits once, and then answers all callers.
//!
//! Each transaction begins with the advisory lock for writing, which the server frees at the end of the
//! transaction. A process that hangs inside a transaction loses the lock after
//! `idle_in_transaction_session_timeout`.
//!
//! A transaction that fails for a passing reason is run again. If the connection is lost during a commit, it
//! is unknown whether the server has committed. Therefore each commit also writes the number of its batch
//! into the row of this process in the table `writers`. The thread reads this row on a new connection, after
//! it has got the lock for writing: the server has then ended the earlier transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::connection::Transaction;
use super::failure::Failure;
use super::link::Link;
use super::listener::notify;
use crate::clock::Clock;
use crate::due_signal::{DueTimes, DueUpdate, Queue};
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::database::{Message, Shared, spawn, split, take_batch, write_queue};
use crate::sql::operation::{Operation, RunEffect, TransactionFailure};

/// Begins a transaction that writes, and waits for the lock for writing. The plans of the statements do not depend
/// on the values of their parameters, so the server need not plan a statement again for each call.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '30s'; \
                     SET LOCAL plan_cache_mode = force_generic_plan; \
                     SET LOCAL max_parallel_workers_per_gather = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = '5s'; \
                     SELECT pg_advisory_xact_lock(1347966542, 1)";

/// How long a batch of operations is run again after passing failures, before its callers get an error.
const RETRY_TIME: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    link: Link,
    clock: Clock,
    due_times: Arc<DueTimes>,
    shared: Arc<Shared>,
    /// The id of this process in the table `writers`.
    id: Uuid,
    /// The number of the last batch.
    n_batches: u64,
    /// The sender of the stop message, after the thread has received this message.
    stop: Option<oneshot::Sender<()>>,
}

/// The operations of one commit, and the due-time updates that are applied after the commit.
struct Batch {
    operations: Vec<Box<dyn Operation>>,
    due_updates: Vec<(Queue, DueUpdate)>,
}

/// How far a batch came.
enum Progress {
    /// The batch was committed. The value says whether the batch has changed rows.
    Committed(bool),
    /// The answer to the commit got lost, so it is unknown whether the batch was committed.
    Unknown(Failure),
}

impl Writer {
    pub(super) fn new(
        link: Link,
        id: Uuid,
        clock: Clock,
        due_times: Arc<DueTimes>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { link, clock, due_times, shared, id, n_batches: 0, stop: None }
    }

    /// Starts the writing thread, and returns its queue. The thread ends when it receives a stop message, or
    /// when all senders of the queue are dropped.
    pub(super) fn start(self) -> Result<SyncSender<Message>, Error> {
        let (queue, messages) = write_queue();
        spawn("ledger-writer", move || drop(self.run(&messages)))?;
        Ok(queue)
    }

    /// Runs operations until the thread must end. Returns the sender of the stop message, which is dropped
    /// after the connection is closed.
    fn run(mut self, messages: &Receiver<Message>) -> Option<oneshot::Sender<()>> {
        while self.stop.is_none() {
            let operations;
            (operations, self.stop) = take_batch(messages.recv().ok()?, messages);
            if !operations.is_empty() {
                self.commit_batch(Batch { operations, due_updates: Vec::new() }, messages);
            }
        }
        self.stop
    }

    fn commit_batch(&mut self, mut batch: Batch, messages: &Receiver<Message>) {
        let committed = self.run_until_committed(&mut batch, messages);
        if let Ok(has_changes) = committed {
            let n_operations = batch.operations.iter().map(|operation| operation.n_calls() as u64).sum();
            self.shared.n_operations.fetch_add(n_operations, Ordering::Relaxed);
            self.shared.n_commits.fetch_add(u64::from(has_changes), Ordering::Relaxed);
            for (queue, update) in batch.due_updates {
                self.due_times.apply(queue, update);
            }
        }
        let committed = committed.map(drop).map_err(TransactionFailure::from);
        for operation in batch.operations {
            operation.answer(committed.as_ref().copied());
        }
    }

    /// Runs a batch, and runs it again after a passing failure. While the server is known to be away, a batch
    /// is tried only once, so that its callers need not wait.
    fn run_until_committed(
        &mut self,
        batch: &mut Batch,
        messages: &Receiver<Message>,
    ) -> Result<bool, Failure> {
        self.n_batches += 1;
        let was_connected = self.link.is_connected() || self.n_batches == 1;
        let deadline = Instant::now() + RETRY_TIME;
        loop {
            let failure = match self.run_batch(batch) {
                Ok(Progress::Committed(has_changes)) => return Ok(has_changes),
                Ok(Progress::Unknown(failure)) => {
                    if self.was_committed(messages)? {
                        return Ok(true);
                    }
                    failure
                }
                Err(failure) => failure,
            };
            if !was_connected || !failure.is_passing() || Instant::now() >= deadline {
                return Err(failure);
            }
            if matches!(failure, Failure::Away(_)) && !self.link.is_connected() {
                self.link.pause();
            }
        }
    }

    fn run_batch(&mut self, batch: &mut Batch) -> Result<Progress, Failure> {
        let (clock, id, n_batches) = (&self.clock, self.id, self.n_batches);
        let has_peers = self.shared.has_peers.load(Ordering::Relaxed);
        batch.due_updates.clear();
        let mut commit_failure = None;
        let done = self.link.transact(BEGIN, |transaction, server_ms| {
            let now_ms = clock.at_server_time(server_ms);
            run_operations(transaction, batch, now_ms)?;
            if transaction.n_changes == 0 {
                return transaction.run("ROLLBACK").map(|()| false);
            }
            let hints = if has_peers { hints(&batch.due_updates, id, now_ms) } else { String::new() };
            let commit = format!(
                "{hints}INSERT INTO writers (id, batch, at_ms) VALUES ('{id}', {n_batches}, {server_ms})
                 ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at_ms = excluded.at_ms; COMMIT"
            );
            transaction.run(&commit).inspect_err(|failure| commit_failure = Some(failure.clone()))?;
            Ok(true)
        });
        match (done, commit_failure) {
            (Ok(has_changes), _) => Ok(Progress::Committed(has_changes)),
            (Err(_), Some(failure @ Failure::Away(_))) => Ok(Progress::Unknown(failure)),
            (Err(failure), _) => Err(failure),
        }
    }

    /// Reads whether the last batch was committed. Waits until the server can be reached; meanwhile, other
    /// operations fail. Fails only if the thread must end.
    fn was_committed(&mut self, messages: &Receiver<Message>) -> Result<bool, Failure> {
        let sql = format!("SELECT batch FROM writers WHERE id = '{}'", self.id);
        loop {
            let found = self.link.transact(BEGIN, |transaction, _| {
                let batch = transaction.value(&sql)?;
                transaction.run("ROLLBACK")?;
                Ok(batch.and_then(|batch| batch.parse::<u64>().ok()))
            });
            let failure = match found {
                Ok(batch) => return Ok(batch == Some(self.n_batches)),
                Err(failure) => failure,
            };
            self.refuse_waiting(&failure, messages);
            if self.stop.is_some() {
                return Err(failure);
            }
            self.link.disconnect();
            self.link.pause();
        }
    }

    /// Lets all waiting operations fail.
    fn refuse_waiting(&mut self, failure: &Failure, messages: &Receiver<Message>) {
        let failure = TransactionFailure::from(failure.clone());
        while self.stop.is_none()
            && let Ok(message) = messages.try_recv()
        {
            match message {
                Message::Run(operation) => operation.answer(Err(&failure)),
                Message::Stop(done) => self.stop = Some(done),
            }
        }
    }
}

/// Returns the SQL text that tells other nodes about work that is due at once.
fn hints(due_updates: &[(Queue, DueUpdate)], id: Uuid, now_ms: i64) -> String {
    let is_due = |queue| {
        due_updates.iter().any(|update| {
            matches!(update, (of, DueUpdate::WorkDueAt(due_ms)) if *of == queue && *due_ms <= now_ms)
        })
    };
    [Queue::Jobs, Queue::Webhooks]
        .into_iter()
        .filter(|queue| is_due(*queue))
        .map(|queue| notify(queue, id))
        .collect()
}

/// Runs the operations of a batch. An operation that fails undoes only its own writes.
fn run_operations(transaction: &mut Transaction<'_>, batch: &mut Batch, now_ms: i64) -> Result<(), Failure> {
    let mut savepoint = "SAVEPOINT operation";
    let mut index = 0;
    while let Some(operation) = batch.operations.get_mut(index) {
        transaction.run(savepoint)?;
        savepoint = "RELEASE operation; SAVEPOINT operation";
        let n_changes = transaction.n_changes;
        let mut tx = Tx::new(transaction, now_ms, operation.limits());
        let effect = operation.run(&mut tx);
        let due_updates = tx.into_due_updates();
        if let Some(failure) = transaction.failure.take() {
            return Err(failure);
        }
        if effect == RunEffect::Commit {
            batch.due_updates.extend(due_updates);
        } else {
            transaction.run("ROLLBACK TO operation")?;
            transaction.n_changes = n_changes;
            if split(&mut batch.operations, index) {
                continue;
            }
        }
        index += 1;
    }
    Ok(())
}
