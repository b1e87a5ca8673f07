//! What goes into a statement and what comes out of a row, typed alike for every database.

use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::error::Error;

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Uuid(Uuid),
}

/// What a database offers of a row: its columns by number, from 0. `None` is NULL.
pub(crate) trait Columns {
    fn int(&self, column: usize) -> Result<Option<i64>, Error>;
    fn text(&self, column: usize) -> Result<Option<String>, Error>;
    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error>;
    fn hash(&self, column: usize) -> Result<Option<[u8; 32]>, Error>;
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Error>;
}

/// A row that is read from left to right.
pub(crate) struct Row<'a> {
    columns: &'a dyn Columns,
    column: usize,
}

/// A type that a column can be read as.
pub(crate) trait FromColumn: Sized {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error>;
}

impl<'a> Row<'a> {
    pub(crate) fn new(columns: &'a dyn Columns) -> Self {
        Self { columns, column: 0 }
    }

    /// The next column.
    pub(crate) fn take<T: FromColumn>(&mut self) -> Result<T, Error> {
        let column = self.column;
        self.column += 1;
        T::from_column(self.columns, column)
    }

    /// The next column as one of the words of `T`.
    pub(crate) fn take_word<T: FromStr>(&mut self) -> Result<T, Error> {
        let word: String = self.take()?;
        word.parse().map_err(|_| Error::Corrupt(format!("a column says {word:?}")))
    }

    /// The next column as one of the words of `T`, or NULL.
    pub(crate) fn take_optional_word<T: FromStr>(&mut self) -> Result<Option<T>, Error> {
        let word: Option<String> = self.take()?;
        let read = |word: String| word.parse().map_err(|_| Error::Corrupt(format!("a column says {word:?}")));
        word.map(read).transpose()
    }
}

/// Reads a row of one column.
pub(crate) fn column<T: FromColumn>(row: &mut Row<'_>) -> Result<T, Error> {
    row.take()
}

fn required<T>(value: Option<T>, column: usize) -> Result<T, Error> {
    value.ok_or_else(|| Error::Corrupt(format!("column {column} is NULL")))
}

fn narrowed<T: TryFrom<i64>>(value: i64, column: usize) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Corrupt(format!("column {column} is out of range: {value}")))
}

impl FromColumn for i64 {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        required(columns.int(column)?, column)
    }
}

impl FromColumn for Option<i64> {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        columns.int(column)
    }
}

impl FromColumn for bool {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        Ok(required(columns.int(column)?, column)? != 0)
    }
}

impl FromColumn for String {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        required(columns.text(column)?, column)
    }
}

impl FromColumn for Option<String> {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        columns.text(column)
    }
}

impl FromColumn for [u8; 32] {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        required(columns.hash(column)?, column)
    }
}

impl FromColumn for Option<Bytes> {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        Ok(columns.bytes(column)?.map(Bytes::from))
    }
}

impl FromColumn for Uuid {
    fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
        required(columns.uuid(column)?, column)
    }
}

macro_rules! from_narrow_column {
    ($($int:ty),*) => {$(
        impl FromColumn for $int {
            fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
                narrowed(required(columns.int(column)?, column)?, column)
            }
        }

        impl FromColumn for Option<$int> {
            fn from_column(columns: &dyn Columns, column: usize) -> Result<Self, Error> {
                columns.int(column)?.map(|value| narrowed(value, column)).transpose()
            }
        }
    )*};
}

from_narrow_column!(u16, u32, u64);

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u16> for Value<'_> {
    fn from(value: u16) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

/// Sizes and counts: no image and no list comes near the end of `i64`, where this stops.
impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8; 32]> for Value<'a> {
    fn from(value: &'a [u8; 32]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Bytes> for Value<'a> {
    fn from(value: &'a Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::value::Value::from($value)),*]
    };
}

pub(crate) use params;
