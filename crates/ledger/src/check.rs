//! Checks whether the rows of a ledger agree with each other.

use crate::error::Error;
use crate::ledger::Store;
use crate::sql;
use crate::sql::command::in_thread;

/// A rule that the rows of a ledger break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, with the ids and the sequence numbers of the rows.
    pub text: String,
}

/// Checks that the rows of a ledger agree with each other: that the counters equal the rows, that the queues
/// contain the webhooks whose statuses say that they wait, that the state of each destination agrees with the
/// waiting and the leased webhooks of this destination, and that no row is left over. Of an SQLite file, the structure of the file is checked first.
///
/// The ledger may be in use: all rules see the same snapshot. Nothing is changed, and no schema is migrated.
/// The check reads most tables completely. `on_violation` is called from another thread for each violation.
/// Returns the number of violations.
///
/// # Errors
/// [`Error::TooOld`], [`Error::TooNew`], [`Error::NotALedger`], [`Error::InvalidUrl`], [`Error::Away`],
/// [`Error::Busy`], [`Error::Corrupt`], [`Error::Database`].
pub async fn check_ledger(
    store: Store,
    mut on_violation: impl FnMut(Violation) + Send + 'static,
) -> Result<u64, Error> {
    in_thread("ledger-check", move || sql::check::check(store, &mut on_violation)).await?
}
