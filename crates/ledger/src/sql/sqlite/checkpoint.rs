//! Checkpoints: copying the write-ahead log into the database. A thread with its own connection does this
//! while the writer continues, so no commit waits for the flush of the database. When writes never pause, the
//! checkpoint thread cannot copy the whole log, and the log grows. The writer then copies the remaining pages
//! itself between two commits, and SQLite writes the log from the beginning of its file again.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::connection::{Role, open, transaction_failure};
use super::{Shared, spawn};
use crate::error::Error;
use crate::sql::operation::TransactionFailure;

/// A handle to the checkpoint thread.
pub(super) struct Checkpointer {
    requests: SyncSender<()>,
    ended: Receiver<()>,
}

/// The length of the write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogLength {
    /// All pages of the log.
    pub(super) n_pages: u64,
    /// The pages that are not yet copied into the database.
    pub(super) n_uncopied_pages: u64,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, Error> {
        let connection = open(path, Role::Checkpointer)?;
        let (requests, requested) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        spawn("ledger-checkpoint", move || {
            while requested.recv().is_ok() {
                // The result is ignored, because the writer measures the log after every commit.
                let _ = checkpoint(&connection, &shared);
            }
            drop(connection);
            drop(end);
        })?;
        Ok(Self { requests, ended })
    }

    /// Requests a checkpoint. If a checkpoint is running, another checkpoint follows it.
    pub(super) fn request(&self) {
        // A full queue means that a checkpoint is requested already. A disconnected queue means that the
        // thread has ended and has nothing left to copy.
        let _ = self.requests.try_send(());
    }

    /// Ends the thread, and returns after the thread has closed its connection.
    pub(super) fn stop(self) {
        let Self { requests, ended } = self;
        drop(requests);
        // Nothing is ever sent on this channel. When the thread ends, it closes the channel.
        let _ = ended.recv();
    }
}

/// Waits for a running checkpoint, then copies as much of the log as the open read transactions allow.
/// Returns the length of the log, or `None` after an error. If the error means that written bytes may be
/// lost, the function also poisons the database.
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

/// Copies the whole log into the database and truncates the log, before the database is closed. An error is
/// ignored, because the log is durable and the next start copies it.
pub(super) fn truncate_log(connection: &Connection) {
    drop(run(connection, CheckpointMode::TRUNCATE));
}

/// Measures the log without copying it.
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
