//! Copying the write-ahead log back into the database, on a thread and a connection of its own: writers go on
//! meanwhile, and the flush of the database costs no commit its time.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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
                if let Err(Failure::Poisoned) = run(&connection, CheckpointMode::PASSIVE) {
                    shared.poison();
                }
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

/// Checkpoints as far as the mode allows; says what is left. What cannot be done now because somebody reads or
/// writes is not an error: it is left.
pub(super) fn run(connection: &Connection, mode: CheckpointMode) -> Result<Log, Failure> {
    let (n_pages, n_saved) = connection.wal_checkpoint_v2(None::<&str>, mode).map_err(failure)?;
    let n_pages = u64::try_from(n_pages).unwrap_or(0);
    let n_saved = u64::try_from(n_saved).unwrap_or(0);
    Ok(Log { n_pages, n_unsaved_pages: n_pages.saturating_sub(n_saved) })
}
