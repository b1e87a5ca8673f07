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
    OPEN[concat!(key_columns!(), ", started_ms")] = concat!(
        "INSERT INTO attempts (", key_columns!(), ", started_ms)
         SELECT ", key_columns!(of_rows), ", v.started_ms FROM {rows}"
    );
    CLOSE[concat!(attempt_columns!(), ", of_seq, of_number, of_fence")] = concat!(
        "UPDATE attempts SET ", attempt_columns!(set_of_rows), " FROM {rows}
         WHERE seq = v.of_seq AND number = v.of_number AND fence = v.of_fence"
    );
    /// The duration of an interrupted attempt is unknown, so 0 is stored.
    INTERRUPT["of_seq, of_number, of_fence, new_outcome"] =
        "UPDATE attempts SET outcome = v.new_outcome, duration_ms = 0 FROM {rows}
         WHERE seq = v.of_seq AND number = v.of_number AND fence = v.of_fence";
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

/// Inserts the rows of attempts that start now.
pub(super) fn open(tx: &mut Tx<'_>, keys: &[AttemptKey]) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    let rows: Vec<_> = keys.iter().map(|key| Params::of(key).and(&now_ms)).collect();
    tx.execute_each(&OPEN, &rows)
}

/// Stores how attempts ended. The fencing token of the attempt's lease identifies the row. A report that
/// arrives after the end of the lease therefore replaces the outcome `interrupted` in the row of the reported
/// attempt, not in the row of a later attempt.
pub(super) fn close<'a>(
    tx: &mut Tx<'_>,
    ended: impl Iterator<Item = (&'a LeaseKey, &'a Attempt)>,
) -> Result<(), Error> {
    let ended: Vec<_> = ended.map(|(lease, attempt)| (AttemptKey::from(lease), attempt)).collect();
    let rows: Vec<_> = ended.iter().map(|(key, attempt)| Params::of(*attempt).and(key)).collect();
    tx.execute_all(&CLOSE, &rows)?;
    Ok(())
}

/// Stores the outcome `interrupted` for attempts whose leases ended before the attempts were reported.
pub(super) fn interrupt(tx: &mut Tx<'_>, keys: &[AttemptKey]) -> Result<(), Error> {
    let rows: Vec<_> = keys.iter().map(|key| Params::of(key).and(&Outcome::Interrupted)).collect();
    tx.execute_all(&INTERRUPT, &rows)?;
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
