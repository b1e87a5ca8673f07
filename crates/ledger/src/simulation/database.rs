//! The database under a simulation: SQLite in memory, or PostgreSQL.

use rusqlite::Connection;

use super::world::LIMITS;
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::postgres::TestDatabase;
use crate::sql::sqlite;

pub(super) enum Database {
    Sqlite(Connection),
    Postgres(Box<TestDatabase>),
}

impl Database {
    /// Creates an empty database in memory.
    pub(super) fn in_memory() -> Self {
        Self::Sqlite(sqlite::memory())
    }

    /// Runs one operation in its own transaction. Returns the result of the operation, and the
    /// changes of due times that the operation has recorded.
    pub(super) fn transact<T>(
        &mut self,
        now_ms: i64,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Vec<(Queue, DueUpdate)>) {
        match self {
            Self::Sqlite(connection) => sqlite::transact(connection, now_ms, LIMITS, run),
            Self::Postgres(database) => database.transact(now_ms, LIMITS, run),
        }
    }

    /// Runs a query whose result is one number.
    pub(super) fn number(&mut self, sql: &str) -> u64 {
        let number: i64 = match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(database) => database.number(sql),
        };
        u64::try_from(number).expect("the number is a count")
    }
}
