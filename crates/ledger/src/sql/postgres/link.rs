//! A connection that is opened again after it was lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::connection::{Connection, Transaction};
use super::failure::Failure;
use super::url::Server;
use crate::error::Error;

/// The time after a failed connection during which no other connection is tried.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// The connection of one thread. If the connection was lost, the next transaction opens another one.
pub(super) struct Link {
    server: Arc<Server>,
    runtime: Runtime,
    connection: Option<Connection>,
    /// The time and the reason of the last connection that could not be opened. `None` after a success.
    refused: Option<(Instant, Failure)>,
}

impl Link {
    /// Creates a link that is not connected yet.
    pub(super) fn new(server: Arc<Server>) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::Database(Box::new(error)))?;
        Ok(Self { server, runtime, connection: None, refused: None })
    }

    /// Returns whether the last connection was opened and was not lost since.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Runs a function in a transaction that begins with the SQL text `begin`. The function gets the time of
    /// the server's clock, and ends the transaction. After a failure, the next transaction uses a new
    /// connection, unless the transaction was only in conflict with another one.
    pub(super) fn transact<T>(
        &mut self,
        begin: &str,
        run: impl FnOnce(&mut Transaction<'_>, i64) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let done = self.connected().and_then(|(connection, runtime)| {
            let (mut transaction, now_ms) = connection.begin(runtime, begin)?;
            run(&mut transaction, now_ms)
        });
        let can_continue = match &done {
            Ok(_) => true,
            Err(Failure::Away(_)) => false,
            Err(Failure::Conflict(_) | Failure::Database(_)) => self.roll_back().is_ok(),
        };
        if !can_continue {
            self.connection = None;
        }
        done
    }

    /// Closes the connection, so that the next transaction opens another one.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Waits before the next attempt.
    pub(super) fn pause(&self) {
        self.runtime.block_on(async { tokio::time::sleep(RECONNECT_PAUSE).await });
    }

    fn connected(&mut self) -> Result<(&mut Connection, &Runtime), Failure> {
        if self.connection.is_none() {
            if let Some((at, failure)) = &self.refused
                && at.elapsed() < RECONNECT_PAUSE
            {
                return Err(failure.clone());
            }
            let opened = Connection::open(&self.server, &self.runtime);
            self.refused = opened.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
            return Ok((self.connection.insert(opened?), &self.runtime));
        }
        match &mut self.connection {
            Some(connection) => Ok((connection, &self.runtime)),
            None => unreachable!("the connection was opened above"),
        }
    }

    fn roll_back(&self) -> Result<(), Failure> {
        match &self.connection {
            Some(connection) => connection.run(&self.runtime, "ROLLBACK").map(drop),
            None => Ok(()),
        }
    }
}
