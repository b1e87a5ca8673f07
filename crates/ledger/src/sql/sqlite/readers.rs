//! The reading threads of the database. They run the operations that change nothing, and each operation reads
//! one snapshot of the database.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::{OpenTransaction, Role, execute, open};
use crate::clock::Clock;
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::database::{Message, Shared, read_queue, spawn};
use crate::sql::operation::{Operation, TransactionFailure};

/// Starts the reading threads, and returns their common queue. A thread ends when it receives a stop message,
/// or when all senders of the queue are dropped.
pub(super) fn start(
    path: &Path,
    n_threads: usize,
    clock: &Clock,
    shared: &Arc<Shared>,
) -> Result<SyncSender<Message>, Error> {
    let (queue, messages) = read_queue();
    let messages = Arc::new(Mutex::new(messages));
    for _ in 0..n_threads {
        let connection = open(path, Role::Reader)?;
        let (clock, shared, messages) = (clock.clone(), Arc::clone(shared), Arc::clone(&messages));
        spawn("ledger-reader", move || {
            let stopped = run(&connection, &clock, &shared, &messages);
            drop(connection);
            drop(stopped);
        })?;
    }
    Ok(queue)
}

/// Runs operations until the thread must end. Returns the sender of the stop message. The thread drops this
/// sender after it has closed its connection.
fn run(
    connection: &Connection,
    clock: &Clock,
    shared: &Shared,
    messages: &Mutex<Receiver<Message>>,
) -> Option<oneshot::Sender<()>> {
    loop {
        // This thread holds the lock on the queue while it waits for a message. The other threads wait for
        // the lock.
        let message = messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let mut operation = match message {
            Ok(Message::Run(operation)) => operation,
            Ok(Message::Stop(done)) => return Some(done),
            Err(_) => return None,
        };
        let done = if shared.is_poisoned() {
            Err(TransactionFailure::Poisoned)
        } else {
            read(connection, clock, operation.as_mut())
        };
        operation.answer(done.as_ref().copied());
    }
}

fn read(
    connection: &Connection,
    clock: &Clock,
    operation: &mut dyn Operation,
) -> Result<(), TransactionFailure> {
    execute(connection, "BEGIN")?;
    operation.run(&mut Tx::new(&mut OpenTransaction(connection), clock.now_ms(), operation.limits()));
    execute(connection, "COMMIT")
}
