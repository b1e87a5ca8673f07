//! The rows of results, which hold the small ones themselves.

use bytes::Bytes;
use uuid::Uuid;

use super::counters::Delta;
use super::{Row, Tx, params, statements};
use crate::error::Error;
use crate::model::account::{AccountId, UsageDelta};
use crate::model::request::{Content, ExpiredResult, StoredResult};

statements! {
    ADD = "INSERT INTO results (id, account, name, media_type, bytes, sha1, created_ms, expires_ms, blob_key, content)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    FIND = "SELECT id, account, name, media_type, bytes, sha1, created_ms, expires_ms, blob_key, content
            FROM results WHERE id = ?1 AND name = ?2 AND expires_ms > ?3";
    EXPIRED = "SELECT id, blob_key FROM results WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2";
    FORGET = "DELETE FROM results WHERE id = ?1";
}

pub(crate) fn record(
    tx: &mut Tx<'_>,
    account: AccountId,
    usage: UsageDelta,
    result: Option<&StoredResult>,
) -> Result<(), Error> {
    result.map_or(Ok(()), |result| add(tx, result))?;
    Delta::default().with_usage(usage).apply(tx, account)
}

pub(super) fn add(tx: &mut Tx<'_>, result: &StoredResult) -> Result<(), Error> {
    let (key, bytes) = result.content.columns();
    tx.execute(
        &ADD,
        params![
            result.id,
            result.account,
            &result.name,
            &result.media_type,
            result.bytes,
            &result.sha1,
            result.created_ms,
            result.expires_ms,
            key,
            bytes
        ],
    )?;
    Ok(())
}

pub(crate) fn find(tx: &mut Tx<'_>, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query_optional(&FIND, params![id, name, now_ms], read)
}

pub(crate) fn expired(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<ExpiredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&EXPIRED, params![now_ms, limit], |row| {
        Ok(ExpiredResult { id: row.take()?, blob_key: row.take()? })
    })
}

pub(crate) fn forget(tx: &mut Tx<'_>, ids: &[Uuid]) -> Result<(), Error> {
    for id in ids {
        tx.execute(&FORGET, params![*id])?;
    }
    Ok(())
}

fn read(row: &mut Row<'_>) -> Result<StoredResult, Error> {
    Ok(StoredResult {
        id: row.take()?,
        account: row.take()?,
        name: row.take()?,
        media_type: row.take()?,
        bytes: row.take()?,
        sha1: row.take()?,
        created_ms: row.take()?,
        expires_ms: row.take()?,
        content: Content::read(row.take()?, row.take()?)?,
    })
}

impl Content {
    /// As it stands in a row: the key of a file, or the bytes.
    pub(super) fn columns(&self) -> (Option<&String>, Option<&Bytes>) {
        match self {
            Self::File { key } => (Some(key), None),
            Self::Inline(bytes) => (None, Some(bytes)),
        }
    }

    pub(super) fn read(key: Option<String>, bytes: Option<Bytes>) -> Result<Self, Error> {
        match (key, bytes) {
            (Some(key), None) => Ok(Self::File { key }),
            (None, Some(bytes)) => Ok(Self::Inline(bytes)),
            _ => Err(Error::Corrupt("a file is not in exactly one place".to_owned())),
        }
    }
}
