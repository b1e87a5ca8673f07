//! The SQL operations on idempotency keys. A repeated request with the same key gets the stored answer and is
//! not processed again.

use uuid::Uuid;

use super::{Params, Tx, columns, params, statements};
use crate::error::Error;
use crate::model::request::{IdempotencyStatus, IdempotentRequest};

/// The lifetime of an idempotency key, in milliseconds.
const KEY_LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;

/// The age, in milliseconds, at which a request without a stored answer loses its idempotency key to a new
/// request. Processing a request never takes this long, so the older request can no longer be answered.
const MAX_PROCESSING_MS: i64 = 10 * 60 * 1_000;

/// The number of idempotency keys that the recovery reads with one query.
const RECOVERY_BATCH_LEN: i64 = 1_000;

columns! {
    KeyRow as key_row_columns, read {
        sha256 = "i.sha256", request = "i.request", created_ms = "i.created_ms", answer = "i.answer",
        request_seq = "r.seq",
        is_abandoned = "CAST(CASE WHEN i.owner IS NOT NULL AND n.seq IS NULL THEN 1 ELSE 0 END AS BIGINT)"
    }
}

statements! {
    FIND = concat!(
        "SELECT ", key_row_columns!(), " FROM idempotency i
         LEFT JOIN requests r ON r.id = i.request LEFT JOIN nodes n ON n.seq = i.owner
         WHERE i.account = ?1 AND i.key = ?2"
    );
    PUT = "INSERT INTO idempotency (account, key, sha256, request, created_ms, owner)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6)
           ON CONFLICT (account, key) DO UPDATE
           SET sha256 = excluded.sha256, request = excluded.request, created_ms = excluded.created_ms,
               answer = NULL, owner = excluded.owner";
    STORE_ANSWER = "UPDATE idempotency SET answer = ?4 WHERE account = ?1 AND key = ?2 AND request = ?3";
    RELEASE = "DELETE FROM idempotency
               WHERE account = ?1 AND key = ?2 AND request = ?3 AND answer IS NULL
                 AND NOT EXISTS (SELECT 1 FROM requests WHERE id = ?3)";
    UNFINISHED = "SELECT i.account, i.key, i.request
                  FROM idempotency i LEFT JOIN requests r ON r.id = i.request
                  WHERE i.request > ?1 AND i.answer IS NULL AND r.seq IS NULL ORDER BY i.request LIMIT ?2";
    EXPIRED = "SELECT account, key FROM idempotency WHERE created_ms < ?1 ORDER BY created_ms LIMIT ?2";
    DELETE["of_account, of_key"] =
        "DELETE FROM idempotency USING {rows} WHERE account = v.of_account AND key = v.of_key";
}

/// Reserves an idempotency key for a request. If another request already has the key, returns the state of
/// the other request.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    owner: Option<i64>,
    request: &IdempotentRequest,
) -> Result<IdempotencyStatus, Error> {
    let now_ms = tx.now_ms();
    let (account, key) = (request.account, &request.key);
    let row = tx.query_optional::<KeyRow>(&FIND, params![account, key])?;
    let row = row.filter(|row| now_ms.saturating_sub(row.created_ms) < KEY_LIFETIME_MS);
    if let Some(row) = row {
        if row.sha256 != request.sha256 {
            return Ok(IdempotencyStatus::KeyReused);
        }
        let id = row.request;
        match row.answer {
            Some(answer) => return Ok(IdempotencyStatus::Answered { id, answer }),
            None if row.request_seq.is_some() => return Ok(IdempotencyStatus::Accepted { id }),
            None if !row.is_abandoned && now_ms.saturating_sub(row.created_ms) < MAX_PROCESSING_MS => {
                return Ok(IdempotencyStatus::InProgress);
            }
            None => {}
        }
    }
    tx.execute(&PUT, params![account, key, request.sha256, request.id, now_ms, owner])?;
    Ok(IdempotencyStatus::New)
}

/// Stores the answer of a request under its idempotency key.
pub(crate) fn store_answer(tx: &mut Tx<'_>, request: &IdempotentRequest, answer: &str) -> Result<(), Error> {
    tx.execute(&STORE_ANSWER, params![request.account, request.key, request.id, answer])?;
    Ok(())
}

/// Frees the idempotency key of a request that failed. The key of an accepted or answered request is not
/// freed.
pub(crate) fn release(tx: &mut Tx<'_>, request: &IdempotentRequest) -> Result<(), Error> {
    tx.execute(&RELEASE, params![request.account, request.key, request.id])?;
    Ok(())
}

/// Frees every idempotency key whose request an earlier process left unfinished.
pub(crate) fn recover(tx: &mut Tx<'_>) -> Result<(), Error> {
    let mut after = Uuid::nil();
    loop {
        let unfinished: Vec<(AccountKey, Uuid)> =
            tx.query(&UNFINISHED, params![after, RECOVERY_BATCH_LEN])?;
        let Some((_, last)) = unfinished.last() else { return Ok(()) };
        after = *last;
        for ((account, key), request) in &unfinished {
            tx.execute(&RELEASE, params![account, key, request])?;
        }
    }
}

/// Deletes up to `limit` expired idempotency keys.
pub(super) fn delete_expired(tx: &mut Tx<'_>, limit: u32) -> Result<(), Error> {
    let before_ms = tx.now_ms().saturating_sub(KEY_LIFETIME_MS);
    let expired: Vec<AccountKey> = tx.query(&EXPIRED, params![before_ms, limit])?;
    tx.execute_each(
        &DELETE,
        &expired.iter().map(|(account, key)| Params::of(account).and(key)).collect::<Vec<_>>(),
    )
}

/// The id of an account and one of the account's idempotency keys.
type AccountKey = (i64, String);

struct KeyRow {
    sha256: [u8; 32],
    request: Uuid,
    created_ms: i64,
    answer: Option<String>,
    /// The sequence number of the accepted request. `None` if the ledger has not accepted the request.
    request_seq: Option<i64>,
    /// Whether the node that processed the request has ended or lost its lease.
    is_abandoned: bool,
}
