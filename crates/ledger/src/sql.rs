//! Everything that speaks SQL. Each operation is written once, as a synchronous function over a [`Tx`] and shared
//! statements; a database contributes its sessions, its migrations and the few fragments of [`Dialect`].
//!
//! Operations see a transaction that is already open and never end it: whoever runs them does (`sqlite.rs`), and
//! may put several into one commit. An operation that returns an error is undone as a whole.
//!
//! [`Dialect`]: statement::Dialect

pub(crate) mod accounts;
mod attempts;
pub(crate) mod bulk;
pub(crate) mod claims;
mod counters;
pub(crate) mod destinations;
mod headers;
pub(crate) mod history;
pub(crate) mod idempotency;
pub(crate) mod interventions;
pub(crate) mod jobs;
mod operation;
pub(crate) mod results;
pub(crate) mod sqlite;
mod statement;
mod value;
pub(crate) mod watermarks;
pub(crate) mod webhooks;

use crate::error::Error;
use crate::wake::{Queue, Wake};
use statement::{Statement, statements};
use value::{Row, Value, column, params};

statements! {
    BEAT = "INSERT INTO heartbeat (id, at_ms) VALUES (1, ?1)
            ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms";
}

/// What a database offers to the operations: a connection with an open transaction.
pub(crate) trait Session {
    /// Runs a statement that returns no rows; says how many it touched.
    fn execute(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<u64, Error>;

    /// Runs a statement and hands over its rows one by one.
    fn query(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// One operation's view of its transaction.
pub(crate) struct Tx<'a> {
    session: &'a mut dyn Session,
    now_ms: i64,
    wakes: Vec<(Queue, Wake)>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(session: &'a mut dyn Session, now_ms: i64) -> Self {
        Self { session, now_ms, wakes: Vec::new() }
    }

    /// The time at which the operation began: the same for everything it writes.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Tells those who wait for a queue, once the transaction is committed.
    pub(crate) fn wake(&mut self, queue: Queue, wake: Wake) {
        self.wakes.push((queue, wake));
    }

    /// What is to be told after the commit.
    pub(crate) fn into_wakes(self) -> Vec<(Queue, Wake)> {
        self.wakes
    }

    fn execute(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<u64, Error> {
        self.session.execute(statement, params)
    }

    /// Runs a write that names a lease: it touches the one row that is held, or the lease is lost.
    fn execute_held(&mut self, statement: &'static Statement, params: &[Value<'_>]) -> Result<(), Error> {
        match self.execute(statement, params)? {
            1 => Ok(()),
            0 => Err(Error::LostLease),
            n => Err(Error::Corrupt(format!("{} touched {n} rows", statement.name))),
        }
    }

    fn query<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        self.session.query(statement, params, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn query_optional<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        read: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        Ok(self.query(statement, params, read)?.pop())
    }

    /// Reads the one row that must be there.
    fn query_one<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value<'_>],
        read: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.query_optional(statement, params, read)?
            .ok_or_else(|| Error::Corrupt(format!("{} found no row", statement.name)))
    }
}

/// Writes a row that nobody reads.
pub(crate) fn heartbeat(tx: &mut Tx<'_>) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&BEAT, params![now_ms])?;
    Ok(())
}

/// Every statement there is, for the tests of their plans.
#[cfg(test)]
fn all_statements() -> Vec<&'static Statement> {
    [
        ALL,
        accounts::ALL,
        attempts::ALL,
        bulk::ALL,
        claims::ALL,
        counters::ALL,
        destinations::ALL,
        history::ALL,
        idempotency::ALL,
        interventions::ALL,
        jobs::ALL,
        results::ALL,
        watermarks::ALL,
        webhooks::ALL,
    ]
    .concat()
}
