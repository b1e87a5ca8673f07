//! The SQL operations on attempts. The row of an attempt is inserted before anything is sent, and completed
//! when the attempt has ended. An attempt whose row is still incomplete when its lease ends was interrupted.

use super::{Params, Tx, columns, params, statements};
use crate::error::Error;
use crate::history::RecordedAttempt;
use crate::lease::LeaseKey;
use crate::model::webhook::{Attempt, Outcome, Timings};

columns! { Timings as timings_columns, read + write { dns_ms, connect_ms, tls_ms, first_byte_ms } }
columns! {
    Attempt as attempt_columns, read + write {
        started_ms, duration_ms, outcome, status, address, timings: timings_columns, response, retry_after_ms
    }
}
columns! { RecordedAttempt as recorded_attempt_columns, read { number, attempt: attempt_columns } }
columns! { AttemptKey as key_columns, write { seq, number, fence } }

statements! {
    OPEN = concat!(
        "INSERT INTO attempts (", key_columns!(), ", started_ms) VALUES (", key_columns!(values), ", ?)"
    );
    CLOSE = concat!(
        "UPDATE attempts SET ", attempt_columns!(set), " WHERE seq = ? AND number = ? AND fence = ?"
    );
    /// The duration of an interrupted attempt is unknown, so 0 is stored.
    INTERRUPT = "UPDATE attempts SET outcome = ?4, duration_ms = 0
                 WHERE seq = ?1 AND number = ?2 AND fence = ?3";
    DELETE = "DELETE FROM attempts WHERE seq = ?1 AND number = ?2 AND fence = ?3";
    ENDED = concat!(
        "SELECT ", recorded_attempt_columns!(), " FROM attempts
         WHERE seq = ?1 AND outcome IS NOT NULL ORDER BY number"
    );
}

/// The values that identify the row of an attempt: the sequence number of the webhook, the number of the
/// attempt, and the fencing token of the lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptKey {
    pub(super) seq: i64,
    pub(super) number: u32,
    pub(super) fence: i64,
}

impl From<&LeaseKey> for AttemptKey {
    fn from(lease: &LeaseKey) -> Self {
        Self { seq: lease.seq, number: lease.attempt, fence: lease.fence }
    }
}

/// Inserts the row of an attempt that starts now.
pub(super) fn open(tx: &mut Tx<'_>, key: AttemptKey) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&OPEN, Params::of(&key).and(&now_ms).as_slice())?;
    Ok(())
}

/// Stores how an attempt ended. The fencing token of the attempt's lease identifies the row. A report that
/// arrives after the end of the lease therefore replaces the outcome `interrupted` in the row of the reported
/// attempt, not in the row of a later attempt.
pub(super) fn close(tx: &mut Tx<'_>, lease: &LeaseKey, attempt: &Attempt) -> Result<(), Error> {
    let key = AttemptKey::from(lease);
    tx.execute(&CLOSE, Params::of(attempt).and(&key).as_slice())?;
    Ok(())
}

/// Stores the outcome `interrupted` for an attempt whose lease ended before the attempt was reported.
pub(super) fn interrupt(tx: &mut Tx<'_>, key: AttemptKey) -> Result<(), Error> {
    tx.execute(&INTERRUPT, params![key.seq, key.number, key.fence, Outcome::Interrupted])?;
    Ok(())
}

/// Deletes the row of an attempt that sent nothing.
pub(super) fn delete(tx: &mut Tx<'_>, lease: &LeaseKey) -> Result<(), Error> {
    tx.execute(&DELETE, params![lease.seq, lease.attempt, lease.fence])?;
    Ok(())
}

/// Returns the attempts of a webhook that have ended, oldest first.
pub(super) fn ended(tx: &mut Tx<'_>, seq: i64) -> Result<Vec<RecordedAttempt>, Error> {
    tx.query(&ENDED, params![seq])
}
