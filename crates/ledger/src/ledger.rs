//! The public interface of the ledger, with one method for each operation. Each file in `ledger/` contains
//! the methods of one topic, and this file contains the code that these methods share. The methods contain no
//! SQL: each method passes one operation from `sql/*` to the database and waits for the commit of this
//! operation.

mod accounts;
mod jobs;
mod nodes;
mod sealed;
mod watermarks;
mod webhooks;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use crate::clock::Clock;
use crate::completion::CompletionRegistry;
use crate::destination::DeliveryLimits;
use crate::due_signal::{DueSignal, DueTimes};
use crate::error::Error;
use crate::lease::RecoveryReport;
use crate::sql::database::Database;
use crate::sql::operation::CallGroup;
use crate::sql::{self, Tx, postgres, sqlite};
use nodes::Membership;

/// The place where the ledger is stored.
#[derive(Clone)]
pub enum Store {
    /// The ledger is stored in one SQLite file. While the ledger is open, SQLite keeps two further files (the
    /// write-ahead log and its shared index) in the same directory. A missing file or directory is created.
    Sqlite {
        /// The path of the SQLite file.
        path: PathBuf,
    },
    /// The ledger is stored in a PostgreSQL database, which any number of processes may share.
    Postgres {
        /// `postgres://user:password@host:port/database`, with optional parameters.
        url: String,
    },
}

/// The URL may contain a password, so it is not printed.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { .. } => f.debug_struct("Postgres").finish_non_exhaustive(),
        }
    }
}

/// A handle to the ledger. Cloning a handle is cheap, and the clone refers to the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Arc<Database>,
    due_times: Arc<DueTimes>,
    clock: Clock,
    limits: DeliveryLimits,
    /// The clock time at the last claim. If the clock shows an earlier time at the next claim, the clock was
    /// set back.
    last_claim_ms: Arc<AtomicI64>,
    /// Whether the last claim left due webhooks in the queue because of the thresholds of destinations: see
    /// [`Ledger::has_held_back_webhooks`].
    is_held_back: Arc<AtomicBool>,
    completions: Arc<CompletionRegistry>,
    membership: Arc<Membership>,
}

/// Counts of the operations and commits since the ledger was opened, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerStats {
    /// The number of committed operations.
    pub n_operations: u64,
    /// The number of commits. Several operations may share one commit.
    pub n_commits: u64,
    /// The number of writes that were refused because their lease was lost.
    pub n_refused: u64,
    /// The length of the write-ahead log when it was last measured, in pages of 4 KiB.
    pub wal_pages: u64,
}

impl Ledger {
    /// Opens the ledger, migrates its schema and starts its threads.
    ///
    /// Several processes may open the same ledger. Of a ledger in a file, only one of them may work on jobs and
    /// webhooks: see [`Ledger::recover`]. In PostgreSQL, all nodes may: see [`Ledger::join_nodes`].
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::NotALedger`], [`Error::TooNew`], [`Error::Busy`], [`Error::Database`].
    pub async fn open(store: Store, clock: Clock) -> Result<Self, Error> {
        let due_times = Arc::new(DueTimes::unknown());
        let (database, clock) = match store {
            Store::Sqlite { path } => {
                (sqlite::open(path, clock.clone(), Arc::clone(&due_times)).await?, clock)
            }
            Store::Postgres { url } => {
                let clock = clock.of_server();
                (postgres::open(url, clock.clone(), Arc::clone(&due_times)).await?, clock)
            }
        };
        Ok(Self {
            database: Arc::new(database),
            due_times,
            clock,
            limits: DeliveryLimits::default(),
            last_claim_ms: Arc::new(AtomicI64::new(i64::MAX)),
            is_held_back: Arc::default(),
            completions: Arc::default(),
            membership: Arc::default(),
        })
    }

    /// Returns a handle to the same ledger that uses `limits` instead of [`DeliveryLimits::default`].
    #[must_use]
    pub fn with_delivery_limits(self, limits: DeliveryLimits) -> Self {
        Self { limits, ..self }
    }

    /// Ends every lease of an earlier process. The one process that works on the jobs and webhooks of a ledger in a
    /// file must call this method once, before its first claim. Nodes that share a ledger do not call it.
    ///
    /// Leased jobs return to the queue and count one crash. Webhooks that were being sent are due now, and
    /// their open attempts are closed as interrupted. The idempotency keys of requests that were neither
    /// accepted nor answered are freed.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Database`].
    pub async fn recover(&self) -> Result<RecoveryReport, Error> {
        self.write(move |tx| {
            let n_jobs = sql::jobs::reap(tx, i64::MAX, None)?;
            let n_webhooks = sql::webhook_leases::reap(tx, i64::MAX, None)?;
            sql::idempotency::recover(tx)?;
            Ok(RecoveryReport { n_jobs, n_webhooks })
        })
        .await
    }

    /// Returns the clock that the ledger was opened with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Finishes the waiting operations, copies the write-ahead log into the database and stops the threads.
    /// Later operations fail with [`Error::Closed`]. A process that exits without calling this method loses
    /// no commit, because the next start reads the log.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Checks that the ledger can make a change durable: commits a row and waits for the flush.
    ///
    /// # Errors
    /// [`Error::Busy`] when the disk is full or too many operations wait, [`Error::Poisoned`],
    /// [`Error::Closed`], [`Error::Database`].
    pub async fn health(&self) -> Result<(), Error> {
        self.write(sql::heartbeat).await
    }

    /// Returns whether a flush to disk has failed. After a failed flush, every operation fails with
    /// [`Error::Poisoned`] until a restart.
    pub fn is_poisoned(&self) -> bool {
        self.database.is_poisoned()
    }

    /// Returns the number of operations and commits since the ledger was opened.
    pub fn stats(&self) -> LedgerStats {
        self.database.stats()
    }

    /// Returns a signal that fires when a job may be due.
    pub fn jobs_due(&self) -> DueSignal {
        self.due_times.jobs.signal(&self.clock)
    }

    /// Returns a signal that fires when a webhook may be due.
    pub fn webhooks_due(&self) -> DueSignal {
        self.due_times.webhooks.signal(&self.clock)
    }

    /// Runs a write operation, which may share its transaction with other operations. Returns after the
    /// commit has been flushed to disk.
    async fn write<T: Send + 'static>(
        &self,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.count_refused(self.database.write(self.limits, operation).await)
    }

    /// Runs a call of a function that serves all waiting calls together. Returns after the commit has been
    /// flushed to disk.
    async fn call<I: Send + 'static, T: Send + 'static>(
        &self,
        function: CallGroup<I, T>,
        input: I,
    ) -> Result<T, Error> {
        self.count_refused(self.database.call(self.limits, function, input).await)
    }

    fn count_refused<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(answer, Err(Error::LostLease)) {
            self.database.count_refused();
        }
        answer
    }

    /// Runs an operation that only reads. The operation reads one snapshot of the database, in a transaction
    /// of its own.
    async fn read<T: Send + 'static>(
        &self,
        operation: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.database.read(self.limits, operation).await
    }
}
