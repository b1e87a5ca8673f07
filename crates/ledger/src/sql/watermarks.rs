//! Watermarks of accounts.

use super::{Row, Tx, column, params, statements};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::watermark::{Watermark, WatermarkAdded, WatermarkPage, WatermarkQuota};

statements! {
    ADD = "INSERT INTO watermarks (id, account, name, format, width, height, bytes, sha1, created_ms)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    HELD = "SELECT count(*), coalesce(sum(bytes), 0) FROM watermarks WHERE account = ?1 AND removed_ms IS NULL";
    FIND = "SELECT id, account, name, format, width, height, bytes, sha1, created_ms
            FROM watermarks WHERE id = ?1 AND account = ?2 AND removed_ms IS NULL";
    FIND_ACCEPTED = "SELECT id, account, name, format, width, height, bytes, sha1, created_ms
                     FROM watermarks WHERE id = ?1 AND account = ?2";
    LIST = "SELECT id, account, name, format, width, height, bytes, sha1, created_ms
            FROM watermarks WHERE account = ?1 AND removed_ms IS NULL
            ORDER BY created_ms DESC, id DESC LIMIT ?3 OFFSET ?2";
    REMOVE = "UPDATE watermarks SET removed_ms = ?3 WHERE id = ?1 AND account = ?2 AND removed_ms IS NULL";
    /// Jobs are numbered as they are accepted.
    OLDEST_JOB = "SELECT created_ms FROM requests WHERE no = (SELECT min(no) FROM jobs)";
    UNUSED = "SELECT id FROM watermarks WHERE removed_ms < ?1 ORDER BY removed_ms LIMIT ?2";
    FORGET = "DELETE FROM watermarks WHERE id = ?1 AND removed_ms IS NOT NULL";
    EXISTS = "SELECT id FROM watermarks WHERE id = ?1";
    ACCOUNT = "SELECT id FROM accounts WHERE id = ?1";
}

pub(crate) fn add(tx: &mut Tx<'_>, new: &Watermark, quota: WatermarkQuota) -> Result<WatermarkAdded, Error> {
    if tx.query_optional(&ACCOUNT, params![new.account], column::<AccountId>)?.is_none() {
        return Err(Error::UnknownAccount(new.account));
    }
    let (count, bytes) = held(tx, new.account)?;
    if count >= quota.count {
        return Ok(WatermarkAdded::TooMany);
    }
    if bytes.saturating_add(new.bytes) > quota.bytes {
        return Ok(WatermarkAdded::TooManyBytes);
    }
    tx.execute(
        &ADD,
        params![
            &new.id,
            new.account,
            &new.name,
            &new.format,
            new.width,
            new.height,
            new.bytes,
            &new.sha1,
            new.created_ms
        ],
    )?;
    Ok(WatermarkAdded::Added)
}

pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Option<Watermark>, Error> {
    tx.query_optional(&FIND, params![id, account], read)
}

pub(crate) fn find_accepted(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
) -> Result<Option<Watermark>, Error> {
    tx.query_optional(&FIND_ACCEPTED, params![id, account], read)
}

pub(crate) fn list(
    tx: &mut Tx<'_>,
    account: AccountId,
    offset: u64,
    limit: u32,
) -> Result<WatermarkPage, Error> {
    let (total, _) = held(tx, account)?;
    Ok(WatermarkPage { total, watermarks: tx.query(&LIST, params![account, offset, limit], read)? })
}

pub(crate) fn remove(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    Ok(tx.execute(&REMOVE, params![id, account, now_ms])? == 1)
}

pub(crate) fn unused(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<Vec<String>, Error> {
    let oldest_job_ms = tx.query_optional(&OLDEST_JOB, params![], column::<i64>)?;
    // A request looks for its watermark a moment before it is accepted.
    let slack_ms = tx.now_ms().saturating_sub(before_ms).max(0);
    let unneeded_ms = oldest_job_ms.map_or(i64::MAX, |created_ms| created_ms.saturating_sub(slack_ms));
    tx.query(&UNUSED, params![before_ms.min(unneeded_ms), limit], column)
}

pub(crate) fn forget(tx: &mut Tx<'_>, ids: &[String]) -> Result<(), Error> {
    for id in ids {
        tx.execute(&FORGET, params![id])?;
    }
    Ok(())
}

pub(crate) fn known(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>, Error> {
    let mut known = Vec::new();
    for id in ids {
        known.extend(tx.query_optional(&EXISTS, params![id], column::<String>)?);
    }
    Ok(known)
}

fn held(tx: &mut Tx<'_>, account: AccountId) -> Result<(u64, u64), Error> {
    tx.query_one(&HELD, params![account], |row| Ok((row.take()?, row.take()?)))
}

fn read(row: &mut Row<'_>) -> Result<Watermark, Error> {
    Ok(Watermark {
        id: row.take()?,
        account: row.take()?,
        name: row.take()?,
        format: row.take()?,
        width: row.take()?,
        height: row.take()?,
        bytes: row.take()?,
        sha1: row.take()?,
        created_ms: row.take()?,
    })
}
