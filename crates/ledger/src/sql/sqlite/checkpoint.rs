//! Checkpoints, which copy the write-ahead log into the database. A checkpoint thread with its own connection
//! copies the log while the writer continues, so no commit waits for the flush of the database file. When
//! writes never pause, the checkpoint thread cannot copy the whole log, and the log grows. In this case, the
//! writer itself copies the remaining pages between two commits, and SQLite starts to write the log from the
//! beginning of the log file again.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::connection::{Role, open, transaction_failure};
use crate::error::Error;
use crate::sql::database::{Shared, spawn};
use crate::sql::operation::TransactionFailure;

/// A handle to the checkpoint thread.
pub(super) struct Checkpointer {
    requests: SyncSender<()>,
    ended: Receiver<()>,
}

/// The length of the write-ahead log, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogLength {
    /// The number of all pages in the log.
    pub(super) n_pages: u64,
    /// The number of pages that are not yet copied into the database.
    pub(super) n_uncopied_pages: u64,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, Error> {
        let connection = open(path, Role::Checkpointer)?;
        let (requests, requested) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        spawn("ledger-checkpoint", move || {
            while requested.recv().is_ok() {
                // The result of the checkpoint is ignored, because the writer measures the log after every
                // commit.
                let _ = checkpoint(&connection, &shared);
            }
            drop(connection);
            drop(end);
        })?;
        Ok(Self { requests, ended })
    }

    /// Requests a checkpoint. If a checkpoint is running, another checkpoint follows the running checkpoint.
    pub(super) fn request(&self) {
        // An error is ignored. If the queue is full, a checkpoint is requested already. If the queue is
        // closed, the checkpoint thread has ended, and no request is needed.
        let _ = self.requests.try_send(());
    }

    /// Ends the checkpoint thread, and returns after the thread has closed its connection.
    pub(super) fn stop(self) {
        let Self { requests, ended } = self;
        drop(requests);
        // Nothing is ever sent on this channel. The receive returns when the thread ends, because the thread
        // then closes the channel.
        let _ = ended.recv();
    }
}

/// Waits for a running checkpoint, then copies as much of the write-ahead log as the open read transactions
/// allow. Returns the length of the log, or `None` after an error. If the error means that written bytes may
/// be lost, the function also marks the database as poisoned.
pub(super) fn checkpoint(connection: &Connection, shared: &Shared) -> Option<LogLength> {
    let _lock = shared.checkpointing.lock().unwrap_or_else(PoisonError::into_inner);
    match run(connection, CheckpointMode::PASSIVE) {
        Ok(log) => Some(log),
        Err(failure) => {
            if matches!(failure, TransactionFailure::Poisoned) {
                shared.poison();
            }
            None
        }
    }
}

/// Copies the whole write-ahead log into the database and truncates the log, before the database is closed.
/// An error is ignored, because the log is durable and is read again when the database is opened the next
/// time.
pub(super) fn truncate_log(connection: &Connection) {
    drop(run(connection, CheckpointMode::TRUNCATE));
}

/// Measures the write-ahead log without copying pages.
pub(super) fn measure(connection: &Connection) -> Option<LogLength> {
    run(connection, CheckpointMode::NOOP).ok()
}

fn run(connection: &Connection, mode: CheckpointMode) -> Result<LogLength, TransactionFailure> {
    let (n_pages, n_copied) =
        connection.wal_checkpoint_v2(None::<&str>, mode).map_err(transaction_failure)?;
    let n_pages = u64::try_from(n_pages).unwrap_or(0);
    let n_copied = u64::try_from(n_copied).unwrap_or(0);
    Ok(LogLength { n_pages, n_uncopied_pages: n_pages.saturating_sub(n_copied) })
}
