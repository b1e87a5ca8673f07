//! The failures of transactions on PostgreSQL, and what the threads of the database do about each of them.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

use crate::error::Error;
use crate::sql::operation::TransactionFailure;

/// The reason why a transaction failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server has undone the transaction because of another transaction. The transaction can be run again
    /// at once.
    Conflict(Source),
    /// The connection was lost, or the server cannot work now. The transaction can be run again on a new
    /// connection, when the server can be reached.
    Away(Source),
    /// The transaction would fail again.
    Database(Source),
}

pub(super) type Source = Arc<dyn std::error::Error + Send + Sync>;

/// The server did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer within {0} s")]
pub(super) struct NoAnswer(pub(super) u64);

impl Failure {
    pub(super) fn no_answer(seconds: u64) -> Self {
        Self::Away(Arc::new(NoAnswer(seconds)))
    }

    /// Returns whether the transaction may succeed if it is run again.
    pub(super) fn is_passing(&self) -> bool {
        !matches!(self, Self::Database(_))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            // An error without a code of the server comes from the connection, or from a value of a wrong
            // type.
            return if is_of_the_connection(&error) {
                Self::Away(Arc::new(error))
            } else {
                Self::Database(Arc::new(error))
            };
        };
        match state {
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Conflict(Arc::new(error))
            }
            state if is_away(state) => Self::Away(Arc::new(error)),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<Failure> for TransactionFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(source) | Failure::Away(source) => Self::Away(source),
            Failure::Database(source) => Self::Database(source),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::from(&TransactionFailure::from(failure))
    }
}

/// Converts the error of one statement into the error of the operation that ran the statement. Also returns
/// the failure of the whole transaction, if the transaction cannot continue without a new attempt.
pub(super) fn statement_error(error: tokio_postgres::Error) -> (Error, Option<Failure>) {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return (Error::Exists, None);
    }
    let failure = Failure::from(error);
    let passing = failure.is_passing().then(|| failure.clone());
    (failure.into(), passing)
}

fn is_of_the_connection(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Returns whether a state means that the server cannot work now: class 53 (no disk space, memory or
/// connections are left), class 57 (an operator or a time-out has intervened, the server starts or stops),
/// class 58 (the system of the server failed), class 08 (connections), 25006 and 0A000 (a standby, which cannot
/// be written), 25P03 (the time-out of an idle transaction), 55P03 (the time-out of a lock). 26000 and 0A000 also
/// mean that a prepared statement can no longer be used, for example after a migration. A new connection helps.
fn is_away(state: &SqlState) -> bool {
    let code = state.code();
    ["53", "57", "58", "08"].iter().any(|class| code.starts_with(class))
        || ["25006", "0A000", "25P03", "26000", "55P03"].contains(&code)
}
