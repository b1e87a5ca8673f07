//! Connections to the file: how it is made, how each kind of connection is set up, and how shared statements
//! and values reach SQLite.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::ffi;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use uuid::Uuid;

use super::migrate;
use crate::error::Error;
use crate::sql::Session;
use crate::sql::operation::Failure;
use crate::sql::statement::{Dialect, Statement};
use crate::sql::value::{Columns, Row, Value};

/// There is one writer, so claims have nobody to skip.
pub(super) static DIALECT: Dialect = Dialect { skip_locked: "" };

/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are statements: each is prepared once per connection.
const N_CACHED_STATEMENTS: usize = 128;

/// The log's file is cut back to this size when the log starts anew.
const WAL_FILE_LIMIT_BYTES: i64 = 64 << 20;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// A connection inside a transaction.
pub(super) struct Open<'c>(pub(super) &'c Connection);

/// Makes the directory and an empty file that only its owner can read; SQLite gives the files beside it the same
/// mode. An existing file is left as it is.
///
/// Returns the directory, locked: who holds it opens the file alone. SQLite turns away at once, without waiting, who
/// switches a new file to its log while somebody else does.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    let made = make_file(path);
    made.map_err(|source| Error::Create { path: path.to_owned(), source })
}

fn make_file(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory)?;
    let directory = File::open(directory)?;
    directory.lock()?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // The name has to be as durable as what will be written under it.
        Ok(_) => directory.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(directory)
}

/// Opens an existing file for a role. A file that is not ours is refused before anything in it is changed.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| from_opening(error, path))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(from_running)?;
    // Within one transaction: between two statements another process may have made the file a ledger.
    let snapshot = connection.unchecked_transaction().map_err(from_running)?;
    migrate::n_done(&snapshot, path)?;
    drop(snapshot);
    set_up(&connection, role).map_err(from_running)?;
    Ok(connection)
}

fn set_up(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(N_CACHED_STATEMENTS);
    // Plans do not depend on the values they are run with; otherwise every other value means another compilation.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode, only FULL flushes the log at every commit.
    connection.pragma_update(None, "synchronous", "full")?;
    // The writer and the checkpointer decide when to copy the log back.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_FILE_LIMIT_BYTES)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let cache_kib = if role == Role::Writer { 32 << 10 } else { 8 << 10 };
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "query_only", role == Role::Reader)
}

impl Session for Open<'_> {
    fn execute(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<u64, Error> {
        let mut prepared = prepare(self.0, statement, params)?;
        Ok(prepared.raw_execute().map_err(from_running)? as u64)
    }

    fn query(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut prepared = prepare(self.0, statement, params)?;
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next().map_err(from_running)? {
            each(&mut Row::new(&SqliteRow(row)))?;
        }
        Ok(())
    }
}

fn prepare<'c>(
    connection: &'c Connection,
    statement: &'static Statement,
    params: &[Value<'_>],
) -> Result<CachedStatement<'c>, Error> {
    let mut prepared = connection.prepare_cached(&statement.render(&DIALECT)).map_err(from_running)?;
    for (number, value) in (1..).zip(params) {
        prepared.raw_bind_parameter(number, value).map_err(from_running)?;
    }
    Ok(prepared)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Uuid(value) => ValueRef::Blob(value.as_bytes()),
        }))
    }
}

struct SqliteRow<'a, 's>(&'a rusqlite::Row<'s>);

impl SqliteRow<'_, '_> {
    fn get<T: rusqlite::types::FromSql>(&self, column: usize) -> Result<Option<T>, Error> {
        self.0.get(column).map_err(|error| Error::Corrupt(format!("column {column}: {error}")))
    }
}

impl Columns for SqliteRow<'_, '_> {
    fn int(&self, column: usize) -> Result<Option<i64>, Error> {
        self.get(column)
    }

    fn text(&self, column: usize) -> Result<Option<String>, Error> {
        self.get(column)
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error> {
        Ok(self.get(column)?.map(Uuid::from_bytes))
    }

    fn hash(&self, column: usize) -> Result<Option<[u8; 32]>, Error> {
        self.get(column)
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        self.get(column)
    }
}

/// What an error of a statement means for its operation.
pub(super) fn from_running(error: rusqlite::Error) -> Error {
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Error::Exists,
        _ => Error::from(&failure(error)),
    }
}

/// What an error of the first statements of a connection means.
pub(super) fn from_opening(error: rusqlite::Error, path: &Path) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return Error::NotALedger { path: path.to_owned() };
    }
    from_running(error)
}

/// What an error means for a whole transaction.
pub(super) fn failure(error: rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Busy,
        Some(ErrorCode::SystemIoFailure) if is_refused_write(&error) => Failure::Busy,
        Some(ErrorCode::SystemIoFailure) if is_lost_write(&error) => Failure::Poisoned,
        _ => Failure::Database(Arc::new(error)),
    }
}

/// Whether the system did not take a write: a quota is used up, a file may not grow. SQLite calls it a full disk only
/// where the system does, and treats it alike: the transaction is undone, or the checkpoint left for later. What was
/// answered was flushed before, by a flush that succeeded, so none of it is in doubt.
fn is_refused_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Whether bytes that were written may be gone. Where the shared index of the log could not grow, none are: that
/// is what a full disk looks like before it reaches the files themselves.
fn is_lost_write(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    !matches!(
        code,
        Some(
            ffi::SQLITE_IOERR_READ
                | ffi::SQLITE_IOERR_SHORT_READ
                | ffi::SQLITE_IOERR_NOMEM
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMSIZE
                | ffi::SQLITE_IOERR_SHMLOCK
                | ffi::SQLITE_IOERR_SHMMAP
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_flush_poisons_and_a_refused_write_does_not() {
        let of = |code| failure(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_IOERR_TRUNCATE] {
            assert!(matches!(of(code), Failure::Poisoned), "{code}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_BUSY] {
            assert!(matches!(of(code), Failure::Busy), "{code}");
        }
        assert!(matches!(of(ffi::SQLITE_IOERR_READ), Failure::Database(_)));
    }
}
