//! Named SQL statements, and their translation for the databases.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// One SQL statement, written in the SQL that all databases share. The parameters are `?1`, `?2` and so on,
/// or `?` in the order of a column list.
///
/// A statement with `{rows}` runs for many rows of parameters at once: `v.name` stands for the parameter
/// `name` of each row. PostgreSQL runs such a statement once, with one array for each parameter. SQLite runs
/// it once for each row, which costs little there, because the database is in the same process. The texts
/// `FROM {rows}`, `USING {rows}` and `{lateral}` therefore disappear for SQLite.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The name of the statement in this program, which errors and tests use.
    pub(crate) name: &'static str,
    sql: &'static str,
    /// The names of the parameters of each row, separated by commas, or an empty text.
    row: &'static str,
    sqlite: OnceLock<Cow<'static, str>>,
}

impl Statement {
    pub(crate) const fn new(name: &'static str, sql: &'static str, row: &'static str) -> Self {
        Self { name, sql, row, sqlite: OnceLock::new() }
    }

    /// Returns whether the statement changes rows.
    pub(crate) fn writes(&self) -> bool {
        !self.sql.trim_start().starts_with("SELECT")
    }

    /// The text of the statement for SQLite.
    pub(crate) fn sqlite(&self) -> &str {
        self.sqlite.get_or_init(|| {
            if self.row.is_empty() {
                return self.sql.into();
            }
            let names: Vec<_> = self.row.split(", ").collect();
            let sql = insert_of_values(self.sql).unwrap_or_else(|| self.sql.to_owned());
            let sql = sql
                .replace("{rows}, {lateral}", "{rows}, ")
                .replace("{rows}, ", "")
                .replace(" FROM {rows}", "")
                .replace(" USING {rows}", "");
            with_numbers(&sql, &names).into()
        })
    }

    /// The text of the statement for PostgreSQL, in which the parameters are `$1`, `$2` and so on. As in
    /// SQLite, a `?` without a number gets the number after the largest number before it.
    pub(crate) fn postgres(&self) -> String {
        if !self.row.is_empty() {
            let arrays = (1..=self.row.split(", ").count()).map(|number| format!("${number}"));
            let rows = format!("unnest({}) AS v ({})", arrays.collect::<Vec<_>>().join(", "), self.row);
            return self.sql.replace("{rows}", &rows).replace("{lateral}", "LATERAL ");
        }
        let mut text = String::with_capacity(self.sql.len() + 16);
        let mut largest = 0;
        let mut parts = self.sql.split('?');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let n_digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let number = part[..n_digits].parse().unwrap_or(largest + 1);
            largest = largest.max(number);
            write!(text, "${number}{}", &part[n_digits..]).expect("writing into a String cannot fail");
        }
        text
    }
}

/// Turns `INSERT … SELECT … FROM {rows}` into `INSERT … VALUES (…)`. For an `INSERT` of a query, SQLite keeps a
/// journal of its own, so that it can undo a part of the rows. Returns `None` for other statements.
fn insert_of_values(sql: &str) -> Option<String> {
    let (insert, query) = sql.split_once("SELECT ").filter(|_| sql.trim_start().starts_with("INSERT"))?;
    let (values, rest) = query.split_once(" FROM {rows}")?;
    Some(format!("{insert}VALUES ({}){rest}", values.trim_end()))
}

/// Replaces each `v.name` by the number of this name in `names`.
fn with_numbers(sql: &str, names: &[&str]) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find("v.") {
        let is_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let name = &rest[at + 2..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        text.push_str(&rest[..at]);
        match names.iter().position(|known| *known == &name[..end]) {
            Some(index) if is_word => {
                write!(text, "?{}", index + 1).expect("writing into a String cannot fail");
            }
            _ => text.push_str(&rest[at..at + 2 + end]),
        }
        rest = &name[end..];
    }
    text.push_str(rest);
    text
}

/// Declares the SQL statements of a module as constants. A statement with `{rows}` is declared with the names of
/// the parameters of each row: `ADD_JOBS["seq, due_ms"] = "INSERT …";`. The list `ALL` contains all of them for the tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident $([$row:expr])? = $sql:expr;)*) => {
        $($(#[$doc])* static $name: $crate::sql::statement::Statement =
            $crate::sql::statement::Statement::new(stringify!($name), $sql, concat!($($row)?));)*

        #[cfg(test)]
        pub(super) const ALL: &[&$crate::sql::statement::Statement] = &[$(&$name),*];
    };
}

pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn parameters_of_postgresql_have_the_numbers_that_sqlite_gives_them() {
        let rendered = |sql| Statement::new("TEST", sql, "").postgres();
        assert_eq!(rendered("SELECT ?2 + ?1, ?2"), "SELECT $2 + $1, $2");
        assert_eq!(rendered("VALUES (?, ?, ?12, ?)"), "VALUES ($1, $2, $12, $13)");
        assert_eq!(rendered("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn a_statement_for_many_rows_gets_arrays_in_postgresql_and_the_parameters_of_one_row_in_sqlite() {
        let check = |sql, sqlite: &str, postgres: &str| {
            let statement = Statement::new("TEST", sql, "seq, n_due");
            assert_eq!(statement.sqlite(), sqlite);
            assert_eq!(statement.postgres(), postgres);
        };
        check(
            "INSERT INTO jobs (seq, due) SELECT v.seq, v.n_due FROM {rows}",
            "INSERT INTO jobs (seq, due) VALUES (?1, ?2)",
            "INSERT INTO jobs (seq, due) SELECT v.seq, v.n_due FROM unnest($1, $2) AS v (seq, n_due)",
        );
        check(
            "DELETE FROM jobs USING {rows} WHERE jobs.seq = v.seq",
            "DELETE FROM jobs WHERE jobs.seq = ?1",
            "DELETE FROM jobs USING unnest($1, $2) AS v (seq, n_due) WHERE jobs.seq = v.seq",
        );
        check(
            "SELECT v.seq FROM {rows}, {lateral}(SELECT a FROM dev.b LIMIT v.n_due) q",
            "SELECT ?1 FROM (SELECT a FROM dev.b LIMIT ?2) q",
            "SELECT v.seq FROM unnest($1, $2) AS v (seq, n_due), LATERAL (SELECT a FROM dev.b LIMIT v.n_due) q",
        );
    }
}
