//! The rows of result files.

use uuid::Uuid;

use super::counters::Delta;
use super::{Row, Tx, params, statements};
use crate::error::Error;
use crate::model::account::{AccountId, UsageDelta};
use crate::model::request::StoredResult;

statements! {
    ADD = "INSERT INTO results (id, account, name, blob_key, media_type, bytes, sha1, created_ms, expires_ms)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    FIND = "SELECT id, account, name, blob_key, media_type, bytes, sha1, created_ms, expires_ms
            FROM results WHERE id = ?1 AND name = ?2 AND expires_ms > ?3";
    EXPIRED = "SELECT id, account, name, blob_key, media_type, bytes, sha1, created_ms, expires_ms
               FROM results WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2";
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
    tx.execute(
        &ADD,
        params![
            result.id,
            result.account,
            &result.name,
            &result.blob_key,
            &result.media_type,
            result.bytes,
            &result.sha1,
            result.created_ms,
            result.expires_ms
        ],
    )?;
    Ok(())
}

pub(crate) fn find(tx: &mut Tx<'_>, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query_optional(&FIND, params![id, name, now_ms], read)
}

pub(crate) fn expired(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<StoredResult>, Error> {
    let now_ms = tx.now_ms();
    tx.query(&EXPIRED, params![now_ms, limit], read)
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
        blob_key: row.take()?,
        media_type: row.take()?,
        bytes: row.take()?,
        sha1: row.take()?,
        created_ms: row.take()?,
        expires_ms: row.take()?,
    })
}
