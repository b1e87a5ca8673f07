//! Copies a database file that is in use.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::connection::{self, Role, statement_error};
use crate::backup::{BackupError, FileContent, NamedFile};
use crate::error::Error;

/// How long the copy waits for the moment at which nobody writes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The files of unfinished jobs and of results. A sweep deletes the file of an expired result before its row.
const KEYS: &str = "SELECT r.input_key, 1 FROM jobs j JOIN requests r ON r.seq = j.seq
                    WHERE r.input_key IS NOT NULL
                    UNION ALL
                    SELECT blob_key, expires_ms > ?1 FROM results WHERE blob_key IS NOT NULL";

/// The watermarks. A sweep deletes the file of a removed watermark before its row.
const WATERMARKS: &str = "SELECT id, removed_ms IS NULL FROM watermarks WHERE ?1 = ?1";

type KeepFile<'a> = &'a mut dyn FnMut(NamedFile) -> io::Result<()>;

/// See [`back_up_ledger`](crate::back_up_ledger).
pub(crate) fn back_up(
    from: &Path,
    to: &Path,
    now_ms: i64,
    keep_file: KeepFile<'_>,
) -> Result<(), BackupError> {
    let reader = connection::open(from, Role::Reader)?;
    // Until the second round, the server may delete every file that this round names.
    keep_files(&reader, now_ms, false, keep_file)?;
    let locker = connection::open(from, Role::Writer)?;
    locker.busy_timeout(LOCK_TIMEOUT).map_err(statement_error)?;
    run(&locker, "BEGIN IMMEDIATE")?;
    // The snapshot of the reader begins with its first query.
    run(&reader, "BEGIN")?;
    let kept = keep_files(&reader, now_ms, true, keep_file);
    run(&locker, "ROLLBACK")?;
    kept?;
    copy_pages(&reader, to).map_err(BackupError::Ledger)
}

/// Copies all pages of the snapshot that the connection reads.
fn copy_pages(reader: &Connection, to: &Path) -> Result<(), Error> {
    let mut copy = Connection::open(to).map_err(statement_error)?;
    let backup = Backup::new(reader, &mut copy).map_err(statement_error)?;
    match backup.step(-1).map_err(statement_error)? {
        StepResult::Done => Ok(()),
        _ => Err(Error::Busy),
    }
}

fn keep_files(
    reader: &Connection,
    now_ms: i64,
    is_last_round: bool,
    keep_file: KeepFile<'_>,
) -> Result<(), BackupError> {
    for (sql, content) in [(KEYS, FileContent::Key as fn(String) -> _), (WATERMARKS, FileContent::Watermark)]
    {
        let mut statement = reader.prepare(sql).map_err(statement_error)?;
        let mut rows = statement.query([now_ms]).map_err(statement_error)?;
        while let Some(row) = rows.next().map_err(statement_error)? {
            let name = row.get(0).map_err(statement_error)?;
            let is_needed: bool = row.get(1).map_err(statement_error)?;
            keep_file(NamedFile { content: content(name), is_needed: is_needed && is_last_round })?;
        }
    }
    Ok(())
}

fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.execute_batch(sql).map_err(statement_error)
}
