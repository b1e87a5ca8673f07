//! The position that a copy has reached. The target stores the position in a table that exists only while a
//! copy into this database has not finished.

use crate::copy::CopyError;
use crate::error::Error;
use crate::sql::catalog::Table;
use crate::sql::postgres::BulkConnection;

/// Returns NULL unless a copy into the database has not finished.
pub(in crate::sql) const EXISTS: &str = "SELECT to_regclass('unfinished_copy')::text";

/// Ends the copy.
pub(super) const END: &str = "DROP TABLE unfinished_copy";

const CREATE: &str = "CREATE TABLE unfinished_copy (ledger     TEXT   NOT NULL,
                                                    table_name TEXT   NOT NULL,
                                                    n_rows     BIGINT NOT NULL)";

/// How far a copy has come: all tables before `table` are copied, and the first rows of this table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) table: String,
    /// The number of copied rows of `table`.
    pub(super) n_rows: u64,
}

impl Position {
    /// Returns the identity of the ledger whose copy into this database has not finished, and the position.
    pub(super) fn read(target: &BulkConnection) -> Result<Option<(String, Self)>, Error> {
        if target.text(EXISTS)?.is_none() {
            return Ok(None);
        }
        let read = |column| -> Result<String, Error> {
            let value = target.text(&format!("SELECT {column} FROM unfinished_copy"))?;
            value.ok_or_else(|| Error::Corrupt("the table unfinished_copy is empty".to_owned()))
        };
        let (ledger, table, n_rows) = (read("ledger")?, read("table_name")?, read("n_rows")?);
        let n_rows = n_rows.parse().map_err(|_| Error::Corrupt(format!("unfinished_copy: {n_rows} rows")))?;
        Ok(Some((ledger, Self { table, n_rows })))
    }

    /// Begins the copy of a ledger into an empty database.
    pub(super) fn begin(target: &BulkConnection, ledger: &str, tables: &[Table]) -> Result<Self, Error> {
        let start = Self::start(tables);
        target.run(&format!(
            "BEGIN; {CREATE}; INSERT INTO unfinished_copy VALUES ('{ledger}', '{}', 0); COMMIT",
            start.table
        ))?;
        Ok(start)
    }

    /// Deletes what an interrupted copy has written, and begins the copy again.
    pub(super) fn begin_again(target: &BulkConnection, tables: &[Table]) -> Result<Self, Error> {
        let start = Self::start(tables);
        let names: Vec<_> = tables.iter().map(|table| format!("\"{}\"", table.name)).collect();
        // The transaction of a batch may have failed.
        target.run("ROLLBACK")?;
        target.run(&format!(
            "BEGIN; TRUNCATE {}; UPDATE unfinished_copy SET table_name = '{}', n_rows = 0; COMMIT",
            names.join(", "),
            start.table
        ))?;
        Ok(start)
    }

    /// Begins the transaction of a batch after this position. Fails with [`CopyError::OtherCopy`] if another
    /// process has moved the position.
    pub(super) fn lock(&self, target: &BulkConnection) -> Result<(), CopyError> {
        let lock = format!(
            "SELECT 1 FROM unfinished_copy WHERE table_name = '{}' AND n_rows = {} FOR UPDATE",
            self.table, self.n_rows
        );
        target.run("BEGIN").map_err(CopyError::Target)?;
        let is_unfinished = target.text(EXISTS).map_err(CopyError::Target)?.is_some();
        if !is_unfinished || target.text(&lock).map_err(CopyError::Target)?.is_none() {
            target.run("ROLLBACK").map_err(CopyError::Target)?;
            return Err(CopyError::OtherCopy);
        }
        Ok(())
    }

    /// Stores this position, and commits the transaction of the batch before it.
    pub(super) fn commit(&self, target: &BulkConnection) -> Result<(), CopyError> {
        let update = format!(
            "UPDATE unfinished_copy SET table_name = '{}', n_rows = {}; COMMIT",
            self.table, self.n_rows
        );
        target.run(&update).map_err(CopyError::Target)
    }

    fn start(tables: &[Table]) -> Self {
        Self { table: tables.first().map(|table| table.name.clone()).unwrap_or_default(), n_rows: 0 }
    }
}
