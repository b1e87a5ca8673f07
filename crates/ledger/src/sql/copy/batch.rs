//! One batch of rows, which is committed together with the position of the copy after these rows.

use super::position::Position;
use crate::copy::CopyError;
use crate::error::Error;
use crate::sql::catalog::{Column, Table};
use crate::sql::postgres::{BulkConnection, RowWriter};
use crate::sql::sql_value::{SqlType, SqlValue};

/// The largest number of rows in one commit.
const MAX_ROWS: u64 = 1_000;

/// The number of bytes after which a batch is full.
const FULL_BYTES: usize = 4 << 20;

/// The rows of a table that are written since the last commit.
pub(super) struct Batch<'c> {
    target: &'c BulkConnection,
    table: &'c Table,
    /// The position after the last commit.
    committed: Position,
    /// `None` if no row was written since the last commit.
    writer: Option<RowWriter<'c>>,
    /// The number of rows of the table that were committed or written.
    n_rows: u64,
    n_batch_rows: u64,
    n_batch_bytes: usize,
}

impl<'c> Batch<'c> {
    /// Creates an empty batch for a table of which `n_rows` rows are committed. `committed` is the position
    /// after the last commit, perhaps in the table before.
    pub(super) fn new(
        target: &'c BulkConnection,
        table: &'c Table,
        committed: Position,
        n_rows: u64,
    ) -> Self {
        Self { target, table, committed, writer: None, n_rows, n_batch_rows: 0, n_batch_bytes: 0 }
    }

    /// Adds a row, whose values have the order of the table's columns.
    pub(super) fn write(&mut self, row: &[SqlValue<'_>]) -> Result<(), CopyError> {
        let values = row.iter().zip(&self.table.columns).map(|(value, column)| typed(*value, column));
        let values: Vec<_> = values.collect::<Result<_, _>>().map_err(|reason| {
            CopyError::Source(Error::Corrupt(format!("the table {}: {reason}", self.table.name)))
        })?;
        if self.writer.is_none() {
            self.committed.lock(self.target)?;
            self.writer = Some(self.target.write_into(self.table).map_err(CopyError::Target)?);
        }
        if let Some(writer) = &mut self.writer {
            writer.write(&values).map_err(CopyError::Target)?;
        }
        self.n_rows += 1;
        self.n_batch_rows += 1;
        self.n_batch_bytes += values.iter().map(size).sum::<usize>();
        Ok(())
    }

    /// Returns whether rows were added since the last commit.
    pub(super) fn has_rows(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn is_full(&self) -> bool {
        self.n_batch_rows >= MAX_ROWS || self.n_batch_bytes >= FULL_BYTES
    }

    /// Commits the rows that were added, if there are any. Returns the number of committed rows of the table.
    pub(super) fn commit(&mut self) -> Result<u64, CopyError> {
        if let Some(writer) = self.writer.take() {
            writer.finish().map_err(CopyError::Target)?;
            let position = Position { table: self.table.name.clone(), n_rows: self.n_rows };
            position.commit(self.target)?;
            self.committed = position;
            (self.n_batch_rows, self.n_batch_bytes) = (0, 0);
        }
        Ok(self.n_rows)
    }

    /// The position after the last commit.
    pub(super) fn position(self) -> Position {
        self.committed
    }
}

/// Gives a value of the source the type of the target's column: SQLite stores UUIDs as bytes.
fn typed<'v>(value: SqlValue<'v>, column: &Column) -> Result<SqlValue<'v>, String> {
    match (value, column.sql_type) {
        (SqlValue::Null(_), sql_type) => Ok(SqlValue::Null(sql_type)),
        (SqlValue::Bytes(bytes), SqlType::Uuid) => uuid::Uuid::from_slice(bytes)
            .map(SqlValue::Uuid)
            .map_err(|_| format!("a value of the column {} is no UUID", column.name)),
        (value, sql_type) if value.sql_type() == sql_type => Ok(value),
        _ => Err(format!("a value of the column {} has a wrong type", column.name)),
    }
}

fn size(value: &SqlValue<'_>) -> usize {
    match value {
        SqlValue::Null(_) | SqlValue::Int(_) => 8,
        SqlValue::Uuid(_) => 16,
        SqlValue::Text(text) => text.len(),
        SqlValue::Bytes(bytes) => bytes.len(),
    }
}
