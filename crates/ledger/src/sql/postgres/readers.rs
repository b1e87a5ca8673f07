//! The reading threads of the database. They run the operations that change nothing, and each operation reads
//! one snapshot of the database.

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::failure::Failure;
use super::link::Link;
use super::url::Server;
use crate::clock::Clock;
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::database::{Message, read_queue, spawn};
use crate::sql::operation::{Operation, TransactionFailure};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '30s'; \
                     SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// Starts the reading threads, and returns their common queue. A thread ends when it receives a stop message,
/// or when all senders of the queue are dropped.
pub(super) fn start(
    server: &Arc<Server>,
    n_threads: usize,
    clock: &Clock,
) -> Result<SyncSender<Message>, Error> {
    let (queue, messages) = read_queue();
    let messages = Arc::new(Mutex::new(messages));
    for _ in 0..n_threads {
        let link = Link::new(Arc::clone(server))?;
        let (clock, messages) = (clock.clone(), Arc::clone(&messages));
        spawn("ledger-reader", move || drop(run(link, &clock, &messages)))?;
    }
    Ok(queue)
}

/// Runs operations until the thread must end. Returns the sender of the stop message. The thread drops this
/// sender after it has closed its connection.
fn run(mut link: Link, clock: &Clock, messages: &Mutex<Receiver<Message>>) -> Option<oneshot::Sender<()>> {
    loop {
        // This thread holds the lock on the queue while it waits for a message. The other threads wait for
        // the lock.
        let message = messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let mut operation = match message {
            Ok(Message::Run(operation)) => operation,
            Ok(Message::Stop(done)) => return Some(done),
            Err(_) => return None,
        };
        let was_connected = link.is_connected();
        let mut done = read(&mut link, clock, operation.as_mut());
        // A connection that was open before may have been lost long ago, so another one is tried at once.
        if was_connected && matches!(done, Err(Failure::Away(_))) {
            done = read(&mut link, clock, operation.as_mut());
        }
        let done = done.map_err(TransactionFailure::from);
        operation.answer(done.as_ref().copied());
    }
}

fn read(link: &mut Link, clock: &Clock, operation: &mut dyn Operation) -> Result<(), Failure> {
    link.transact(BEGIN, |transaction, server_ms| {
        let now_ms = clock.at_server_time(server_ms);
        operation.run(&mut Tx::new(transaction, now_ms, operation.limits()));
        match transaction.failure.take() {
            Some(failure) => Err(failure),
            None => transaction.run("COMMIT"),
        }
    })
}
