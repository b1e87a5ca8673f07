//! A database without a file, threads and flushes, for tests that run more operations than a disk would let them.

use std::path::Path;

use rusqlite::Connection;

use super::connection::Open;
use super::migrate::migrate;
use crate::error::Error;
use crate::sql::Tx;
use crate::wake::{Queue, Wake};

/// A new ledger in memory.
pub(crate) fn memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    migrate(&mut connection, Path::new(":memory:")).unwrap();
    connection
}

/// Runs one operation in a transaction of its own, as the writer does.
pub(crate) fn transact<T>(
    connection: &Connection,
    now_ms: i64,
    run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
) -> (Result<T, Error>, Vec<(Queue, Wake)>) {
    let execute = |sql| connection.prepare_cached(sql).unwrap().execute([]).unwrap();
    execute("BEGIN IMMEDIATE");
    let mut session = Open(connection);
    let mut tx = Tx::new(&mut session, now_ms);
    let result = run(&mut tx);
    let wakes = tx.into_wakes();
    if result.is_ok() {
        execute("COMMIT");
        return (result, wakes);
    }
    execute("ROLLBACK");
    (result, Vec::new())
}
