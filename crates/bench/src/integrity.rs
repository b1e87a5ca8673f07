//! SQLite's integrity check of a stopped server's ledger. The fault tools read nothing else of a server's
//! files.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// What SQLite finds wrong with the ledger in a data directory; empty when the ledger is sound.
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
