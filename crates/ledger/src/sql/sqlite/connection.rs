//! Connections to the SQLite file: creates the file, configures each kind of connection, passes the shared
//! statements and values to SQLite, and translates the errors of SQLite.

use std::fs::{File, OpenOptions};
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
use crate::durable_directory::create_durable_directory;
use crate::error::Error;
use crate::sql::operation::TransactionFailure;
use crate::sql::row::{ColumnSource, Row};
use crate::sql::sql_value::SqlValue;
use crate::sql::statement::Statement;
use crate::sql::{Params, Session};

/// The longest time that a statement waits for a lock of another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of prepared statements that each connection keeps. This number exceeds the number of all SQL
/// statements, so each statement is prepared only once.
const N_CACHED_STATEMENTS: usize = 128;

/// The size, in bytes, to which SQLite truncates the file of the write-ahead log when it starts to write the
/// log from the beginning of the file again.
const WAL_FILE_LIMIT_BYTES: i64 = 64 << 20;

/// The purpose of a connection to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// A connection with an open transaction.
pub(super) struct OpenTransaction<'c>(pub(super) &'c Connection);

/// Creates the directory and an empty database file that only its owner can read. SQLite gives the same
/// permissions to the files of the write-ahead log. An existing file is not changed.
///
/// Returns the locked directory. The lock makes processes open the file one after the other. Without the
/// lock, SQLite would fail when two processes switch a new file to the write-ahead log at the same time.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    create_file(path).map_err(|source| Error::Create { path: path.to_owned(), source })
}

fn create_file(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durable_directory(directory)?;
    let directory = File::open(directory)?;
    directory.lock()?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(directory)
}

/// Flushes the names of the database and of the write-ahead log in their locked directory. SQLite flushes the
/// name of a log that it creates. A process that was killed may have created a file and not flushed its name.
pub(super) fn flush_names(directory: &File, path: &Path) -> Result<(), Error> {
    directory.sync_all().map_err(|source| Error::Create { path: path.to_owned(), source })
}

/// Opens an existing database file for the given role. A file of another program is refused and not changed.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| opening_error(error, path))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(statement_error)?;
    // All checks of the file run in one transaction, because another process may turn an empty file into a
    // ledger between two checks.
    let snapshot = connection.unchecked_transaction().map_err(statement_error)?;
    migrate::n_applied(&snapshot, path)?;
    drop(snapshot);
    configure(&connection, role).map_err(statement_error)?;
    Ok(connection)
}

fn configure(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(N_CACHED_STATEMENTS);
    // With this setting (query planner stability guarantee), SQLite does not compile a statement again when
    // the values of its parameters change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode, `synchronous` must be FULL: with a lower level, SQLite does not flush the write-ahead log
    // at every commit.
    connection.pragma_update(None, "synchronous", "full")?;
    // The automatic checkpoints of SQLite are off, because the writer and the checkpoint thread decide when
    // to copy the write-ahead log.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_FILE_LIMIT_BYTES)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let cache_kib = if role == Role::Writer { 32 << 10 } else { 8 << 10 };
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "query_only", role == Role::Reader)
}

impl Session for OpenTransaction<'_> {
    fn execute(&mut self, statement: &'static Statement, params: &[SqlValue<'_>]) -> Result<u64, Error> {
        let mut prepared = prepare(self.0, statement, params)?;
        Ok(prepared.raw_execute().map_err(statement_error)? as u64)
    }

    fn query(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut prepared = prepare(self.0, statement, params)?;
        read_rows(&mut prepared, on_row)
    }

    fn execute_all(&mut self, statement: &'static Statement, rows: &[Params<'_>]) -> Result<u64, Error> {
        let mut prepared = self.0.prepare_cached(statement.sqlite()).map_err(statement_error)?;
        let mut n_changes = 0;
        for row in rows {
            bind(&mut prepared, row.as_slice())?;
            n_changes += prepared.raw_execute().map_err(statement_error)? as u64;
        }
        Ok(n_changes)
    }

    fn query_all(
        &mut self,
        statement: &'static Statement,
        rows: &[Params<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut prepared = self.0.prepare_cached(statement.sqlite()).map_err(statement_error)?;
        for row in rows {
            bind(&mut prepared, row.as_slice())?;
            read_rows(&mut prepared, on_row)?;
        }
        Ok(())
    }
}

fn read_rows(
    prepared: &mut CachedStatement<'_>,
    on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(statement_error)? {
        on_row(&mut Row::new(&SqliteRow(row)))?;
    }
    Ok(())
}

fn prepare<'c>(
    connection: &'c Connection,
    statement: &'static Statement,
    params: &[SqlValue<'_>],
) -> Result<CachedStatement<'c>, Error> {
    let mut prepared = connection.prepare_cached(statement.sqlite()).map_err(statement_error)?;
    bind(&mut prepared, params)?;
    Ok(prepared)
}

fn bind(prepared: &mut CachedStatement<'_>, params: &[SqlValue<'_>]) -> Result<(), Error> {
    for (number, value) in (1..).zip(params) {
        prepared.raw_bind_parameter(number, value).map_err(statement_error)?;
    }
    Ok(())
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null(_) => ValueRef::Null,
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

impl ColumnSource for SqliteRow<'_, '_> {
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

/// Runs a statement that begins, commits or rolls back a transaction or a savepoint.
pub(super) fn execute(connection: &Connection, sql: &'static str) -> Result<(), TransactionFailure> {
    let executed = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    executed.map(drop).map_err(transaction_failure)
}

/// Converts the SQLite error of a statement into the error of the operation that ran the statement.
pub(super) fn statement_error(error: rusqlite::Error) -> Error {
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Error::Exists,
        _ => Error::from(&transaction_failure(error)),
    }
}

/// Converts the SQLite error of a statement that ran during the opening of the file.
pub(super) fn opening_error(error: rusqlite::Error, path: &Path) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return Error::NotALedger { path: path.to_owned() };
    }
    statement_error(error)
}

/// Converts an SQLite error into the failure of the whole transaction.
pub(super) fn transaction_failure(error: rusqlite::Error) -> TransactionFailure {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            TransactionFailure::Busy
        }
        Some(ErrorCode::SystemIoFailure) if is_refused_write(&error) => TransactionFailure::Busy,
        Some(ErrorCode::SystemIoFailure) if is_lost_write(&error) => TransactionFailure::Poisoned,
        _ => TransactionFailure::Database(Arc::new(error)),
    }
}

/// Returns whether the operating system refused a write, because a quota is used up or a file has reached its
/// largest size. SQLite reports a refused write and a full disk with different errors. In both cases, SQLite
/// rolls the transaction back or ends the checkpoint. No earlier commit is lost, because every commit was
/// flushed before its callers got an answer.
fn is_refused_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Returns whether written bytes may be lost. The errors in this list lose no written bytes. The list
/// contains the errors of the shared index (`SHM`) of the write-ahead log, because a disk that becomes full
/// causes these errors before a write to the database or to the log fails.
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
    fn a_failed_flush_to_disk_makes_the_database_unusable_but_a_refused_write_does_not() {
        let of = |code| transaction_failure(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_IOERR_TRUNCATE] {
            assert!(matches!(of(code), TransactionFailure::Poisoned), "{code}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_BUSY] {
            assert!(matches!(of(code), TransactionFailure::Busy), "{code}");
        }
        assert!(matches!(of(ffi::SQLITE_IOERR_READ), TransactionFailure::Database(_)));
    }
}
