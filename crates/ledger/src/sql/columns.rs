//! Generates the code for the columns of a row. One `columns!` declaration per row type generates the column
//! list for the SQL statements, and the code that reads and writes a row in the order of this list.

use super::sql_value::{SqlType, SqlValue, ToColumn};

/// The largest number of parameters that a [`Params`] value can hold.
const MAX_PARAMS: usize = 32;

/// A type that supplies one or more consecutive parameters of an SQL statement.
pub(crate) trait ToColumns {
    /// Appends one parameter for each column, in the order of the column list.
    fn bind<'a>(&'a self, params: &mut Params<'a>);
}

/// Up to [`MAX_PARAMS`] parameters of one SQL statement, stored without a heap allocation.
pub(crate) struct Params<'a> {
    values: [SqlValue<'a>; MAX_PARAMS],
    len: usize,
}

impl<'a> Params<'a> {
    /// Creates the parameters for the columns of one row.
    pub(crate) fn of(row: &'a (impl ToColumns + ?Sized)) -> Self {
        Self { values: [SqlValue::Null(SqlType::Int); MAX_PARAMS], len: 0 }.and(row)
    }

    /// Appends the parameters of another value or row.
    pub(crate) fn and(mut self, row: &'a (impl ToColumns + ?Sized)) -> Self {
        row.bind(&mut self);
        self
    }

    fn push(&mut self, value: SqlValue<'a>) {
        self.values[self.len] = value;
        self.len += 1;
    }

    pub(crate) fn as_slice(&self) -> &[SqlValue<'a>] {
        &self.values[..self.len]
    }
}

impl<T: ToColumn + ?Sized> ToColumns for T {
    fn bind<'a>(&'a self, params: &mut Params<'a>) {
        params.push(self.to_column());
    }
}

/// Declares the columns of a row type.
///
/// ```text
/// columns! { Watermark as watermark_columns, read + write { id, account, created_ms } }
/// ```
///
/// The declaration implements [`FromRow`] (`read`) and [`ToColumns`] (`write`) for the type, and defines the
/// macro `watermark_columns!`, which expands to a string literal for `concat!`:
///
/// * `watermark_columns!()`: `id, account, created_ms`
/// * `watermark_columns!(values)`: `?, ?, ?`
/// * `watermark_columns!(insert)`: `(id, account, created_ms) VALUES (?, ?, ?)`
/// * `watermark_columns!(set)`: `id = ?, account = ?, created_ms = ?`
/// * `watermark_columns!(add)`: `id = id + ?, …`
/// * `watermark_columns!(of_rows)`: `v.id, v.account, v.created_ms`, for statements with `{rows}`
/// * `watermark_columns!(set_of_rows)`: `id = v.id, account = v.account, created_ms = v.created_ms`
///
/// Each field is read from the column of the same name, from another SQL expression (`id = "r.id"`), or from
/// the columns of another column list (`timings: timings_columns`). A field after a semicolon is not read
/// from the row: reading a row sets this field to the given value. A declaration without a type, `columns! {
/// content_columns { blob_key, content } }`, only defines the macro.
///
/// [`FromRow`]: super::row::FromRow
macro_rules! columns {
    ($list:ident { $($body:tt)* }) => {
        columns! { @list $list [$($body)*] }
    };
    ($row:ty as $list:ident, read { $($body:tt)* }) => {
        columns! { @list $list [$($body)*] }
        columns! { @read $row [$($body)*] }
    };
    ($row:ty as $list:ident, write { $($body:tt)* }) => {
        columns! { @list $list [$($body)*] }
        columns! { @write $row [$($body)*] }
    };
    ($row:ty as $list:ident, read + write { $($body:tt)* }) => {
        columns! { @list $list [$($body)*] }
        columns! { @read $row [$($body)*] }
        columns! { @write $row [$($body)*] }
    };

    (@list $list:ident $body:tt) => {
        macro_rules! $list {
            () => { $crate::sql::columns::columns!(@join names $body) };
            (values) => { $crate::sql::columns::columns!(@join values $body) };
            (insert) => {
                concat!(
                    "(", $crate::sql::columns::columns!(@join names $body), ") VALUES (",
                    $crate::sql::columns::columns!(@join values $body), ")"
                )
            };
            (set) => { $crate::sql::columns::columns!(@join set $body) };
            (add) => { $crate::sql::columns::columns!(@join add $body) };
            (of_rows) => { $crate::sql::columns::columns!(@join of_rows $body) };
            (set_of_rows) => { $crate::sql::columns::columns!(@join set_of_rows $body) };
        }
    };
    (@read $row:ty [
        $($field:ident $(= $name:literal)? $(: $group:ident)?),+ $(,)?
        $(; $($other:ident = $value:expr),+ $(,)?)?
    ]) => {
        impl $crate::sql::row::FromRow for $row {
            fn from_row(row: &mut $crate::sql::row::Row<'_>) -> Result<Self, $crate::error::Error> {
                Ok(Self { $($field: row.take()?,)+ $($($other: $value,)+)? })
            }
        }
    };
    (@write $row:ty [$($field:ident $(= $name:literal)? $(: $group:ident)?),+ $(,)?]) => {
        impl $crate::sql::columns::ToColumns for $row {
            fn bind<'a>(&'a self, params: &mut $crate::sql::columns::Params<'a>) {
                $(self.$field.bind(params);)+
            }
        }
    };
    (@join $form:ident [
        $first:ident $(= $first_name:literal)? $(: $first_group:ident)?
        $(, $field:ident $(= $name:literal)? $(: $group:ident)?)* $(,)? $(; $($rest:tt)*)?
    ]) => {
        concat!(
            $crate::sql::columns::columns!(@$form $first $(= $first_name)? $(: $first_group)?)
            $(, ", ", $crate::sql::columns::columns!(@$form $field $(= $name)? $(: $group)?))*
        )
    };

    (@names $field:ident) => { stringify!($field) };
    (@names $field:ident = $name:literal) => { $name };
    (@names $field:ident: $group:ident) => { $group!() };
    (@values $field:ident $(= $name:literal)?) => { "?" };
    (@values $field:ident: $group:ident) => { $group!(values) };
    (@set $field:ident) => { concat!(stringify!($field), " = ?") };
    (@set $field:ident = $name:literal) => { concat!($name, " = ?") };
    (@set $field:ident: $group:ident) => { $group!(set) };
    (@of_rows $field:ident) => { concat!("v.", stringify!($field)) };
    (@of_rows $field:ident = $name:literal) => { concat!("v.", $name) };
    (@of_rows $field:ident: $group:ident) => { $group!(of_rows) };
    (@set_of_rows $field:ident) => { concat!(stringify!($field), " = v.", stringify!($field)) };
    (@set_of_rows $field:ident = $name:literal) => { concat!($name, " = v.", $name) };
    (@set_of_rows $field:ident: $group:ident) => { $group!(set_of_rows) };
    (@add $field:ident) => { concat!(stringify!($field), " = ", stringify!($field), " + ?") };
    (@add $field:ident: $group:ident) => { $group!(add) };
}

pub(crate) use columns;

#[cfg(test)]
mod tests {
    use super::Params;
    use crate::sql::sql_value::SqlValue;

    struct Inner {
        second: u32,
    }

    struct Outer {
        first: i64,
        inner: Inner,
        third: bool,
    }

    columns! { Inner as inner_columns, write { second } }
    columns! { Outer as outer_columns, write { first, inner: inner_columns, third = "\"3rd\"" } }
    columns! { sum_columns { first, second } }

    #[test]
    fn a_declared_list_of_columns_yields_sql_lists_and_parameters_in_the_same_order() {
        assert_eq!(outer_columns!(), "first, second, \"3rd\"");
        assert_eq!(outer_columns!(values), "?, ?, ?");
        assert_eq!(outer_columns!(insert), "(first, second, \"3rd\") VALUES (?, ?, ?)");
        assert_eq!(outer_columns!(set), "first = ?, second = ?, \"3rd\" = ?");
        assert_eq!(outer_columns!(of_rows), "v.first, v.second, v.\"3rd\"");
        assert_eq!(sum_columns!(set_of_rows), "first = v.first, second = v.second");
        assert_eq!(sum_columns!(add), "first = first + ?, second = second + ?");
        let row = Outer { first: 1, inner: Inner { second: 2 }, third: true };
        let params = Params::of(&row).and("key");
        assert!(matches!(
            params.as_slice(),
            [SqlValue::Int(1), SqlValue::Int(2), SqlValue::Int(1), SqlValue::Text("key")]
        ));
    }
}
