//! Named SQL statements, and the fragments of SQL that differ between databases.

use std::borrow::Cow;

/// One SQL statement, written in the SQL that all databases share. The parameters are `?1`, `?2` and so on,
/// or `?` in the order of a column list. A word in braces stands for the fragment of [`Dialect`] with this
/// name.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The name of the statement in this program, which errors and tests use.
    pub(crate) name: &'static str,
    sql: &'static str,
}

/// The fragments of SQL that differ between databases.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The text that replaces `{skip_locked}` at the end of a query that chooses rows to claim. In a database
    /// with several writers, this text allows several claims to run at the same time.
    pub(crate) skip_locked: &'static str,
}

impl Statement {
    pub(crate) const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }

    /// Returns the text of the statement for the database with this dialect.
    pub(crate) fn render(&self, dialect: &Dialect) -> Cow<'static, str> {
        if self.sql.contains('{') {
            Cow::Owned(self.sql.replace("{skip_locked}", dialect.skip_locked))
        } else {
            Cow::Borrowed(self.sql)
        }
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
