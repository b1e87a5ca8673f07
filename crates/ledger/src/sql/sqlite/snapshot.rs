//! A snapshot of an SQLite file.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::connection::{self, Role, statement_error};
use super::migrate;
use crate::error::Error;
use crate::sql::catalog::{Column, Table, tables_of};
use crate::sql::snapshot::Snapshot;
use crate::sql::sql_value::{SqlType, SqlValue};

const COLUMNS: &str = "SELECT t.name, c.name, c.type, c.pk FROM sqlite_schema t
                       JOIN pragma_table_info(t.name) c
                       WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.name";

/// A connection with an open transaction that only reads.
pub(crate) struct SqliteSnapshot(Connection);

impl SqliteSnapshot {
    /// Opens a file that exists and has the newest schema. The file may be in use.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connection = connection::open(path, Role::Reader)?;
        connection.execute_batch("BEGIN").map_err(statement_error)?;
        let (found, known) = (migrate::n_applied(&connection, path)? as i64, migrate::newest_version());
        if found < known {
            return Err(Error::TooOld { found, known });
        }
        Ok(Self(connection))
    }
}

impl Snapshot for SqliteSnapshot {
    fn tables(&mut self) -> Result<Vec<Table>, Error> {
        let mut rows = Vec::new();
        self.query(COLUMNS, |row| {
            let [SqlValue::Text(table), SqlValue::Text(name), SqlValue::Text(word), SqlValue::Int(pk)] = row
            else {
                return Err(Error::Corrupt("the catalog has an unknown form".to_owned()));
            };
            let sql_type = match *word {
                "INTEGER" => SqlType::Int,
                "TEXT" => SqlType::Text,
                "BLOB" => SqlType::Bytes,
                _ => return Err(Error::Corrupt(format!("the column {table}.{name} has the type {word}"))),
            };
            let column = Column { name: (*name).to_owned(), sql_type, key_position: *pk, is_identity: false };
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
        let mut statement = self.0.prepare(sql).map_err(statement_error)?;
        let n_columns = statement.column_count();
        let mut rows = statement.query([]).map_err(statement_error)?;
        while let Some(row) = rows.next().map_err(statement_error)? {
            let values = (0..n_columns).map(|column| {
                let value = row.get_ref(column).map_err(statement_error)?;
                sql_value(value).ok_or_else(|| Error::Corrupt(format!("column {column} of a row: {value:?}")))
            });
            on_row(&values.collect::<Result<Vec<_>, Error>>()?)?;
        }
        Ok(())
    }

    fn faults_of_files(&mut self) -> Result<Vec<String>, Error> {
        let mut faults = Vec::new();
        self.query("PRAGMA integrity_check", |row| {
            if let [SqlValue::Text(text)] = row
                && *text != "ok"
            {
                faults.push((*text).to_owned());
            }
            Ok::<_, Error>(())
        })?;
        Ok(faults)
    }
}

/// Returns `None` for a value that the ledger never stores: a floating-point number, or a text that is not
/// UTF-8.
fn sql_value(value: ValueRef<'_>) -> Option<SqlValue<'_>> {
    Some(match value {
        ValueRef::Null => SqlValue::Null(SqlType::Int),
        ValueRef::Integer(number) => SqlValue::Int(number),
        ValueRef::Real(_) => return None,
        ValueRef::Text(text) => SqlValue::Text(std::str::from_utf8(text).ok()?),
        ValueRef::Blob(bytes) => SqlValue::Bytes(bytes),
    })
}
