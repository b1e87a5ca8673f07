//! Bringing the file's schema up to date. Migrations are run in the order of their numbers and never change
//! once released; the file remembers how many it has seen.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::{from_opening, from_running};
use crate::error::Error;

/// Marks the file as ours: "PXVN" in ASCII.
const APPLICATION_ID: i64 = 0x5058_564e;

/// Migration `n` is element `n - 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_ledger.sql"),
    include_str!("../../../migrations/sqlite/0002_watermarks.sql"),
    include_str!("../../../migrations/sqlite/0003_destinations.sql"),
    include_str!("../../../migrations/sqlite/0004_idempotency.sql"),
    include_str!("../../../migrations/sqlite/0005_hosts_and_bulk.sql"),
    include_str!("../../../migrations/sqlite/0006_small_files.sql"),
];

/// Runs what the file lacks, all in one transaction: two processes that open a new file at once cannot meet in the
/// middle, and a migration that fails leaves the file as it was.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(from_running)?;
    let n_done = n_done(&transaction, path)?;
    for migration in &MIGRATIONS[n_done..] {
        transaction.execute_batch(migration).map_err(from_running)?;
    }
    if n_done < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(from_running)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(from_running)?;
    }
    transaction.commit().map_err(from_running)
}

/// How many migrations the file has seen. Refuses files of other programs and of newer versions of this one.
pub(super) fn n_done(connection: &Connection, path: &Path) -> Result<usize, Error> {
    let application_id = pragma(connection, path, "application_id")?;
    let version = pragma(connection, path, "user_version")?;
    let is_empty = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get::<_, bool>(0))
        .map_err(from_running)?;
    if application_id != APPLICATION_ID && !is_empty {
        return Err(Error::NotALedger { path: path.to_owned() });
    }
    let known = MIGRATIONS.len();
    usize::try_from(version)
        .ok()
        .filter(|version| *version <= known)
        .ok_or(Error::TooNew { found: version, known: known as i64 })
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<i64, Error> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|error| from_opening(error, path))
}
