//! The operations that wait in the queue of a database thread, and the channels that return the answers of
//! these operations.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Tx;
use crate::destination::DeliveryLimits;
use crate::error::Error;

/// An operation whose result type is hidden, so that operations with different result types can wait in one
/// queue.
pub(crate) trait Operation: Send {
    /// The delivery limits that apply to the operation.
    fn limits(&self) -> DeliveryLimits;

    /// Runs the operation inside an open transaction. If this transaction fails for a passing reason, the
    /// database thread runs the operation again in a new transaction.
    fn run(&mut self, tx: &mut Tx<'_>) -> RunEffect;

    /// Sends the answer to the caller, after the transaction was committed or the commit has failed.
    fn answer(self: Box<Self>, commit: Result<(), &TransactionFailure>);
}

/// The effect of an operation on its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEffect {
    /// The operation succeeded, so its writes must be committed.
    Commit,
    /// The operation failed, so its writes must be rolled back.
    RollBack,
    /// The operation found that a flushed write was lost, so the database must refuse all further operations.
    Poisoned,
}

/// The reason why a whole transaction failed.
#[derive(Clone, Debug)]
pub(crate) enum TransactionFailure {
    Busy,
    Poisoned,
    /// The database server cannot be reached, or cannot work now.
    Away(Arc<dyn std::error::Error + Send + Sync>),
    Database(Arc<dyn std::error::Error + Send + Sync>),
}

/// The receiver of an operation's answer. Receiving fails when the database thread has ended.
pub(crate) type Answer<T> = oneshot::Receiver<Result<T, Error>>;

/// Creates an operation from a function. Returns the operation and the receiver of its answer.
pub(crate) fn operation<T, F>(limits: DeliveryLimits, function: F) -> (Box<dyn Operation>, Answer<T>)
where
    T: Send + 'static,
    F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Pending { limits, function, outcome: None, caller }), answer)
}

struct Pending<T, F> {
    limits: DeliveryLimits,
    function: F,
    outcome: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send,
{
    fn limits(&self) -> DeliveryLimits {
        self.limits
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> RunEffect {
        let outcome = self.outcome.insert((self.function)(tx));
        match outcome {
            Ok(_) => RunEffect::Commit,
            Err(Error::Poisoned) => RunEffect::Poisoned,
            Err(_) => RunEffect::RollBack,
        }
    }

    /// Sends the answer to the caller: the error of the operation if the operation failed, or else the error
    /// of the transaction if the transaction failed, or else the result. If the caller no longer waits for
    /// the answer, the answer is dropped.
    fn answer(self: Box<Self>, commit: Result<(), &TransactionFailure>) {
        let answer = match (self.outcome, commit) {
            (Some(Err(error)), _) => Err(error),
            (Some(outcome), Ok(())) => outcome,
            (_, Err(failure)) => Err(failure.into()),
            (None, Ok(())) => Err(Error::Closed),
        };
        drop(self.caller.send(answer));
    }
}

impl From<&TransactionFailure> for Error {
    fn from(failure: &TransactionFailure) -> Self {
        match failure {
            TransactionFailure::Busy => Self::Busy,
            TransactionFailure::Poisoned => Self::Poisoned,
            TransactionFailure::Away(error) => Self::Away(Box::new(Arc::clone(error))),
            TransactionFailure::Database(error) => Self::Database(Box::new(Arc::clone(error))),
        }
    }
}
