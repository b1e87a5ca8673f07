//! A connection for commands that read or write a whole database. Its statements have no time-out. A lost
//! connection ends the command.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::connection::Connection;
use super::failure::{Failure, statement_error};
use super::link::Link;
use super::migrate;
use super::url::Server;
use super::values::type_of;
use crate::error::Error;
use crate::sql::catalog::{Column, Table, tables_of};
use crate::sql::copy::position;
use crate::sql::snapshot::Snapshot;
use crate::sql::sql_value::{SqlType, SqlValue};

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
                              COALESCE(array_position(k.conkey, a.attnum), 0)::bigint, (a.attidentity <> '')::int::bigint
                       FROM pg_class c
                       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                       JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
                       WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
                       ORDER BY c.relname COLLATE \"C\", a.attname COLLATE \"C\"";

/// Begins a transaction that sees one state of the database.
const BEGIN_SNAPSHOT: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
                              SET LOCAL idle_in_transaction_session_timeout = 0";

/// A connection of a command that runs alone.
pub(crate) struct BulkConnection {
    client: Client,
    runtime: Runtime,
}

/// Rows that are being written into a table.
pub(crate) struct RowWriter<'c> {
    connection: &'c BulkConnection,
    writer: Pin<Box<BinaryCopyInWriter>>,
}

/// Fails with [`Error::UnfinishedCopy`] if the copy of a ledger into the database has not finished.
pub(super) fn refuse_unfinished_copy(link: &mut Link) -> Result<(), Error> {
    let found = link.transact("BEGIN READ ONLY", |transaction, _| {
        let found = transaction.value(position::EXISTS)?;
        transaction.run("ROLLBACK")?;
        Ok(found)
    })?;
    found.map_or(Ok(()), |_| Err(Error::UnfinishedCopy))
}

impl BulkConnection {
    /// Connects to a database, and migrates its schema.
    pub(crate) fn open_and_migrate(url: &str) -> Result<Self, Error> {
        let server = Arc::new(Server::parse(url)?);
        migrate::migrate(&mut Link::new(Arc::clone(&server))?)?;
        Self::connect(&server)
    }

    /// Opens a snapshot of a database that has the newest schema. The database may be in use.
    pub(crate) fn open_snapshot(url: &str) -> Result<Self, Error> {
        let connection = Self::connect(&Server::parse(url)?)?;
        connection.begin_snapshot()?;
        let version = "SELECT CASE WHEN to_regclass('schema_version') IS NULL THEN 0 ELSE 1 END";
        let has_version = connection.text(version)?.as_deref() == Some("1");
        let version = if has_version { connection.text("SELECT version FROM schema_version")? } else { None };
        let (found, known) =
            (version.and_then(|version| version.parse().ok()).unwrap_or(0), migrate::newest_version());
        if found < known {
            return Err(Error::TooOld { found, known });
        }
        Ok(connection)
    }

    fn connect(server: &Server) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::Database(Box::new(error)))?;
        let client = Connection::open(server, &runtime)?.into_client();
        Ok(Self { client, runtime })
    }

    /// Begins a transaction that sees one state of the database.
    pub(crate) fn begin_snapshot(&self) -> Result<(), Error> {
        self.run(BEGIN_SNAPSHOT)
    }

    /// Runs SQL text without parameters.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Error> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Runs a query. Returns the first column of the first row as a text.
    pub(crate) fn text(&self, sql: &str) -> Result<Option<String>, Error> {
        let messages = self.wait(self.client.simple_query(sql))?;
        Ok(messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    /// Begins to write rows into a table. The values of each row have the order of the table's columns.
    pub(crate) fn write_into(&self, table: &Table) -> Result<RowWriter<'_>, Error> {
        let copy = format!("COPY \"{}\" ({}) FROM STDIN (FORMAT BINARY)", table.name, table.column_list());
        let sink = self.wait(self.client.copy_in(&copy))?;
        let types: Vec<Type> =
            table.columns.iter().map(|column| type_of(&SqlValue::Null(column.sql_type))).collect();
        Ok(RowWriter { connection: self, writer: Box::pin(BinaryCopyInWriter::new(sink, &types)) })
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
        self.runtime.block_on(answer).map_err(|error| statement_error(error).0)
    }
}

impl RowWriter<'_> {
    /// Writes a row.
    pub(crate) fn write(&mut self, values: &[SqlValue<'_>]) -> Result<(), Error> {
        self.connection.wait(self.writer.as_mut().write_raw(values.iter()))
    }

    /// Ends the writing. The rows are stored when their transaction is committed.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.connection.wait(self.writer.as_mut().finish()).map(drop)
    }
}

impl Snapshot for BulkConnection {
    fn tables(&mut self) -> Result<Vec<Table>, Error> {
        let mut rows = Vec::new();
        self.query(COLUMNS, |row| {
            let [
                SqlValue::Text(table),
                SqlValue::Text(name),
                SqlValue::Text(word),
                SqlValue::Int(key_position),
                SqlValue::Int(is_identity),
            ] = row
            else {
                return Err(Error::Corrupt("the catalog has an unknown form".to_owned()));
            };
            let sql_type = match *word {
                "bigint" => SqlType::Int,
                "text" => SqlType::Text,
                "bytea" => SqlType::Bytes,
                "uuid" => SqlType::Uuid,
                _ => return Err(Error::Corrupt(format!("the column {table}.{name} has the type {word}"))),
            };
            let name = (*name).to_owned();
            let column =
                Column { name, sql_type, key_position: *key_position, is_identity: *is_identity == 1 };
            rows.push(((*table).to_owned(), column));
            Ok(())
        })?;
        Ok(tables_of(rows))
    }

    fn query<E: From<Error>>(
        &mut self,
        sql: &str,
        mut on_row: impl FnMut(&[SqlValue<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let no_params = std::iter::empty::<i64>().collect::<Vec<_>>();
        let rows = self.wait(self.client.query_raw(sql, no_params))?;
        let mut rows = Box::pin(rows);
        while let Some(row) = self.wait(rows.try_next())? {
            let values = (0..row.len()).map(|column| sql_value(&row, column));
            on_row(&values.collect::<Result<Vec<_>, Error>>()?)?;
        }
        Ok(())
    }

    fn faults_of_files(&mut self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

fn sql_value(row: &Row, column: usize) -> Result<SqlValue<'_>, Error> {
    let unreadable = |error| Error::from(Failure::from(error));
    let (value, sql_type) = match *row.columns()[column].type_() {
        Type::INT8 => {
            (row.try_get::<_, Option<i64>>(column).map_err(unreadable)?.map(SqlValue::Int), SqlType::Int)
        }
        Type::TEXT => {
            (row.try_get::<_, Option<&str>>(column).map_err(unreadable)?.map(SqlValue::Text), SqlType::Text)
        }
        Type::BYTEA => (
            row.try_get::<_, Option<&[u8]>>(column).map_err(unreadable)?.map(SqlValue::Bytes),
            SqlType::Bytes,
        ),
        Type::UUID => (
            row.try_get(column).map(|id: Option<_>| id.map(SqlValue::Uuid)).map_err(unreadable)?,
            SqlType::Uuid,
        ),
        ref other => return Err(Error::Corrupt(format!("column {column} has the type {other}"))),
    };
    Ok(value.unwrap_or(SqlValue::Null(sql_type)))
}
