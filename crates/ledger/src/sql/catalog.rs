//! The tables and columns of a database, as its own catalog lists them. The copy of a ledger follows the
//! catalogs, so that it cannot forget a column that a migration has added.

use super::sql_value::SqlType;

/// Tables that describe the processes which use a database, or the database itself. They are no part of the
/// ledger's content, and no copy contains them.
const NOT_CONTENT: [&str; 6] =
    ["heartbeat", "nodes", "schema_version", "turns", "unfinished_copy", "writers"];

/// The table to whose rows the rows of other tables refer. A copy begins with it.
const FIRST_TABLE: &str = "accounts";

/// A table with the columns of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The columns in the order of their names.
    pub(crate) columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    /// The position of the column in the primary key, from 1. 0 if the key does not contain the column.
    pub(crate) key_position: i64,
    /// Whether the database itself numbers new rows in this column. Always false for SQLite, which needs no
    /// sequences.
    pub(crate) is_identity: bool,
}

impl Table {
    /// The columns, quoted and separated by commas.
    pub(crate) fn column_list(&self) -> String {
        list(self.columns.iter())
    }

    /// The columns of the primary key in their order, quoted and separated by commas.
    pub(crate) fn key_list(&self) -> String {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.key_position > 0).collect();
        key.sort_by_key(|column| column.key_position);
        list(key.into_iter())
    }

    /// A query of all rows with all columns.
    pub(crate) fn select(&self) -> String {
        format!("SELECT {} FROM \"{}\"", self.column_list(), self.name)
    }
}

fn list<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns.map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
}

/// Collects the tables from the rows of a catalog, which are sorted by the names of tables and columns.
pub(crate) fn tables_of(rows: impl IntoIterator<Item = (String, Column)>) -> Vec<Table> {
    let mut tables = Vec::<Table>::new();
    for (name, column) in rows {
        match tables.last_mut().filter(|table| table.name == name) {
            Some(table) => table.columns.push(column),
            None => tables.push(Table { name, columns: vec![column] }),
        }
    }
    tables
}

/// Returns the tables that a copy consists of, in the order in which they are copied, with the types of the
/// target. Fails with a description of the difference if the two databases do not have the same tables with
/// the same columns.
pub(crate) fn tables_to_copy(source: &[Table], target: &[Table]) -> Result<Vec<Table>, String> {
    let (source, mut tables) = (content(source), content(target));
    if let Some(name) = difference(&names(&source), &names(&tables)) {
        return Err(format!("the table {name} exists only in one of the two databases"));
    }
    for (table, other) in tables.iter_mut().zip(&source) {
        if let Some(name) = difference(&column_names(table), &column_names(other)) {
            let table = &table.name;
            return Err(format!(
                "the column {name} of the table {table} exists only in one of the two databases"
            ));
        }
    }
    tables.sort_by_key(|table| table.name != FIRST_TABLE);
    Ok(tables)
}

fn content(tables: &[Table]) -> Vec<Table> {
    tables.iter().filter(|table| !NOT_CONTENT.contains(&table.name.as_str())).cloned().collect()
}

fn names(tables: &[Table]) -> Vec<&str> {
    tables.iter().map(|table| table.name.as_str()).collect()
}

fn column_names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

/// Returns an element that only one of the two lists contains.
fn difference<'a>(a: &[&'a str], b: &[&'a str]) -> Option<&'a str> {
    let only_in = |a: &[&'a str], b: &[&'a str]| a.iter().find(|name| !b.contains(name)).copied();
    only_in(a, b).or_else(|| only_in(b, a))
}

#[cfg(test)]
mod tests {
    use super::{Column, Table, tables_to_copy};
    use crate::sql::sql_value::SqlType;

    fn table(name: &str, columns: &[&str]) -> Table {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            sql_type: SqlType::Int,
            key_position: 0,
            is_identity: false,
        };
        Table { name: name.to_owned(), columns: columns.iter().map(column).collect() }
    }

    #[test]
    fn the_columns_of_a_key_have_the_order_of_the_key_and_not_of_their_names() {
        let mut attempts = table("attempts", &["fence", "number", "seq"]);
        attempts.columns[1].key_position = 2;
        attempts.columns[2].key_position = 1;
        assert_eq!(attempts.key_list(), "\"seq\", \"number\"");
    }

    #[test]
    fn a_table_or_a_column_that_only_one_database_has_is_named_and_not_forgotten() {
        let both = [table("a", &["x"]), table("accounts", &["id"]), table("nodes", &["seq"])];
        let names =
            tables_to_copy(&both, &both[..2]).map(|tables| tables.into_iter().map(|table| table.name));
        assert_eq!(names.map(Iterator::collect::<Vec<_>>), Ok(vec!["accounts".to_owned(), "a".to_owned()]));
        for (one, other) in [(&both[..1], &both[..2]), (&both[..2], &both[..1])] {
            let different = tables_to_copy(one, other).map(drop);
            assert_eq!(
                different,
                Err("the table accounts exists only in one of the two databases".to_owned())
            );
        }
        let (one, other) = ([table("a", &["x"])], [table("a", &["x", "y"])]);
        for (one, other) in [(&one, &other), (&other, &one)] {
            let expected = "the column y of the table a exists only in one of the two databases";
            assert_eq!(tables_to_copy(one, other).map(drop), Err(expected.to_owned()));
        }
    }
}
