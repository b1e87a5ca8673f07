//! All SQL of the ledger. Each operation is written once for all databases, as a synchronous function that
//! runs statements in a transaction ([`Tx`]). The code for a particular database (`sqlite.rs`, `postgres.rs`)
//! adds only the connections, the migrations, and the translation of statements and values.
//!
//! An operation runs inside an open transaction and never ends this transaction. The code for the particular
//! database ends the transaction, and may put several operations into one commit. When an operation returns
//! an error, all of its writes are rolled back. The code may also run an operation again in a new transaction.

pub(crate) mod accept;
pub(crate) mod accounts;
mod attempts;
pub(crate) mod bulk;
mod catalog;
pub(crate) mod check;
mod claim_plan;
pub(crate) mod claims;
mod columns;
pub(crate) mod command;
pub(crate) mod copy;
mod counters;
pub(crate) mod database;
pub(crate) mod destinations;
pub(crate) mod digest;
mod expiry;
mod headers;
pub(crate) mod history;
pub(crate) mod idempotency;
pub(crate) mod interventions;
pub(crate) mod jobs;
pub(crate) mod nodes;
pub(crate) mod operation;
pub(crate) mod postgres;
pub(crate) mod ready_destinations;
pub(crate) mod reports;
pub(crate) mod results;
mod row;
pub(crate) mod sealed;
mod snapshot;
mod sql_value;
pub(crate) mod sqlite;
mod statement;
mod waiting;
pub(crate) mod watermarks;
pub(crate) mod webhook_leases;
pub(crate) mod webhooks;

use crate::destination::DeliveryLimits;
use crate::due_signal::{DueUpdate, Queue};
use crate::error::Error;
use columns::{Params, columns};
use row::{FromRow, Row};
use sql_value::{SqlValue, params};
use statement::{Statement, statements};

statements! {
    WRITE_HEARTBEAT = "INSERT INTO heartbeat (id, at_ms) VALUES (1, ?1)
                       ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms";
}

/// A database connection with an open transaction.
pub(crate) trait Session {
    /// Runs a statement that returns no rows. Returns the number of rows that the statement changed.
    fn execute(&mut self, statement: &'static Statement, params: &[SqlValue<'_>]) -> Result<u64, Error>;

    /// Runs a statement and calls `on_row` for each row of the statement's result.
    fn query(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Runs a statement with `{rows}` that returns no rows. Returns the number of rows that the statement
    /// changed.
    fn execute_all(&mut self, statement: &'static Statement, rows: &[Params<'_>]) -> Result<u64, Error>;

    /// Runs a statement with `{rows}`, and calls `on_row` for each row of the results. The order of the rows
    /// is undefined.
    fn query_all(
        &mut self,
        statement: &'static Statement,
        rows: &[Params<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// The transaction in which one operation runs, with the start time and the delivery limits of the operation.
pub(crate) struct Tx<'a> {
    session: &'a mut dyn Session,
    now_ms: i64,
    limits: DeliveryLimits,
    due_updates: Vec<(Queue, DueUpdate)>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(session: &'a mut dyn Session, now_ms: i64, limits: DeliveryLimits) -> Self {
        Self { session, now_ms, limits, due_updates: Vec::new() }
    }

    /// Returns the time at which the operation began. Wherever the operation stores the current time, the
    /// operation stores this time.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Returns the delivery limits that apply to this operation.
    pub(crate) fn limits(&self) -> DeliveryLimits {
        self.limits
    }

    /// Records a change of a queue's earliest due time. After the commit, the change is passed to the
    /// [`DueSignal`](crate::DueSignal)s of the queue.
    pub(crate) fn update_due_time(&mut self, queue: Queue, update: DueUpdate) {
        self.due_updates.push((queue, update));
    }

    /// Returns the recorded changes of due times. The caller passes them to the
    /// [`DueSignal`](crate::DueSignal)s after the commit.
    pub(crate) fn into_due_updates(self) -> Vec<(Queue, DueUpdate)> {
        self.due_updates
    }

    fn execute(&mut self, statement: &'static Statement, params: &[SqlValue<'_>]) -> Result<u64, Error> {
        self.session.execute(statement, params)
    }

    /// Runs a write statement whose `WHERE` clause names a lease. If the lease is valid, the statement
    /// changes exactly one row. If the lease was lost, the function fails with [`Error::LostLease`].
    fn execute_leased(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
    ) -> Result<(), Error> {
        match self.execute(statement, params)? {
            1 => Ok(()),
            0 => Err(Error::LostLease),
            n => Err(Error::Corrupt(format!("{} touched {n} rows", statement.name))),
        }
    }

    /// Runs a query and returns all rows of its result.
    fn query<T: FromRow>(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        self.session.query(statement, params, &mut |row| {
            rows.push(row.take()?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Runs a statement with `{rows}` that returns no rows. Returns the number of rows that the statement
    /// changed. Without rows of parameters, nothing is run.
    fn execute_all(&mut self, statement: &'static Statement, rows: &[Params<'_>]) -> Result<u64, Error> {
        if rows.is_empty() { Ok(0) } else { self.session.execute_all(statement, rows) }
    }

    /// Runs a statement with `{rows}` that must change one row for each row of parameters.
    fn execute_each(&mut self, statement: &'static Statement, rows: &[Params<'_>]) -> Result<(), Error> {
        match self.execute_all(statement, rows)? {
            n_rows if n_rows == rows.len() as u64 => Ok(()),
            n_rows => {
                Err(Error::Corrupt(format!("{} touched {n_rows} rows of {}", statement.name, rows.len())))
            }
        }
    }

    /// Runs a statement with `{rows}`, and returns all rows of its results in an undefined order. Without rows
    /// of parameters, nothing is run.
    fn query_all<T: FromRow>(
        &mut self,
        statement: &'static Statement,
        rows: &[Params<'_>],
    ) -> Result<Vec<T>, Error> {
        let mut results = Vec::new();
        if !rows.is_empty() {
            self.session.query_all(statement, rows, &mut |row| {
                results.push(row.take()?);
                Ok(())
            })?;
        }
        Ok(results)
    }

    /// Runs a query and returns the last row of its result, or `None` if the result is empty.
    fn query_optional<T: FromRow>(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
    ) -> Result<Option<T>, Error> {
        Ok(self.query(statement, params)?.pop())
    }

    /// Runs a query and returns the only row of its result. Fails with [`Error::Corrupt`] when the result is
    /// empty.
    fn query_one<T: FromRow>(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
    ) -> Result<T, Error> {
        self.query_optional(statement, params)?
            .ok_or_else(|| Error::Corrupt(format!("{} found no row", statement.name)))
    }
}

/// Writes a row that no operation reads. A commit of this row shows that the ledger can store changes.
pub(crate) fn heartbeat(tx: &mut Tx<'_>) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&WRITE_HEARTBEAT, params![now_ms])?;
    Ok(())
}

/// Runs a function that serves many calls for a single call.
#[cfg(test)]
pub(crate) fn single<I, T>(
    tx: &mut Tx<'_>,
    function: operation::CallGroup<I, T>,
    input: I,
) -> Result<T, Error> {
    function(tx, &[input])?.pop().expect("there is one answer for each call")
}

/// Returns all SQL statements of the ledger, so that the test of the query plans can check each statement.
#[cfg(test)]
fn all_statements() -> Vec<&'static Statement> {
    [
        ALL,
        accept::ALL,
        accounts::ALL,
        attempts::ALL,
        bulk::ALL,
        claims::ALL,
        counters::ALL,
        destinations::ALL,
        expiry::ALL,
        history::ALL,
        idempotency::ALL,
        interventions::ALL,
        jobs::ALL,
        nodes::ALL,
        ready_destinations::ALL,
        reports::ALL,
        results::ALL,
        sealed::ALL,
        waiting::ALL,
        watermarks::ALL,
        webhook_leases::ALL,
        webhooks::ALL,
    ]
    .concat()
}
