//! The face of the ledger: one method per intent. The methods are grouped by what they are about in
//! `ledger/*.rs`; here is what holds for all of them. No SQL here: each method hands one operation of `sql/*` to
//! the database and waits for its commit.

mod accounts;
mod jobs;
mod watermarks;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::clock::Clock;
use crate::destination::Fairness;
use crate::error::Error;
use crate::finished::Finished;
use crate::lease::Recovered;
use crate::sql::{self, Tx, sqlite};
use crate::wake::{DueSignal, Dues};

/// Where the ledger is kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// In one file (and two beside it while it is open). Made when it does not exist, its directory too.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
}

/// The ledger. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Ledger {
    database: Arc<sqlite::Database>,
    dues: Arc<Dues>,
    clock: Clock,
    fairness: Fairness,
    /// What the clock showed at the last claim: an earlier time now means that it was set back.
    latest_claim_ms: Arc<AtomicI64>,
    finished: Arc<Finished>,
}

/// What the ledger has done since it was opened, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Operations committed.
    pub n_operations: u64,
    /// Commits they shared.
    pub n_commits: u64,
    /// Length of the write-ahead log at its last measurement, in pages of 4 KiB.
    pub wal_pages: u64,
}

impl Ledger {
    /// Opens the ledger, brings its schema up to date and starts its threads.
    ///
    /// Several processes may have it open. Only one of them may work on jobs and webhooks: see
    /// [`Ledger::recover`].
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::NotALedger`], [`Error::TooNew`], [`Error::Busy`], [`Error::Database`].
    pub async fn open(store: Store, clock: Clock) -> Result<Self, Error> {
        let Store::Sqlite { path } = store;
        let dues = Arc::new(Dues::unknown());
        let database = sqlite::Database::open(path, clock.clone(), Arc::clone(&dues)).await?;
        Ok(Self {
            database: Arc::new(database),
            dues,
            clock,
            fairness: Fairness::default(),
            latest_claim_ms: Arc::new(AtomicI64::new(i64::MAX)),
            finished: Arc::default(),
        })
    }

    /// The same ledger, which asks this much of receivers at once instead of [`Fairness::default`].
    #[must_use]
    pub fn with_fairness(self, fairness: Fairness) -> Self {
        Self { fairness, ..self }
    }

    /// Ends every lease of an earlier process. To be called once, before the first claim, by the process that
    /// alone works on this ledger: jobs go back to the queue and their interrupted try counts; webhooks that
    /// were being sent are due now, and the attempt that was open is closed as interrupted. Names of requests that
    /// were being answered are free again.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Database`].
    pub async fn recover(&self) -> Result<Recovered, Error> {
        let fairness = self.fairness;
        self.write(move |tx| {
            let n_jobs = sql::jobs::reap(tx, i64::MAX)?;
            let n_webhooks = sql::claims::reap(tx, i64::MAX, &fairness)?;
            sql::idempotency::recover(tx)?;
            Ok(Recovered { n_jobs, n_webhooks })
        })
        .await
    }

    /// The clock this ledger was opened with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Finishes what was begun, writes the log back into the database and stops the threads. Operations after it
    /// answer [`Error::Closed`]. Without it nothing is lost: the next start reads the log.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether the ledger can still make something durable: commits a row and waits for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when the disk is full or too much waits, [`Error::Poisoned`], [`Error::Closed`],
    /// [`Error::Database`].
    pub async fn health(&self) -> Result<(), Error> {
        self.write(sql::heartbeat).await
    }

    /// Whether a flush failed: everything answers [`Error::Poisoned`] until a restart.
    pub fn is_poisoned(&self) -> bool {
        self.database.is_poisoned()
    }

    /// What was done since the start.
    pub fn stats(&self) -> Stats {
        self.database.stats()
    }

    /// Wakes when a job may be due.
    pub fn jobs_due(&self) -> DueSignal {
        self.dues.jobs.signal(&self.clock)
    }

    /// Wakes when a webhook may be due.
    pub fn webhooks_due(&self) -> DueSignal {
        self.dues.webhooks.signal(&self.clock)
    }

    /// Runs an operation in a transaction that may be shared with others; returns after its commit is on disk.
    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.database.write(operation).await
    }

    /// Runs an operation that only reads, on a snapshot of its own.
    async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.database.read(operation).await
    }
}
