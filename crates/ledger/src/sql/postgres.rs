//! The ledger in a PostgreSQL database, which several processes on several machines may share.
//!
//! In each process, one thread writes on a connection of its own (module `writer`), and a few threads read
//! (module `readers`). A writing transaction begins by taking an advisory lock of the database, so at any
//! time at most one process writes. Every operation therefore sees the same order of changes as with SQLite,
//! and needs no locks on rows. Group commit keeps the price of this order low: all operations that wait in a
//! process share one transaction.
//!
//! The time of an operation is the time of the database server, so that the clocks of the machines need not
//! agree.

mod bulk;
mod connection;
mod failure;
mod link;
mod listener;
mod migrate;
#[cfg(test)]
mod plans;
mod readers;
#[cfg(test)]
mod test_database;
mod url;
mod values;
mod writer;

use std::sync::Arc;

use uuid::Uuid;

use super::command::in_thread;
use super::database::{Database, Shared};
use crate::clock::Clock;
use crate::due_signal::DueTimes;
use crate::error::Error;
pub(crate) use bulk::{BulkConnection, RowWriter};
use link::Link;
use listener::Hints;
#[cfg(test)]
pub(crate) use test_database::TestDatabase;
use url::Server;
use writer::Writer;

/// The number of reading threads. A reading thread spends most of its time waiting for the server.
const N_READERS: usize = 4;

/// Connects to the database of a URL, migrates its schema and starts the threads.
pub(crate) async fn open(url: String, clock: Clock, due_times: Arc<DueTimes>) -> Result<Database, Error> {
    in_thread("ledger-open", move || open_blocking(&url, &clock, due_times)).await?
}

fn open_blocking(url: &str, clock: &Clock, due_times: Arc<DueTimes>) -> Result<Database, Error> {
    let server = Arc::new(Server::parse(url)?);
    let mut link = Link::new(Arc::clone(&server))?;
    migrate::migrate(&mut link)?;
    bulk::refuse_unfinished_copy(&mut link)?;
    let shared = Arc::new(Shared::default());
    let reads = readers::start(&server, N_READERS, clock)?;
    let own = Uuid::new_v4();
    let hints = Hints { clock: clock.clone(), due_times: Arc::clone(&due_times), own };
    listener::start(server, hints, &shared)?;
    let writer = Writer::new(link, own, clock.clone(), due_times, Arc::clone(&shared));
    Ok(Database { writes: writer.start()?, reads, n_readers: N_READERS, shared })
}
