//! Passes the shared values to PostgreSQL, and reads the columns of its rows.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::error::Error;
use crate::sql::row::ColumnSource;
use crate::sql::sql_value::{SqlType, SqlValue, storable};

/// Returns the type of a parameter.
pub(super) fn type_of(value: &SqlValue<'_>) -> Type {
    match value.sql_type() {
        SqlType::Int => Type::INT8,
        SqlType::Text => Type::TEXT,
        SqlType::Bytes => Type::BYTEA,
        SqlType::Uuid => Type::UUID,
    }
}

/// Returns the type of an array of parameters of the same type.
pub(super) fn array_type_of(value: &SqlValue<'_>) -> Type {
    match value.sql_type() {
        SqlType::Int => Type::INT8_ARRAY,
        SqlType::Text => Type::TEXT_ARRAY,
        SqlType::Bytes => Type::BYTEA_ARRAY,
        SqlType::Uuid => Type::UUID_ARRAY,
    }
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null(_) => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(value) => storable(value).to_sql(ty, out),
            Self::Bytes(value) => value.to_sql(ty, out),
            Self::Uuid(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA, Type::UUID].contains(ty)
    }

    to_sql_checked!();
}

/// A row of a query result.
pub(super) struct PostgresRow<'a>(pub(super) &'a Row);

impl PostgresRow<'_> {
    fn get<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<Option<T>, Error> {
        self.0.try_get(column).map_err(|error| Error::Corrupt(format!("column {column}: {error}")))
    }
}

impl ColumnSource for PostgresRow<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>, Error> {
        self.get(column)
    }

    fn text(&self, column: usize) -> Result<Option<String>, Error> {
        self.get(column)
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error> {
        self.get(column)
    }

    fn hash(&self, column: usize) -> Result<Option<[u8; 32]>, Error> {
        let bytes: Option<&[u8]> = self.get(column)?;
        let hash =
            |bytes: &[u8]| bytes.try_into().map_err(|_| Error::Corrupt("a hash is too short".to_owned()));
        bytes.map(hash).transpose()
    }

    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        self.get(column)
    }
}
