//! Copies the ledger of a stopped installation from an SQLite file into a PostgreSQL database.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::error::Error;
use crate::ledger::{Ledger, Store};
use crate::sql;
use crate::sql::command::in_thread;
pub use crate::sql::digest::TableDigest;

/// What a copy of a ledger has just done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// The jobs and webhooks that the stopped server had under way are due again in the source.
    Recovered {
        /// The number of jobs.
        n_jobs: u64,
        /// The number of webhooks.
        n_webhooks: u64,
    },
    /// An earlier copy was interrupted, and this copy continues it.
    Continued,
    /// The source has changed since the copy was interrupted, so this copy begins again with an empty target.
    BegunAgain,
    /// Some rows of a table were committed to the target.
    Copied {
        /// The name of the table.
        table: String,
        /// The number of rows of this table that the target has.
        n_rows: u64,
        /// The number of rows of this table in the source.
        n_total: u64,
    },
    /// Source and target have the same rows of a table.
    Compared {
        /// The name of the table.
        table: String,
        /// The number of rows, and their digest.
        digest: TableDigest,
    },
}

/// How a copy of a ledger has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyOutcome {
    /// The target has the rows of the source, and is ready for its first server.
    Copied,
    /// The target had the rows of the source before, so nothing was changed.
    AlreadyCopied,
}

/// The reason why a ledger was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source does not exist.
    #[error("there is no ledger {}", .0.display())]
    NoSource(PathBuf),

    /// The source failed.
    #[error("the source ledger")]
    Source(#[source] Error),

    /// The target failed.
    #[error("the target database")]
    Target(#[source] Error),

    /// The databases do not have the same tables and columns.
    #[error("the schemas differ: {0}")]
    Schema(String),

    /// The target has rows that are not from the source.
    #[error("the target contains another ledger: name an empty database")]
    OtherLedger,

    /// The target has the finished copy of the source, and one of the two has changed since.
    #[error(
        "the target contains an earlier copy of this ledger, and the rows of the table {0} differ: one of the \
         two was used since. To copy again, name an empty database"
    )]
    ChangedSinceCopy(String),

    /// Another copy into the same target runs or has ended meanwhile.
    #[error("another copy into the same target is under way")]
    OtherCopy,

    /// After the copy, the rows of a table differ.
    #[error("the rows of the table {0} differ after the copy: does a server use one of the two databases?")]
    Different(String),
}

/// Only the rows of the source are read by a function that fails with a `CopyError`.
impl From<Error> for CopyError {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// Copies the ledger in the SQLite file `from` with its history and its pending work into the PostgreSQL
/// database `to`. The target must be empty, or contain an interrupted copy of the same ledger, which is then
/// continued. No server may use one of the two databases: the caller must hold the lock of the data directory.
///
/// First, the source is prepared as a start of the server would prepare it: its schema is migrated, and
/// everything that was under way is due again. Then the rows are copied in batches, each with one commit. At
/// the end the number of rows and a digest of each table are computed in both databases, and compared. Until
/// then, no server can open the target: it gets [`Error::UnfinishedCopy`].
///
/// `clock` gives the time at which interrupted work is due again. `on_step` is called from another thread
/// after each step.
///
/// # Errors
/// See [`CopyError`]. After every error except [`CopyError::OtherLedger`], [`CopyError::ChangedSinceCopy`] and
/// [`CopyError::Schema`], a later call continues.
pub async fn copy_ledger(
    from: PathBuf,
    to: String,
    clock: Clock,
    mut on_step: impl FnMut(CopyStep) + Send + 'static,
) -> Result<CopyOutcome, CopyError> {
    if !from.is_file() {
        return Err(CopyError::NoSource(from));
    }
    let source = Ledger::open(Store::Sqlite { path: from.clone() }, clock).await;
    let source = source.map_err(CopyError::Source)?;
    let recovered = source.recover().await;
    source.close().await;
    let recovered = recovered.map_err(CopyError::Source)?;
    on_step(CopyStep::Recovered { n_jobs: recovered.n_jobs, n_webhooks: recovered.n_webhooks });
    let copied = in_thread("ledger-copy", move || sql::copy::copy(&from, &to, &mut on_step)).await;
    copied.map_err(CopyError::Target)?
}
