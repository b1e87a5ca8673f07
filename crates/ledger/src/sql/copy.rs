//! Copies all rows of an SQLite ledger into a PostgreSQL database.
//!
//! The rows of each table are copied in the order of the primary key. Each batch of rows is committed together
//! with the position that the copy has reached: the table, and the number of its rows. A copy that continues
//! skips this number of rows. If the source has changed meanwhile, the comparison at the end finds a
//! difference, and the copy begins again.

mod batch;
pub(super) mod position;

use std::path::Path;

use super::catalog::{self, Table};
use super::digest::digest;
use super::postgres::BulkConnection;
use super::snapshot::Snapshot;
use super::sql_value::SqlValue;
use super::sqlite::SqliteSnapshot;
use crate::copy::{CopyError, CopyOutcome, CopyStep};
use crate::error::Error;
use batch::Batch;
use position::Position;

struct Copy<'a> {
    source: SqliteSnapshot,
    target: BulkConnection,
    tables: Vec<Table>,
    on_step: &'a mut dyn FnMut(CopyStep),
}

/// See [`copy_ledger`](crate::copy_ledger).
pub(crate) fn copy(
    from: &Path,
    to: &str,
    on_step: &mut dyn FnMut(CopyStep),
) -> Result<CopyOutcome, CopyError> {
    let mut source = SqliteSnapshot::open(from).map_err(CopyError::Source)?;
    let mut target = BulkConnection::open_and_migrate(to).map_err(CopyError::Target)?;
    let source_tables = source.tables().map_err(CopyError::Source)?;
    let target_tables = target.tables().map_err(CopyError::Target)?;
    let tables = catalog::tables_to_copy(&source_tables, &target_tables).map_err(CopyError::Schema)?;
    let ledger = identity(&mut source).map_err(CopyError::Source)?;
    Copy { source, target, tables, on_step }.run(&ledger)
}

/// Returns what identifies a ledger: the hash of its first API key, which is random and never deleted. A
/// ledger without keys has no requests.
fn identity(source: &mut SqliteSnapshot) -> Result<String, Error> {
    let mut id = String::new();
    source.query("SELECT lower(hex(sha256)) FROM api_keys ORDER BY created_ms, id LIMIT 1", |row| {
        if let [SqlValue::Text(hash)] = row {
            (*hash).clone_into(&mut id);
        }
        Ok::<_, Error>(())
    })?;
    Ok(id)
}

impl Copy<'_> {
    fn run(mut self, ledger: &str) -> Result<CopyOutcome, CopyError> {
        match Position::read(&self.target).map_err(CopyError::Target)? {
            Some((other, _)) if other != ledger => return Err(CopyError::OtherLedger),
            Some((_, position)) => {
                (self.on_step)(CopyStep::Continued);
                match self.copy_and_compare(position) {
                    Ok(()) => {}
                    // Rows were added to the source or deleted from it, since the copy was interrupted.
                    Err(CopyError::Different(_) | CopyError::Target(Error::Exists)) => {
                        (self.on_step)(CopyStep::BegunAgain);
                        let begun = Position::begin_again(&self.target, &self.tables);
                        self.copy_and_compare(begun.map_err(CopyError::Target)?)?;
                    }
                    Err(error) => return Err(error),
                }
            }
            None if self.target_has_rows().map_err(CopyError::Target)? => {
                return self.compare_with_finished_copy(ledger);
            }
            None => {
                let begun = Position::begin(&self.target, ledger, &self.tables);
                self.copy_and_compare(begun.map_err(CopyError::Target)?)?;
            }
        }
        self.finish().map_err(CopyError::Target)?;
        Ok(CopyOutcome::Copied)
    }

    fn copy_and_compare(&mut self, position: Position) -> Result<(), CopyError> {
        self.copy_from(position)?;
        self.compare()?.map_or(Ok(()), |table| Err(CopyError::Different(table)))
    }

    /// Copies all rows after a position.
    fn copy_from(&mut self, mut position: Position) -> Result<(), CopyError> {
        // An unknown table is a table of another schema. The comparison then finds a difference.
        let done = self.tables.iter().position(|table| table.name == position.table).unwrap_or_default();
        for table in &self.tables[done..] {
            let count = format!("SELECT COUNT(*) FROM \"{}\"", table.name);
            let n_total = self.source.number(&count).map_err(CopyError::Source)?;
            let n_copied = if table.name == position.table { position.n_rows } else { 0 };
            let select =
                format!("{} ORDER BY {} LIMIT -1 OFFSET {n_copied}", table.select(), table.key_list());
            let mut batch = Batch::new(&self.target, table, position, n_copied);
            let on_step = &mut *self.on_step;
            let mut report =
                |n_rows| on_step(CopyStep::Copied { table: table.name.clone(), n_rows, n_total });
            self.source.query(&select, |row| {
                batch.write(row)?;
                if batch.is_full() {
                    report(batch.commit()?);
                }
                Ok::<_, CopyError>(())
            })?;
            if batch.has_rows() || n_total == 0 {
                report(batch.commit()?);
            }
            position = batch.position();
        }
        Ok(())
    }

    /// Compares all rows. Returns the name of the first table whose rows differ.
    fn compare(&mut self) -> Result<Option<String>, CopyError> {
        self.target.begin_snapshot().map_err(CopyError::Target)?;
        let mut different = None;
        for table in &self.tables {
            let expected = digest(&mut self.source, table).map_err(CopyError::Source)?;
            let found = digest(&mut self.target, table).map_err(CopyError::Target)?;
            if found != expected {
                different = Some(table.name.clone());
                break;
            }
            (self.on_step)(CopyStep::Compared { table: table.name.clone(), digest: found });
        }
        self.target.run("ROLLBACK").map_err(CopyError::Target)?;
        Ok(different)
    }

    fn target_has_rows(&self) -> Result<bool, Error> {
        for table in &self.tables {
            let any_row = format!("SELECT 1 FROM \"{}\" LIMIT 1", table.name);
            if self.target.text(&any_row)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks a target with rows and without an interrupted copy.
    fn compare_with_finished_copy(mut self, ledger: &str) -> Result<CopyOutcome, CopyError> {
        let same_key = format!("SELECT 1 FROM api_keys WHERE encode(sha256, 'hex') = '{ledger}'");
        if self.target.text(&same_key).map_err(CopyError::Target)?.is_none() {
            return Err(CopyError::OtherLedger);
        }
        match self.compare()? {
            Some(table) => Err(CopyError::ChangedSinceCopy(table)),
            None => Ok(CopyOutcome::AlreadyCopied),
        }
    }

    /// Lets the sequences of the target continue after the largest numbers, and lets servers open the target.
    fn finish(&self) -> Result<(), Error> {
        let mut sql = "BEGIN;".to_owned();
        for table in &self.tables {
            for column in table.columns.iter().filter(|column| column.is_identity) {
                let (table, column) = (&table.name, &column.name);
                sql.push_str(&format!(
                    "SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'),
                                   COALESCE(max(\"{column}\"), 1), max(\"{column}\") IS NOT NULL)
                     FROM \"{table}\";"
                ));
            }
        }
        self.target.run(&format!("{sql} {}; COMMIT", position::END))?;
        // Without statistics, the first statements of the server could read whole tables.
        self.tables.iter().try_for_each(|table| self.target.run(&format!("ANALYZE \"{}\"", table.name)))
    }
}
