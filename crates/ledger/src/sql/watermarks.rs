//! The SQL operations on the watermarks of accounts.

use super::{Params, Tx, columns, params, statements};
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::watermark::{AddWatermarkOutcome, Watermark, WatermarkPage, WatermarkQuota};

columns! {
    Watermark as watermark_columns, read + write {
        id, account, name, format, width, height, bytes, sha1, created_ms
    }
}

statements! {
    ADD = concat!("INSERT INTO watermarks ", watermark_columns!(insert));
    USED_QUOTA = "SELECT count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM watermarks
                  WHERE account = ?1 AND removed_ms IS NULL";
    FIND = concat!(
        "SELECT ", watermark_columns!(), " FROM watermarks
         WHERE id = ?1 AND account = ?2 AND removed_ms IS NULL"
    );
    FIND_INCLUDING_REMOVED = concat!(
        "SELECT ", watermark_columns!(), " FROM watermarks WHERE id = ?1 AND account = ?2"
    );
    LIST = concat!(
        "SELECT ", watermark_columns!(), " FROM watermarks WHERE account = ?1 AND removed_ms IS NULL
         ORDER BY created_ms DESC, id DESC LIMIT ?3 OFFSET ?2"
    );
    REMOVE = "UPDATE watermarks SET removed_ms = ?3 WHERE id = ?1 AND account = ?2 AND removed_ms IS NULL";
    /// Requests get their sequence numbers in the order of acceptance, so the job with the lowest sequence
    /// number is the oldest job.
    OLDEST_JOB = "SELECT created_ms FROM requests WHERE seq = (SELECT min(seq) FROM jobs)";
    REMOVED_BEFORE = "SELECT id FROM watermarks WHERE removed_ms < ?1 ORDER BY removed_ms LIMIT ?2";
    DELETE = "DELETE FROM watermarks WHERE id = ?1 AND removed_ms IS NOT NULL";
    EXISTS = "SELECT id FROM watermarks WHERE id = ?1";
    ACCOUNT = "SELECT id FROM accounts WHERE id = ?1";
}

/// Adds a watermark if the quota of its account allows another watermark.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    new: &Watermark,
    quota: WatermarkQuota,
) -> Result<AddWatermarkOutcome, Error> {
    if tx.query_optional::<AccountId>(&ACCOUNT, params![new.account])?.is_none() {
        return Err(Error::UnknownAccount(new.account));
    }
    let (count, bytes) = used_quota(tx, new.account)?;
    if count >= quota.count {
        return Ok(AddWatermarkOutcome::TooMany);
    }
    if bytes.saturating_add(new.bytes) > quota.bytes {
        return Ok(AddWatermarkOutcome::TooManyBytes);
    }
    tx.execute(&ADD, Params::of(new).as_slice())?;
    Ok(AddWatermarkOutcome::Added)
}

pub(crate) fn find(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<Option<Watermark>, Error> {
    tx.query_optional(&FIND, params![id, account])
}

pub(crate) fn find_including_removed(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: &str,
) -> Result<Option<Watermark>, Error> {
    tx.query_optional(&FIND_INCLUDING_REMOVED, params![id, account])
}

pub(crate) fn list(
    tx: &mut Tx<'_>,
    account: AccountId,
    offset: u64,
    limit: u32,
) -> Result<WatermarkPage, Error> {
    let (total, _) = used_quota(tx, account)?;
    Ok(WatermarkPage { total, watermarks: tx.query(&LIST, params![account, offset, limit])? })
}

/// Marks a watermark as removed. Returns `false` when the account has no such watermark.
pub(crate) fn remove(tx: &mut Tx<'_>, account: AccountId, id: &str) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    Ok(tx.execute(&REMOVE, params![id, account, now_ms])? == 1)
}

/// Returns up to `limit` watermarks that were removed before `before_ms` and that no unprocessed request can
/// need.
pub(crate) fn deletable(tx: &mut Tx<'_>, before_ms: i64, limit: u32) -> Result<Vec<String>, Error> {
    let oldest_job_ms = tx.query_optional::<i64>(&OLDEST_JOB, params![])?;
    // A request may use a watermark that was removed shortly before the request was accepted, because the
    // server looks the watermark up before the ledger accepts the request.
    let slack_ms = tx.now_ms().saturating_sub(before_ms).max(0);
    let needed_from_ms = oldest_job_ms.map_or(i64::MAX, |created_ms| created_ms.saturating_sub(slack_ms));
    tx.query(&REMOVED_BEFORE, params![before_ms.min(needed_from_ms), limit])
}

/// Deletes the rows of the watermarks in `ids` that were removed.
pub(crate) fn delete(tx: &mut Tx<'_>, ids: &[String]) -> Result<(), Error> {
    for id in ids {
        tx.execute(&DELETE, params![id])?;
    }
    Ok(())
}

/// Returns the elements of `ids` that have a row, including removed watermarks.
pub(crate) fn existing(tx: &mut Tx<'_>, ids: &[String]) -> Result<Vec<String>, Error> {
    let mut existing = Vec::new();
    for id in ids {
        existing.extend(tx.query_optional::<String>(&EXISTS, params![id])?);
    }
    Ok(existing)
}

/// Returns the number of an account's watermarks that are not removed, and the total size of their files in
/// bytes.
fn used_quota(tx: &mut Tx<'_>, account: AccountId) -> Result<(u64, u64), Error> {
    tx.query_one(&USED_QUOTA, params![account])
}
