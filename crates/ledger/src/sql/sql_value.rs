//! The parameters of statements, in types that every database shares.

use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::destination::{Lane, PauseReason};
use crate::model::authority::Authority;
use crate::model::webhook::{DueReason, FailureReason, Outcome, WebhookStatus};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SqlValue<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Uuid(Uuid),
}

/// A type that fills one parameter.
pub(crate) trait ToColumn {
    fn to_column(&self) -> SqlValue<'_>;
}

/// An enum that is stored as the word of its variant.
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

words!(WebhookStatus, Outcome, DueReason, FailureReason, PauseReason);

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

/// A size or a count. `i64::MAX` is stored for larger values, which do not occur in practice.
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

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::sql_value::ToColumn::to_column(&$value)),*]
    };
}

pub(crate) use params;
