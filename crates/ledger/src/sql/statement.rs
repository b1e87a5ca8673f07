//! Named statements, and the fragments in which the databases differ.

use std::borrow::Cow;

/// One statement in the SQL that the databases share. Parameters are `?1`, `?2`, …; a word in braces stands for a
/// fragment of the dialect.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its name in this program, for errors and tests.
    pub(crate) name: &'static str,
    sql: &'static str,
}

/// What a database says differently.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// `{skip_locked}`: put at the end of the choice of rows to claim, lets claims run beside each other where
    /// there is more than one writer.
    pub(crate) skip_locked: &'static str,
}

impl Statement {
    pub(crate) const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }

    /// The text for a database.
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
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)*) => {
        $($(#[$doc])* static $name: $crate::sql::statement::Statement =
            $crate::sql::statement::Statement::new(stringify!($name), $sql);)*

        #[cfg(test)]
        pub(super) const ALL: &[&$crate::sql::statement::Statement] = &[$(&$name),*];
    };
}

pub(crate) use statements;
