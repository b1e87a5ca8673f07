//! The ledger in one SQLite file: the database threads, and the queues of operations for these threads.
//!
//! One thread writes, and commits all waiting operations together (module `writer`). A few threads read, each
//! on its own connection (module `readers`). A read sees every commit that was reported to its callers before
//! the read began. One thread copies the write-ahead log into the database (module `checkpoint`).

mod backup;
mod checkpoint;
mod connection;
mod erase;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod in_memory;
mod migrate;
#[cfg(test)]
mod plans;
mod readers;
mod snapshot;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::command::in_thread;
use super::database::{Database, Shared};
use crate::clock::Clock;
use crate::due_signal::DueTimes;
use crate::error::Error;
pub(crate) use backup::back_up;
use checkpoint::Checkpointer;
use connection::Role;
pub use erase::erase_remains;
#[cfg(test)]
pub(crate) use in_memory::{memory, transact};
pub(crate) use snapshot::SqliteSnapshot;
use writer::Writer;

/// The number of reading threads. On a machine with few cores, more threads would not be faster, because most
/// reads use only data in memory.
const N_READERS: usize = 2;

/// Opens the database file, creates the file if it is missing, and starts the threads.
pub(crate) async fn open(path: PathBuf, clock: Clock, due_times: Arc<DueTimes>) -> Result<Database, Error> {
    in_thread("ledger-open", move || open_blocking(&path, &clock, due_times)).await?
}

fn open_blocking(path: &Path, clock: &Clock, due_times: Arc<DueTimes>) -> Result<Database, Error> {
    let locked_directory = connection::create(path)?;
    let mut connection = connection::open(path, Role::Writer)?;
    migrate::migrate(&mut connection, path)?;
    connection::flush_names(&locked_directory, path)?;
    start(path, connection, clock, due_times)
}

fn start(
    path: &Path,
    connection: Connection,
    clock: &Clock,
    due_times: Arc<DueTimes>,
) -> Result<Database, Error> {
    let shared = Arc::new(Shared::default());
    let checkpointer = Checkpointer::start(path, Arc::clone(&shared))?;
    let reads = readers::start(path, N_READERS, clock, &shared)?;
    let writer = Writer::new(connection, clock.clone(), due_times, Arc::clone(&shared), checkpointer);
    Ok(Database { writes: writer.start()?, reads, n_readers: N_READERS, shared })
}
