//! Rewrites the file of a closed ledger without the remains of deleted and replaced rows.

use std::path::Path;

use rusqlite::Connection;

use super::connection::statement_error;
use crate::error::Error;

/// Copies the rows of the SQLite file `path` into new pages and empties its write-ahead log, so that neither holds
/// bytes of rows that were deleted or replaced before. No process may have the ledger open. The copy needs as much
/// free disk space as the file.
///
/// # Errors
/// [`Error::Busy`], [`Error::Database`].
pub fn erase_remains(path: &Path) -> Result<(), Error> {
    let connection = Connection::open(path).map_err(statement_error)?;
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);").map_err(statement_error)
}
