//! Operations on their way to a thread that runs them, and their answers on the way back.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Tx;
use crate::error::Error;

/// An operation whose types are hidden, so that different ones can wait in one queue.
pub(crate) trait Operation: Send {
    /// Runs it inside an open transaction. Called once.
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;

    /// Tells the caller, after the commit or the failure of the whole transaction.
    fn answer(self: Box<Self>, commit: Result<(), &Failure>);
}

/// How the run of an operation ended, as far as its transaction is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It succeeded: its writes are to be kept.
    Kept,
    /// It failed by itself: its writes are to be undone.
    Undone,
    /// It lost a write that the database believed to be made.
    Poisoned,
}

/// Why a whole transaction came to nothing.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Busy,
    Poisoned,
    Database(Arc<dyn std::error::Error + Send + Sync>),
}

/// What the caller waits for. Fails when the thread is gone.
pub(crate) type Answer<T> = oneshot::Receiver<Result<T, Error>>;

/// Packs a function and the way back to its caller.
pub(crate) fn operation<T, F>(run: F) -> (Box<dyn Operation>, Answer<T>)
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Pending { function: Some(run), outcome: None, caller }), answer)
}

struct Pending<T, F> {
    function: Option<F>,
    outcome: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        let Some(function) = self.function.take() else { return Ran::Undone };
        let outcome = self.outcome.insert(function(tx));
        match outcome {
            Ok(_) => Ran::Kept,
            Err(Error::Poisoned) => Ran::Poisoned,
            Err(_) => Ran::Undone,
        }
    }

    /// An operation that failed by itself keeps its own error, whatever became of the others. A caller who is
    /// gone is no error: what was begun is committed all the same.
    fn answer(self: Box<Self>, commit: Result<(), &Failure>) {
        let answer = match (self.outcome, commit) {
            (Some(Err(error)), _) => Err(error),
            (Some(outcome), Ok(())) => outcome,
            (_, Err(failure)) => Err(failure.into()),
            (None, Ok(())) => Err(Error::Closed),
        };
        drop(self.caller.send(answer));
    }
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Busy => Self::Busy,
            Failure::Poisoned => Self::Poisoned,
            Failure::Database(error) => Self::Database(Box::new(Arc::clone(error))),
        }
    }
}
