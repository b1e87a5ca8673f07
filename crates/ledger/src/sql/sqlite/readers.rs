//! The threads that read: lists, lookups, keys. Each operation sees one snapshot of the database.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::{Open, Role, failure, open};
use super::{Message, Shared, spawn};
use crate::clock::Clock;
use crate::error::Error;
use crate::sql::Tx;
use crate::sql::operation::{Failure, Operation};

/// How many operations may wait; one more is answered with [`Error::Busy`].
const MAX_WAITING_OPERATIONS: usize = 1024;

/// Starts the threads; returns the way to them. A thread ends when it is told to, or when nobody can send anything
/// any more.
pub(super) fn start(
    path: &Path,
    n_threads: usize,
    clock: &Clock,
    shared: &Arc<Shared>,
) -> Result<SyncSender<Message>, Error> {
    let (queue, messages) = sync_channel(MAX_WAITING_OPERATIONS);
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

/// Returns with whom to tell that the thread has left.
fn run(
    connection: &Connection,
    clock: &Clock,
    shared: &Shared,
    messages: &Mutex<Receiver<Message>>,
) -> Option<oneshot::Sender<()>> {
    loop {
        // The lock is held while waiting: whoever has it is the next to be woken.
        let message = messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let mut operation = match message {
            Ok(Message::Run(operation)) => operation,
            Ok(Message::Stop(done)) => return Some(done),
            Err(_) => return None,
        };
        let done = if shared.is_poisoned() {
            Err(Failure::Poisoned)
        } else {
            read(connection, clock, operation.as_mut())
        };
        operation.answer(done.as_ref().copied());
    }
}

fn read(connection: &Connection, clock: &Clock, operation: &mut dyn Operation) -> Result<(), Failure> {
    execute(connection, "BEGIN")?;
    operation.run(&mut Tx::new(&mut Open(connection), clock.now_ms()));
    execute(connection, "COMMIT")
}

fn execute(connection: &Connection, sql: &'static str) -> Result<(), Failure> {
    let executed = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    executed.map(drop).map_err(failure)
}
