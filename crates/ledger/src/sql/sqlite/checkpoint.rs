//! Copying the write-ahead log back into the database, on a thread and a connection of its own: writers go on
//! meanwhile, and the flush of the database costs no commit its time. Only while writes never pause does the log
//! outgrow that; then the writer copies the rest itself, with nobody beside it, and the log starts anew.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::connection::{Role, failure, open};
use super::{Shared, spawn};
use crate::error::Error;
use crate::sql::operation::Failure;

/// The way to the thread.
pub(super) struct Checkpointer {
    asks: SyncSender<()>,
    is_gone: Receiver<()>,
}

/// What the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// Pages from its beginning.
    pub(super) n_pages: u64,
    /// Those that are not yet in the database.
    pub(super) n_unsaved_pages: u64,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, shared: Arc<Shared>) -> Result<Self, Error> {
        let connection = open(path, Role::Checkpointer)?;
        let (asks, asked) = sync_channel(1);
        let (gone, is_gone) = sync_channel(1);
        spawn("ledger-checkpoint", move || {
            while asked.recv().is_ok() {
                // What is left is the writer's to know: it measures after every commit.
                let _ = copy_back(&connection, &shared);
            }
            drop(connection);
            drop(gone);
        })?;
        Ok(Self { asks, is_gone })
    }

    /// Asks for a checkpoint. One that is asked for while another runs comes after it.
    pub(super) fn ask(&self) {
        // Full means that one is asked for already; a thread that is gone has nothing left to copy.
        let _ = self.asks.try_send(());
    }

    /// Returns when the thread has let go of the database.
    pub(super) fn stop(self) {
        let Self { asks, is_gone } = self;
        drop(asks);
        // Nothing is ever sent: the end of the channel is the message.
        let _ = is_gone.recv();
    }
}

/// Copies back as much as readers allow, after whoever is copying now; says what is left. A failure other than a lost
/// write leaves everything as it was.
pub(super) fn copy_back(connection: &Connection, shared: &Shared) -> Option<Log> {
    let _alone = shared.checkpointing.lock().unwrap_or_else(PoisonError::into_inner);
    match run(connection, CheckpointMode::PASSIVE) {
        Ok(log) => Some(log),
        Err(failure) => {
            if matches!(failure, Failure::Poisoned) {
                shared.poison();
            }
            None
        }
    }
}

/// Copies the whole log back and cuts it off, for leaving. Where that cannot be done now, the next start does it: the
/// log is as durable as the database.
pub(super) fn finish(connection: &Connection) {
    drop(run(connection, CheckpointMode::TRUNCATE));
}

/// Measures the log.
pub(super) fn measure(connection: &Connection) -> Option<Log> {
    run(connection, CheckpointMode::NOOP).ok()
}

fn run(connection: &Connection, mode: CheckpointMode) -> Result<Log, Failure> {
    let (n_pages, n_saved) = connection.wal_checkpoint_v2(None::<&str>, mode).map_err(failure)?;
    let n_pages = u64::try_from(n_pages).unwrap_or(0);
    let n_saved = u64::try_from(n_saved).unwrap_or(0);
    Ok(Log { n_pages, n_unsaved_pages: n_pages.saturating_sub(n_saved) })
}
