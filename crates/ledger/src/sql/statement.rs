//! Named SQL statements.

/// One SQL statement, written in the SQL that all databases share. The parameters are `?1`, `?2` and so on,
/// or `?` in the order of a column list.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The name of the statement in this program, which errors and tests use.
    pub(crate) name: &'static str,
    sql: &'static str,
}

impl Statement {
    pub(crate) const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }

    /// Returns whether the statement changes rows.
    pub(crate) fn writes(&self) -> bool {
        !self.sql.trim_start().starts_with("SELECT")
    }

    /// The text of the statement for SQLite.
    pub(crate) fn sqlite(&self) -> &'static str {
        self.sql
    }

    /// The text of the statement for PostgreSQL, in which the parameters are `$1`, `$2` and so on. As in
    /// SQLite, a `?` without a number gets the number after the largest number before it.
    pub(crate) fn postgres(&self) -> String {
        let mut text = String::with_capacity(self.sql.len() + 16);
        let mut largest = 0;
        let mut parts = self.sql.split('?');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let n_digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let number = part[..n_digits].parse().unwrap_or(largest + 1);
            largest = largest.max(number);
            text.push('$');
            text.push_str(&number.to_string());
            text.push_str(&part[n_digits..]);
        }
        text
    }
}

/// Declares the SQL statements of a module as constants. The list `ALL` contains all of them for the tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* static $name: $crate::sql::statement::Statement =
            $crate::sql::statement::Statement::new(stringify!($name), $sql);)*

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
        let rendered = |sql| Statement::new("TEST", sql).postgres();
        assert_eq!(rendered("SELECT ?2 + ?1, ?2"), "SELECT $2 + $1, $2");
        assert_eq!(rendered("VALUES (?, ?, ?12, ?)"), "VALUES ($1, $2, $12, $13)");
        assert_eq!(rendered("SELECT 1"), "SELECT 1");
    }
}
