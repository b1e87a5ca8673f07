//! The parameters of SQL statements, in types that every supported database has.

use std::borrow::Cow;
use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::destination::{Lane, Measurement, PauseReason};
use crate::model::authority::Authority;
use crate::model::webhook::{DueReason, FailureReason, Outcome, WebhookStatus};

/// The type of a parameter of an SQL statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlType {
    Int,
    Text,
    Bytes,
    Uuid,
}

/// The value of one parameter of an SQL statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SqlValue<'a> {
    Null(SqlType),
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Uuid(Uuid),
}

impl SqlValue<'_> {
    pub(crate) fn sql_type(&self) -> SqlType {
        match self {
            Self::Null(sql_type) => *sql_type,
            Self::Int(_) => SqlType::Int,
            Self::Text(_) => SqlType::Text,
            Self::Bytes(_) => SqlType::Bytes,
            Self::Uuid(_) => SqlType::Uuid,
        }
    }
}

/// Returns a text as PostgreSQL can store it: PostgreSQL stores no NUL character in a text, so U+FFFD replaces
/// each of them. Such a text can only come from a receiver's response.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// A type whose values fill one parameter of an SQL statement.
pub(crate) trait ToColumn {
    /// The type of the parameter.
    const TYPE: SqlType;

    fn to_column(&self) -> SqlValue<'_>;
}

/// An enum whose values are stored as words, one word for each variant.
pub(crate) trait Word: FromStr {}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {}

        impl ToColumn for $word {
            const TYPE: SqlType = SqlType::Text;

            fn to_column(&self) -> SqlValue<'_> {
                SqlValue::Text(self.as_str())
            }
        }
    )*};
}

words!(WebhookStatus, Outcome, DueReason, FailureReason, PauseReason, Measurement);

impl ToColumn for i64 {
    const TYPE: SqlType = SqlType::Int;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(*self)
    }
}

macro_rules! widened {
    ($($narrow:ty),*) => {$(
        impl ToColumn for $narrow {
            const TYPE: SqlType = SqlType::Int;

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
    const TYPE: SqlType = SqlType::Int;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToColumn for Lane {
    const TYPE: SqlType = SqlType::Int;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Int(self.number())
    }
}

impl ToColumn for Uuid {
    const TYPE: SqlType = SqlType::Uuid;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Uuid(*self)
    }
}

impl ToColumn for str {
    const TYPE: SqlType = SqlType::Text;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self)
    }
}

impl ToColumn for String {
    const TYPE: SqlType = SqlType::Text;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self)
    }
}

impl ToColumn for Authority {
    const TYPE: SqlType = SqlType::Text;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Text(self.as_str())
    }
}

impl ToColumn for [u8; 32] {
    const TYPE: SqlType = SqlType::Bytes;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Bytes(self)
    }
}

impl ToColumn for Bytes {
    const TYPE: SqlType = SqlType::Bytes;

    fn to_column(&self) -> SqlValue<'_> {
        SqlValue::Bytes(self)
    }
}

impl<T: ToColumn + ?Sized> ToColumn for &T {
    const TYPE: SqlType = T::TYPE;

    fn to_column(&self) -> SqlValue<'_> {
        (**self).to_column()
    }
}

impl<T: ToColumn> ToColumn for Option<T> {
    const TYPE: SqlType = T::TYPE;

    fn to_column(&self) -> SqlValue<'_> {
        self.as_ref().map_or(SqlValue::Null(T::TYPE), ToColumn::to_column)
    }
}

/// Creates the list of the parameters of an SQL statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::sql_value::ToColumn::to_column(&$value)),*]
    };
}

pub(crate) use params;
