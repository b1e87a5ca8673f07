//! The attempts at sending webhooks. A row is opened before anything leaves and closed afterwards; one that is still
//! open when its lease is over was cut off.

use super::{Tx, params, statements};
use crate::error::Error;
use crate::lease::Held;
use crate::model::webhook::{Attempt, Outcome};

statements! {
    OPEN = "INSERT INTO attempts (no, number, fence, started_ms) VALUES (?1, ?2, ?3, ?4)";
    CLOSE = "UPDATE attempts
             SET started_ms = ?4, duration_ms = ?5, outcome = ?6, status = ?7, address = ?8, dns_ms = ?9,
                 connect_ms = ?10, tls_ms = ?11, first_byte_ms = ?12, response = ?13, retry_after_ms = ?14
             WHERE no = ?1 AND number = ?2 AND fence = ?3";
    /// How long an interrupted attempt lasted nobody knows.
    INTERRUPT = "UPDATE attempts SET outcome = ?4, duration_ms = 0 WHERE no = ?1 AND number = ?2 AND fence = ?3";
    REMOVE = "DELETE FROM attempts WHERE no = ?1 AND number = ?2 AND fence = ?3";
}

/// Opens an attempt that begins now.
pub(super) fn open(tx: &mut Tx<'_>, no: i64, number: u32, fence: i64) -> Result<(), Error> {
    let now_ms = tx.now_ms();
    tx.execute(&OPEN, params![no, number, fence, now_ms])?;
    Ok(())
}

/// Finds its row by the fence under which it was opened, so a late one replaces what the reaper assumed.
pub(super) fn close(tx: &mut Tx<'_>, held: &Held, attempt: &Attempt) -> Result<(), Error> {
    let timings = attempt.timings;
    tx.execute(
        &CLOSE,
        params![
            held.no,
            held.attempt,
            held.fence,
            attempt.started_ms,
            attempt.duration_ms,
            attempt.outcome.as_str(),
            attempt.status,
            attempt.address.as_ref(),
            timings.dns_ms,
            timings.connect_ms,
            timings.tls_ms,
            timings.first_byte_ms,
            attempt.response.as_ref(),
            attempt.retry_after_ms
        ],
    )?;
    Ok(())
}

/// Closes an attempt that nobody will report about.
pub(super) fn interrupt(tx: &mut Tx<'_>, no: i64, number: u32, fence: i64) -> Result<(), Error> {
    tx.execute(&INTERRUPT, params![no, number, fence, Outcome::Interrupted.as_str()])?;
    Ok(())
}

/// Takes back an attempt of which nothing left.
pub(super) fn remove(tx: &mut Tx<'_>, held: &Held) -> Result<(), Error> {
    tx.execute(&REMOVE, params![held.no, held.attempt, held.fence])?;
    Ok(())
}
