//! Requests that their callers named: asked for again under the same name, they are answered and not done again.

use uuid::Uuid;

use super::{Row, Tx, column, params, statements};
use crate::error::Error;
use crate::model::request::{Named, NamedRequest};

/// How long a name holds.
const HOLDS_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long an unanswered request is believed to be processed. No request takes as long.
const PROCESSED_MS: i64 = 10 * 60 * 1_000;

statements! {
    FIND = "SELECT i.sha256, i.request, i.created_ms, i.answer, r.no
            FROM idempotency i LEFT JOIN requests r ON r.id = i.request
            WHERE i.account = ?1 AND i.key = ?2";
    PUT = "INSERT INTO idempotency (account, key, sha256, request, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
           ON CONFLICT (account, key) DO UPDATE
           SET sha256 = excluded.sha256, request = excluded.request, created_ms = excluded.created_ms, answer = NULL";
    ANSWER = "UPDATE idempotency SET answer = ?4 WHERE account = ?1 AND key = ?2 AND request = ?3";
    LET_GO = "DELETE FROM idempotency
              WHERE account = ?1 AND key = ?2 AND request = ?3 AND answer IS NULL
                AND NOT EXISTS (SELECT 1 FROM requests WHERE id = ?3)";
    UNANSWERED = "SELECT i.account, i.key, i.request FROM idempotency i LEFT JOIN requests r ON r.id = i.request
                  WHERE i.request > ?1 AND i.answer IS NULL AND r.no IS NULL ORDER BY i.request LIMIT ?2";
    FORGET = "DELETE FROM idempotency
              WHERE (account, key) IN (SELECT account, key FROM idempotency WHERE created_ms < ?1
                                       ORDER BY created_ms LIMIT ?2)";
}

/// Takes a name for a request, or says what became of the one that has it.
pub(crate) fn begin(tx: &mut Tx<'_>, named: &NamedRequest) -> Result<Named, Error> {
    let now_ms = tx.now_ms();
    let (account, key) = (named.account, &named.key);
    let found = tx.query_optional(&FIND, params![account, key], read)?;
    let found = found.filter(|found| now_ms.saturating_sub(found.created_ms) < HOLDS_MS);
    if let Some(found) = found {
        if found.sha256 != named.sha256 {
            return Ok(Named::Other);
        }
        let id = found.request;
        match found.answer {
            Some(answer) => return Ok(Named::Answered { id, answer }),
            None if found.is_accepted => return Ok(Named::Accepted { id }),
            None if now_ms.saturating_sub(found.created_ms) < PROCESSED_MS => return Ok(Named::Processing),
            None => {}
        }
    }
    tx.execute(&PUT, params![account, key, &named.sha256, named.id, now_ms])?;
    Ok(Named::New)
}

/// Keeps the answer of a request.
pub(crate) fn answer(tx: &mut Tx<'_>, named: &NamedRequest, answer: &str) -> Result<(), Error> {
    tx.execute(&ANSWER, params![named.account, &named.key, named.id, answer])?;
    Ok(())
}

/// Gives a name back whose request came to nothing. One that was accepted or answered keeps it.
pub(crate) fn let_go(tx: &mut Tx<'_>, named: &NamedRequest) -> Result<(), Error> {
    tx.execute(&LET_GO, params![named.account, &named.key, named.id])?;
    Ok(())
}

/// Gives back every name that an earlier process left in the middle.
pub(crate) fn recover(tx: &mut Tx<'_>) -> Result<(), Error> {
    const N_AT_ONCE: i64 = 1_000;
    let mut after = Uuid::nil();
    loop {
        let left = tx.query(&UNANSWERED, params![after, N_AT_ONCE], |row| {
            Ok((row.take::<i64>()?, row.take::<String>()?, row.take::<Uuid>()?))
        })?;
        let Some((_, _, last)) = left.last() else { return Ok(()) };
        after = *last;
        for (account, key, request) in &left {
            tx.execute(&LET_GO, params![*account, key, *request])?;
        }
    }
}

/// Removes up to `limit` names whose time is over.
pub(super) fn forget(tx: &mut Tx<'_>, limit: u32) -> Result<(), Error> {
    let before_ms = tx.now_ms().saturating_sub(HOLDS_MS);
    tx.execute(&FORGET, params![before_ms, limit])?;
    Ok(())
}

struct Found {
    sha256: [u8; 32],
    request: Uuid,
    created_ms: i64,
    answer: Option<String>,
    is_accepted: bool,
}

fn read(row: &mut Row<'_>) -> Result<Found, Error> {
    Ok(Found {
        sha256: row.take()?,
        request: row.take()?,
        created_ms: row.take()?,
        answer: row.take()?,
        is_accepted: column::<Option<i64>>(row)?.is_some(),
    })
}
