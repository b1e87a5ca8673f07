//! Reads rows of query results: the types that one column can be read as, and the types that span several
//! columns.

use bytes::Bytes;
use uuid::Uuid;

use super::sql_value::Word;
use crate::destination::Lane;
use crate::error::Error;
use crate::model::authority::Authority;

/// The columns of one row of a query result, numbered from 0. `None` stands for NULL.
pub(crate) trait ColumnSource {
    fn int(&self, column: usize) -> Result<Option<i64>, Error>;
    fn text(&self, column: usize) -> Result<Option<String>, Error>;
    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error>;
    fn hash(&self, column: usize) -> Result<Option<[u8; 32]>, Error>;
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Error>;
}

/// A row whose columns are read from left to right.
pub(crate) struct Row<'a> {
    source: &'a dyn ColumnSource,
    next_column: usize,
}

/// A type whose values can be read from one column.
pub(crate) trait FromColumn: Sized {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error>;
}

/// A type whose values can be read from one or more consecutive columns.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error>;
}

impl<'a> Row<'a> {
    pub(crate) fn new(source: &'a dyn ColumnSource) -> Self {
        Self { source, next_column: 0 }
    }

    /// Reads a value from the next columns.
    pub(crate) fn take<T: FromRow>(&mut self) -> Result<T, Error> {
        T::from_row(self)
    }
}

impl<T: FromColumn> FromRow for T {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let column = row.next_column;
        row.next_column += 1;
        T::from_column(row.source, column)
    }
}

macro_rules! tuple_from_row {
    ($($member:ident),+) => {
        impl<$($member: FromRow),+> FromRow for ($($member,)+) {
            fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
                Ok(($(row.take::<$member>()?,)+))
            }
        }
    };
}

tuple_from_row!(A, B);
tuple_from_row!(A, B, C);
tuple_from_row!(A, B, C, D);

fn required<T>(value: Option<T>, column: usize) -> Result<T, Error> {
    value.ok_or_else(|| Error::Corrupt(format!("column {column} is NULL")))
}

fn narrowed<T: TryFrom<i64>>(value: i64, column: usize) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Corrupt(format!("column {column} is out of range: {value}")))
}

impl FromColumn for i64 {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(source.int(column)?, column)
    }
}

impl FromColumn for Option<i64> {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        source.int(column)
    }
}

impl FromColumn for bool {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        Ok(required(source.int(column)?, column)? != 0)
    }
}

impl FromColumn for Lane {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(source.int(column)?, column).map(Self::from_number)
    }
}

impl FromColumn for String {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(source.text(column)?, column)
    }
}

impl FromColumn for Option<String> {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        source.text(column)
    }
}

impl FromColumn for Authority {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        let text = required(source.text(column)?, column)?;
        Self::try_from(text).map_err(|_| Error::Corrupt(format!("column {column} is no authority")))
    }
}

impl FromColumn for [u8; 32] {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(source.hash(column)?, column)
    }
}

impl FromColumn for Option<Bytes> {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        Ok(source.bytes(column)?.map(Bytes::from))
    }
}

impl FromColumn for Uuid {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(source.uuid(column)?, column)
    }
}

impl<T: Word> FromColumn for T {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        required(Option::<T>::from_column(source, column)?, column)
    }
}

impl<T: Word> FromColumn for Option<T> {
    fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
        let parse =
            |word: String| word.parse().map_err(|_| Error::Corrupt(format!("a column says {word:?}")));
        source.text(column)?.map(parse).transpose()
    }
}

macro_rules! from_narrow_column {
    ($($int:ty),*) => {$(
        impl FromColumn for $int {
            fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
                narrowed(required(source.int(column)?, column)?, column)
            }
        }

        impl FromColumn for Option<$int> {
            fn from_column(source: &dyn ColumnSource, column: usize) -> Result<Self, Error> {
                source.int(column)?.map(|value| narrowed(value, column)).transpose()
            }
        }
    )*};
}

from_narrow_column!(u16, u32, u64);
