//! The parameters of SQL statements, in types that every supported database has.

use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::destination::{Lane, Measurement, PauseReason};
use crate::model::authority::Authority;
use crate::model::webhook::{DueReason, FailureReason, Outcome, WebhookStatus};

/// The value of one parameter of an SQL statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SqlValue<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Uuid(Uuid),
}

/// A type whose values fill one parameter of an SQL statement.
pub(crate) trait ToColumn {
    fn to_column(&self) -> SqlValue<'_>;
}

/// An enum whose values are stored as words, one word for each variant.
pub(crate) trait Word: FromStr {}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {}

        impl ToColumn for $word {
            fn to_column(&self) -> SqlValue<'_> {
                SqlValue::Text(self.as_str())
            }
        }
    )*};
}

words!(WebhookStatus, Outcome, DueReason, FailureReason, PauseReason, Measurement);

impl ToColumn for i64 {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(*self)
    }
}

macro_rules! widened {
    ($($narrow:ty),*) => {$(
        impl ToColumn for $narrow {
            fn to_column(&self) -> SqlValue<'_> {
                SqlValue::Int(i64::from(*self))
            }
        }
    )*};
}

widened!(u16, u32, bool);

/// The parameter for a size or a count. A value above `i64::MAX` is stored as `i64::MAX`; such values do not
/// occur in practice.
impl ToColumn for u64 {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToColumn for Lane {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(self.number())
    }
}

impl ToColumn for Uuid {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Uuid(*self)
    }
}

impl ToColumn for str {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self)
    }
}

impl ToColumn for String {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self)
    }
}

impl ToColumn for Authority {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self.as_str())
    }
}

impl ToColumn for [u8; 32] {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Bytes(self)
    }
}

impl ToColumn for Bytes {
    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Bytes(self)
    }
}

impl<T: ToColumn + ?Sized> ToColumn for &T {
    fn to_column(&self) -> SqlValue<'_> {
        (**self).to_column()
    }
}

impl<T: ToColumn> ToColumn for Option<T> {
    fn to_column(&self) -> SqlValue<'_> {
        self.as_ref().map_or(SqlValue::Null, ToColumn::to_column)
    }
}

/// Creates the list of the parameters of an SQL statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::sql_value::ToColumn::to_column(&$value)),*]
    };
}

pub(crate) use params;
