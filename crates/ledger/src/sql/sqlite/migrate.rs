//! Migrates the schema of a database file to the newest version. Migrations run in the order of their
//! numbers, and a migration never changes after a release. The file stores the number of migrations that were
//! applied to the file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::{opening_error, statement_error};
use crate::error::Error;

/// The SQLite application id that marks a file as a ledger: "PXVN" in ASCII.
const APPLICATION_ID: i64 = 0x5058_564e;

/// The SQL of the migrations in order. Migration number `n` is element `n - 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_ledger.sql"),
    include_str!("../../../migrations/sqlite/0002_watermarks.sql"),
    include_str!("../../../migrations/sqlite/0003_destinations.sql"),
    include_str!("../../../migrations/sqlite/0004_idempotency.sql"),
    include_str!("../../../migrations/sqlite/0005_hosts_and_bulk.sql"),
    include_str!("../../../migrations/sqlite/0006_small_files.sql"),
    include_str!("../../../migrations/sqlite/0007_column_names.sql"),
    include_str!("../../../migrations/sqlite/0008_adaptive_delivery.sql"),
    include_str!("../../../migrations/sqlite/0009_nodes.sql"),
];

/// Runs all migrations that were not yet applied to the file, in one transaction. Because of the transaction,
/// two processes that open a new file at the same time cannot run the same migration twice, and a failed
/// migration leaves the file unchanged.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(statement_error)?;
    let n_applied = n_applied(&transaction, path)?;
    for migration in &MIGRATIONS[n_applied..] {
        transaction.execute_batch(migration).map_err(statement_error)?;
    }
    if n_applied < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(statement_error)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(statement_error)?;
    }
    transaction.commit().map_err(statement_error)
}

/// Returns the number of migrations that were applied to the file. Fails if another program or a newer
/// version of this program wrote the file.
pub(super) fn n_applied(connection: &Connection, path: &Path) -> Result<usize, Error> {
    let application_id = pragma(connection, path, "application_id")?;
    let version = pragma(connection, path, "user_version")?;
    let is_empty = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get::<_, bool>(0))
        .map_err(statement_error)?;
    if application_id != APPLICATION_ID && !is_empty {
        return Err(Error::NotALedger { path: path.to_owned() });
    }
    let known = MIGRATIONS.len();
    usize::try_from(version)
        .ok()
        .filter(|version| *version <= known)
        .ok_or(Error::TooNew { found: version, known: known as i64 })
}

/// Returns the number of the newest migration.
pub(super) fn newest_version() -> i64 {
    MIGRATIONS.len() as i64
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<i64, Error> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|error| opening_error(error, path))
}
