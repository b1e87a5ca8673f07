//! Named SQL statements, and the SQL fragments that differ between databases.

use std::borrow::Cow;

/// One statement in the SQL that all databases share. Parameters are `?1`, `?2`, … or, in the order of a
/// column list, `?`. A word in braces is replaced by the fragment of the dialect with this name.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The statement's name in this program, for errors and tests.
    pub(crate) name: &'static str,
    sql: &'static str,
}

/// The SQL fragments that differ between databases.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Replaces `{skip_locked}` at the end of the query that chooses rows to claim. In a database with
    /// several writers, this SQL text lets several claims run at the same time.
    pub(crate) skip_locked: &'static str,
}

impl Statement {
    pub(crate) const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }

    /// The statement's text for a database.
    pub(crate) fn render(&self, dialect: &Dialect) -> Cow<'static, str> {
        if self.sql.contains('{') {
            Cow::Owned(self.sql.replace("{skip_locked}", dialect.skip_locked))
        } else {
            Cow::Borrowed(self.sql)
        }
    }
}

/// Declares the statements of a module, each under its name, and `ALL` of them for the tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* static $name: $crate::sql::statement::Statement =
            $crate::sql::statement::Statement::new(stringify!($name), $sql);)*

        #[cfg(test)]
        pub(super) const ALL: &[&$crate::sql::statement::Statement] = &[$(&$name),*];
    };
}

pub(crate) use statements;
