//! The one look inside that the fault tools take, at a server that is down: whether SQLite finds its file whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// What SQLite finds wrong with the ledger of a directory; nothing when it is whole.
pub(crate) fn damage(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data_dir.join("pixaven.db"), flags)?;
    let mut found = Vec::new();
    connection.pragma_query(None, "integrity_check", |row| {
        found.push(row.get::<_, String>(0)?);
        Ok(())
    })?;
    connection.pragma_query(None, "foreign_key_check", |row| {
        found.push(format!("a row of {} belongs to none", row.get::<_, String>(0)?));
        Ok(())
    })?;
    found.retain(|line| line != "ok");
    Ok(found)
}
