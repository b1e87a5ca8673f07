//! A ledger database without a file, without threads and without flushes, for tests that run more operations
//! than a disk could flush in the same time.

use std::path::Path;

use rusqlite::Connection;

use super::connection::OpenTransaction;
use super::migrate::migrate;
use crate::destination::DeliveryLimits;
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::sql::Tx;

/// Creates an empty ledger database in memory.
pub(crate) fn memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    migrate(&mut connection, Path::new(":memory:")).unwrap();
    connection
}

/// Runs one operation in its own transaction, like the writing thread does.
pub(crate) fn transact<T>(
    connection: &Connection,
    now_ms: i64,
    limits: DeliveryLimits,
    run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
) -> (Result<T, Error>, Vec<(Queue, DueUpdate)>) {
    let execute = |sql| connection.prepare_cached(sql).unwrap().execute([]).unwrap();
    execute("BEGIN IMMEDIATE");
    let mut session = OpenTransaction(connection);
    let mut tx = Tx::new(&mut session, now_ms, limits);
    let result = run(&mut tx);
    let due_updates = tx.into_due_updates();
    if result.is_ok() {
        execute("COMMIT");
        return (result, due_updates);
    }
    execute("ROLLBACK");
    (result, Vec::new())
}
