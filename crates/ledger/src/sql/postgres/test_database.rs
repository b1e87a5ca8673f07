//! A connection for tests that run operations one by one, without threads and without the lock for writing.

use std::sync::Arc;

use super::failure::Failure;
use super::link::Link;
use super::migrate;
use super::url::Server;
use crate::destination::DeliveryLimits;
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use crate::sql::Tx;

pub(crate) struct TestDatabase(Link);

impl TestDatabase {
    /// Connects to an empty database, and creates the schema.
    pub(crate) fn new(url: &str) -> Self {
        let mut link = Link::new(Arc::new(Server::parse(url).unwrap())).unwrap();
        migrate::migrate(&mut link).unwrap();
        Self(link)
    }

    /// Runs one operation in its own transaction, like the writing thread does.
    pub(crate) fn transact<T>(
        &mut self,
        now_ms: i64,
        limits: DeliveryLimits,
        run: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Vec<(Queue, DueUpdate)>) {
        let done = self.0.transact("BEGIN", |transaction, _| {
            let mut tx = Tx::new(transaction, now_ms, limits);
            let result = run(&mut tx);
            let due_updates = tx.into_due_updates();
            transaction.run(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
            Ok::<_, Failure>(if result.is_ok() { (result, due_updates) } else { (result, Vec::new()) })
        });
        done.unwrap()
    }

    /// Runs SQL text and commits.
    pub(crate) fn run(&mut self, sql: &str) {
        let done = self.0.transact("BEGIN", |transaction, _| {
            transaction.run(sql)?;
            transaction.run("COMMIT")
        });
        done.unwrap();
    }

    /// Runs SQL text, and returns the first column of all rows as lines.
    pub(crate) fn lines(&mut self, sql: &str) -> String {
        let lines = self.0.transact("BEGIN", |transaction, _| {
            let lines = transaction.lines(sql)?;
            transaction.run("ROLLBACK")?;
            Ok(lines)
        });
        lines.unwrap().join("\n")
    }

    /// Runs a query whose result is one number.
    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        let value = self.0.transact("BEGIN", |transaction, _| {
            let value = transaction.value(sql)?;
            transaction.run("ROLLBACK")?;
            Ok(value)
        });
        value.unwrap().expect("the query has a result").parse().unwrap()
    }
}
