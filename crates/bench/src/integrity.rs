//! Runs SQLite's integrity check on the ledger of a stopped server. Only `powercut/check.rs` also reads a
//! database of the server.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Returns the errors that SQLite finds in the ledger of a data directory. The list is empty if SQLite finds
/// no error.
pub(crate) fn integrity_errors(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data_dir.join("pixaven.db"), flags)?;
    let mut found = Vec::new();
    connection.pragma_query(None, "integrity_check", |row| {
        found.push(row.get::<_, String>(0)?);
        Ok(())
    })?;
    connection.pragma_query(None, "foreign_key_check", |row| {
        found.push(format!("a row of {} violates a foreign key", row.get::<_, String>(0)?));
        Ok(())
    })?;
    found.retain(|line| line != "ok");
    Ok(found)
}
