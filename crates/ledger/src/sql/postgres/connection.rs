//! One connection to PostgreSQL: runs statements and waits for their results.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::runtime::Runtime;
use tokio_postgres::types::{BorrowToSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::failure::{Failure, statement_error};
use super::url::Server;
use super::values::{PostgresRow, array_type_of, type_of};
use crate::error::Error;
use crate::sql::row::Row;
use crate::sql::sql_value::SqlValue;
use crate::sql::statement::Statement;
use crate::sql::{Params, Session};

/// The longest time for one answer of the server. It exceeds the server's own time-out for statements, so
/// that a server that is alive ends a statement first.
const ANSWER_TIMEOUT_S: u64 = 35;

/// The time from the epoch of Unix in milliseconds, as the server's clock shows it now.
const SELECT_TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// A connection, and the statements that were prepared on it.
pub(super) struct Connection {
    client: Client,
    /// The prepared statements, by the addresses of their static declarations.
    statements: HashMap<usize, tokio_postgres::Statement>,
}

/// A transaction that is open on a connection.
pub(super) struct Transaction<'c> {
    connection: &'c mut Connection,
    runtime: &'c Runtime,
    /// The number of rows that the statements have changed.
    pub(super) n_changes: u64,
    /// The failure of the whole transaction, if a statement has made it fail.
    pub(super) failure: Option<Failure>,
}

impl Connection {
    /// Connects to the server. The task of the connection runs on `runtime` while the caller waits for
    /// answers.
    pub(super) fn open(server: &Server, runtime: &Runtime) -> Result<Self, Failure> {
        let config = &server.config;
        let client = runtime.block_on(timely(async {
            // When a connection ends with an error, its client returns this error.
            match server.tls.clone() {
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    drop(runtime.spawn(connection));
                    Ok(client)
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    drop(runtime.spawn(connection));
                    Ok(client)
                }
            }
        }))?;
        Ok(Self { client, statements: HashMap::new() })
    }

    /// Returns the client of the connection alone.
    pub(super) fn into_client(self) -> Client {
        self.client
    }

    /// Runs SQL text without parameters. Returns the first column of the last row, if the text returns rows.
    pub(super) fn run(&self, runtime: &Runtime, sql: &str) -> Result<Option<String>, Failure> {
        Ok(self.lines(runtime, sql)?.pop())
    }

    /// Runs SQL text without parameters. Returns the first column of all rows.
    fn lines(&self, runtime: &Runtime, sql: &str) -> Result<Vec<String>, Failure> {
        let messages = runtime.block_on(timely(self.client.simple_query(sql)))?;
        let first_column = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(messages.iter().filter_map(first_column).collect())
    }

    /// Begins a transaction with the SQL text `begin`. Returns the transaction, and the time of the server's
    /// clock after the text was run.
    pub(super) fn begin<'c>(
        &'c mut self,
        runtime: &'c Runtime,
        begin: &str,
    ) -> Result<(Transaction<'c>, i64), Failure> {
        let time = self.run(runtime, &format!("{begin}; {SELECT_TIME}"))?;
        let now_ms = time.and_then(|time| time.parse().ok()).unwrap_or_default();
        Ok((Transaction { connection: self, runtime, n_changes: 0, failure: None }, now_ms))
    }
}

/// Waits for an answer, at most [`ANSWER_TIMEOUT_S`].
async fn timely<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(Duration::from_secs(ANSWER_TIMEOUT_S), answer).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::no_answer(ANSWER_TIMEOUT_S)),
    }
}

impl Transaction<'_> {
    /// Runs SQL text without parameters, such as a statement about a savepoint.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.connection.run(self.runtime, sql).map(drop)
    }

    /// Runs SQL text without parameters. Returns the first column of the last row.
    pub(super) fn value(&mut self, sql: &str) -> Result<Option<String>, Failure> {
        self.connection.run(self.runtime, sql)
    }

    /// Runs SQL text without parameters. Returns the first column of all rows.
    #[cfg(test)]
    pub(super) fn lines(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        self.connection.lines(self.runtime, sql)
    }

    fn prepare(
        &mut self,
        statement: &'static Statement,
        types: impl Fn() -> Vec<Type>,
    ) -> Result<tokio_postgres::Statement, Error> {
        let address = std::ptr::from_ref(statement).addr();
        if let Some(prepared) = self.connection.statements.get(&address) {
            return Ok(prepared.clone());
        }
        let (sql, types) = (statement.postgres(), types());
        let prepared = self.answer(|client| async move { client.prepare_typed(&sql, &types).await })?;
        self.connection.statements.insert(address, prepared.clone());
        Ok(prepared)
    }

    /// Runs a prepared statement, and calls `on_row` for each row of its result.
    fn read_rows<P: BorrowToSql>(
        &mut self,
        statement: &Statement,
        prepared: &tokio_postgres::Statement,
        params: impl IntoIterator<Item = P, IntoIter: ExactSizeIterator>,
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let rows = self.answer(|client| async move {
            client.query_raw(prepared, params).await?.try_collect::<Vec<_>>().await
        })?;
        if statement.writes() {
            self.n_changes += rows.len() as u64;
        }
        rows.iter().try_for_each(|row| on_row(&mut Row::new(&PostgresRow(row))))
    }

    /// Waits for the answer to a request. Records a failure of the whole transaction.
    fn answer<'a, T, F>(&'a mut self, request: impl FnOnce(&'a Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>> + 'a,
    {
        let answer = request(&self.connection.client);
        let limit = Duration::from_secs(ANSWER_TIMEOUT_S);
        let (error, failure) =
            match self.runtime.block_on(async { tokio::time::timeout(limit, answer).await }) {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => statement_error(error),
                Err(_) => {
                    let failure = Failure::no_answer(ANSWER_TIMEOUT_S);
                    (failure.clone().into(), Some(failure))
                }
            };
        self.failure = failure.or(self.failure.take());
        Err(error)
    }
}

impl Session for Transaction<'_> {
    fn execute(&mut self, statement: &'static Statement, params: &[SqlValue<'_>]) -> Result<u64, Error> {
        let prepared = self.prepare(statement, || params.iter().map(type_of).collect())?;
        let n_rows = self.answer(|client| client.execute_raw(&prepared, params.iter()))?;
        self.n_changes += n_rows;
        Ok(n_rows)
    }

    fn query(
        &mut self,
        statement: &'static Statement,
        params: &[SqlValue<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let prepared = self.prepare(statement, || params.iter().map(type_of).collect())?;
        self.read_rows(statement, &prepared, params, on_row)
    }

    fn execute_all(&mut self, statement: &'static Statement, rows: &[Params<'_>]) -> Result<u64, Error> {
        let arrays = arrays(rows);
        let prepared = self.prepare(statement, || array_types(rows))?;
        let n_rows = self.answer(|client| client.execute_raw(&prepared, arrays.iter()))?;
        self.n_changes += n_rows;
        Ok(n_rows)
    }

    fn query_all(
        &mut self,
        statement: &'static Statement,
        rows: &[Params<'_>],
        on_row: &mut dyn FnMut(&mut Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let arrays = arrays(rows);
        let prepared = self.prepare(statement, || array_types(rows))?;
        self.read_rows(statement, &prepared, &arrays, on_row)
    }
}

/// Turns the rows of a statement into one array for each parameter.
fn arrays<'a>(rows: &[Params<'a>]) -> Vec<Vec<SqlValue<'a>>> {
    let n_columns = rows.first().map_or(0, |row| row.as_slice().len());
    (0..n_columns).map(|column| rows.iter().map(|row| row.as_slice()[column]).collect()).collect()
}

fn array_types(rows: &[Params<'_>]) -> Vec<Type> {
    rows.first().map_or_else(Vec::new, |row| row.as_slice().iter().map(array_type_of).collect())
}
