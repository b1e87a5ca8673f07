//! One snapshot of a whole database, for commands that read all of it: the copy and the check of a ledger.
//! Their statements are texts that are built at run time. They have no parameters and no time-out.

use super::catalog::Table;
use super::sql_value::SqlValue;
use crate::error::Error;

/// An open transaction that sees one state of the database, whatever others write meanwhile.
pub(crate) trait Snapshot {
    /// Returns the tables of the ledger with their columns, in the order of their names.
    fn tables(&mut self) -> Result<Vec<Table>, Error>;

    /// Runs a query, and calls `on_row` with the values of each row, while the rows arrive.
    fn query<E: From<Error>>(
        &mut self,
        sql: &str,
        on_row: impl FnMut(&[SqlValue<'_>]) -> Result<(), E>,
    ) -> Result<(), E>;

    /// Lets the database check its own files. Returns a text for each fault. The list is empty for a database
    /// that checks its files while it reads them.
    fn faults_of_files(&mut self) -> Result<Vec<String>, Error>;

    /// Returns the number in the only column of the only row of a query.
    fn number(&mut self, sql: &str) -> Result<u64, Error> {
        let mut number = None;
        self.query(sql, |row| match row {
            [SqlValue::Int(found)] => {
                number = u64::try_from(*found).ok();
                Ok(())
            }
            _ => Err(Error::Corrupt(format!("{sql} gives no number"))),
        })?;
        number.ok_or_else(|| Error::Corrupt(format!("{sql} gives no number")))
    }
}
