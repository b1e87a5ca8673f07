//! The SQL operations on results. The bytes of a small result are part of its row.

use bytes::Bytes;
use uuid::Uuid;

use super::columns::ToColumns;
use super::counters::{Delta, Deltas};
use super::row::FromRow;
use super::{Params, Row, Tx, columns, params, statements};
use crate::error::Error;
use crate::model::account::{AccountId, UsageDelta};
use crate::model::request::{ExpiredResult, StoredContent, StoredResult};

columns! { content_columns { blob_key, content } }
columns! {
    StoredResult as result_columns, read + write {
        id, account, name, media_type, bytes, sha1, created_ms, expires_ms, content: content_columns
    }
}
columns! { ExpiredResult as expired_result_columns, read { id, blob_key } }

statements! {
    ADD[result_columns!()] = concat!(
        "INSERT INTO results (", result_columns!(), ") SELECT ", result_columns!(of_rows), " FROM {rows}"
    );
    FIND = concat!(
        "SELECT ", result_columns!(), " FROM results WHERE id = ?1 AND name = ?2 AND expires_ms > ?3"
    );
    EXPIRED = concat!(
        "SELECT ", expired_result_columns!(), " FROM results WHERE expires_ms <= ?1
         ORDER BY expires_ms LIMIT ?2"
    );
    DELETE = "DELETE FROM results WHERE id = ?1";
}

/// A request that was answered without a job.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredRequest {
    pub(crate) account: AccountId,
    pub(crate) usage: UsageDelta,
    pub(crate) result: Option<StoredResult>,
}

/// Adds the usage of requests that were answered without a job, and stores their results.
pub(crate) fn record(tx: &mut Tx<'_>, answered: &[AnsweredRequest]) -> Result<Vec<Result<(), Error>>, Error> {
    add(tx, answered.iter().filter_map(|answered| answered.result.as_ref()))?;
    let mut deltas = Deltas::default();
    for answered in answered {
        deltas.add(answered.account, Delta::default().with_usage(answered.usage));
    }
    deltas.apply(tx)?;
    Ok(answered.iter().map(|_| Ok(())).collect())
}

pub(super) fn add<'a>(tx: &mut Tx<'_>, results: impl Iterator<Item = &'a StoredResult>) -> Result<(), Error> {
    tx.execute_each(&ADD, &results.map(Params::of).collect::<Vec<_>>())
}

/// Finds a result, unless the result has expired.
pub(crate) fn find(tx: &mut Tx<'_>, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query_optional(&FIND, params![id, name, now_ms])
}

/// Returns up to `limit` results that have expired, longest expired first.
pub(crate) fn expired(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<ExpiredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&EXPIRED, params![now_ms, limit])
}

pub(crate) fn delete(tx: &mut Tx<'_>, ids: &[Uuid]) -> Result<(), Error> {
    for id in ids {
        tx.execute(&DELETE, params![id])?;
    }
    Ok(())
}

impl StoredContent {
    /// Creates a `StoredContent` from two columns: the key of a file, and the bytes. Exactly one of the two
    /// columns must be NULL.
    pub(super) fn from_columns(key: Option<String>, bytes: Option<Bytes>) -> Result<Self, Error> {
        match (key, bytes) {
            (Some(key), None) => Ok(Self::File { key }),
            (None, Some(bytes)) => Ok(Self::Inline(bytes)),
            _ => Err(Error::Corrupt("a file is not in exactly one place".to_owned())),
        }
    }

    /// Returns the key of the file. Returns `None` if the bytes are part of a row.
    pub(super) fn file_key(&self) -> Option<&String> {
        match self {
            Self::File { key } => Some(key),
            Self::Inline(_) => None,
        }
    }
}

impl FromRow for StoredContent {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Self::from_columns(row.take()?, row.take()?)
    }
}

impl ToColumns for StoredContent {
    fn bind<'a>(&'a self, params: &mut Params<'a>) {
        match self {
            Self::File { key } => {
                key.bind(params);
                ToColumns::bind(&None::<Bytes>, params);
            }
            Self::Inline(bytes) => {
                ToColumns::bind(&None::<String>, params);
                bytes.bind(params);
            }
        }
    }
}
