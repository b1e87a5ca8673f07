//! The operations that wait in the queue of a database thread, and the channels that return the answers of
//! these operations.

use std::any::{Any, TypeId};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Tx;
use crate::destination::DeliveryLimits;
use crate::error::Error;

/// An operation whose result type is hidden, so that operations with different result types can wait in one
/// queue. An operation may hold several calls, which run the same statements together.
pub(crate) trait Operation: Send + 'static {
    /// The delivery limits that apply to the operation.
    fn limits(&self) -> DeliveryLimits;

    /// Runs the operation inside an open transaction. If this transaction fails for a passing reason, the
    /// database thread runs the operation again in a new transaction.
    fn run(&mut self, tx: &mut Tx<'_>) -> RunEffect;

    /// Sends the answer to each caller, after the transaction was committed or the commit has failed.
    fn answer(self: Box<Self>, commit: Result<(), &TransactionFailure>);

    /// The number of calls.
    fn n_calls(&self) -> usize {
        1
    }

    /// Takes over the calls of an operation of the same kind. Returns an operation of another kind unchanged.
    fn merge(&mut self, other: Box<dyn Operation>) -> Option<Box<dyn Operation>> {
        Some(other)
    }

    /// Divides the operation into one operation for each call.
    fn split(self: Box<Self>) -> Vec<Box<dyn Operation>>;

    /// Converts the operation, so that [`Operation::merge`] can determine its kind.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;

    /// The kind of an operation that can be merged with others: its types and its function.
    fn kind(&self) -> Option<(TypeId, usize)> {
        None
    }
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
    T: Send + 'static,
    F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
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

    fn split(self: Box<Self>) -> Vec<Box<dyn Operation>> {
        vec![self]
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A function that serves several calls with the same statements. It returns one answer for each input. If
/// it fails as a whole, each call is run alone.
pub(crate) type CallGroup<I, T> = fn(&mut Tx<'_>, &[I]) -> Result<Vec<Result<T, Error>>, Error>;

/// Creates an operation from a function that can serve several calls together. Returns the operation and the
/// receiver of its answer.
pub(crate) fn call<I, T>(
    limits: DeliveryLimits,
    function: CallGroup<I, T>,
    input: I,
) -> (Box<dyn Operation>, Answer<T>)
where
    I: Send + 'static,
    T: Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Calls { limits, function, inputs: vec![input], callers: vec![caller], outcome: None }), answer)
}

/// The waiting calls of one function.
struct Calls<I, T> {
    limits: DeliveryLimits,
    function: CallGroup<I, T>,
    inputs: Vec<I>,
    callers: Vec<oneshot::Sender<Result<T, Error>>>,
    outcome: Option<Result<Vec<Result<T, Error>>, Error>>,
}

impl<I: Send + 'static, T: Send + 'static> Operation for Calls<I, T> {
    fn limits(&self) -> DeliveryLimits {
        self.limits
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> RunEffect {
        let outcome = self.outcome.insert((self.function)(tx, &self.inputs));
        match outcome {
            Ok(_) => RunEffect::Commit,
            Err(Error::Poisoned) => RunEffect::Poisoned,
            Err(_) => RunEffect::RollBack,
        }
    }

    fn answer(self: Box<Self>, commit: Result<(), &TransactionFailure>) {
        let answers: Vec<_> = match (self.outcome, commit) {
            (Some(Ok(answers)), Ok(())) => answers,
            (Some(Err(error)), _) if self.callers.len() == 1 => vec![Err(error)],
            (_, Err(failure)) => self.callers.iter().map(|_| Err(failure.into())).collect(),
            // An operation with several calls that fails is divided, so this does not occur.
            (_, Ok(())) => Vec::new(),
        };
        // A caller without an answer gets the error that the channel was closed.
        for (caller, answer) in self.callers.into_iter().zip(answers) {
            drop(caller.send(answer));
        }
    }

    fn n_calls(&self) -> usize {
        self.inputs.len()
    }

    fn merge(&mut self, other: Box<dyn Operation>) -> Option<Box<dyn Operation>> {
        if other.kind() != self.kind() || other.limits() != self.limits {
            return Some(other);
        }
        if let Ok(other) = other.into_any().downcast::<Self>() {
            self.inputs.extend(other.inputs);
            self.callers.extend(other.callers);
        }
        None
    }

    fn split(self: Box<Self>) -> Vec<Box<dyn Operation>> {
        let Self { limits, function, inputs, callers, .. } = *self;
        let calls = inputs.into_iter().zip(callers);
        let alone = |(input, caller)| -> Box<dyn Operation> {
            Box::new(Self { limits, function, inputs: vec![input], callers: vec![caller], outcome: None })
        };
        calls.map(alone).collect()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn kind(&self) -> Option<(TypeId, usize)> {
        Some((TypeId::of::<Self>(), self.function as usize))
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
