//! The pool of idle connections. The pool keeps a connection for a few seconds, so that the next request to
//! the same origin can reuse the connection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;
use crate::target::Origin;

/// The longest time that a connection stays idle in the pool. Common servers close idle connections after 5
/// seconds, so the pool closes a connection before the server does.
const MAX_IDLE_TIME: Duration = Duration::from_secs(4);

/// The largest number of idle connections to one origin.
const MAX_IDLE_PER_ORIGIN: usize = 16;

/// The largest number of idle connections to all origins together.
const MAX_IDLE_TOTAL: usize = 256;

/// The pool of idle connections. All exchanges of one [`crate::Net`] share this pool.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<IdleConnections>,
    /// Wakes [`Pool::close_idle`] after a connection was put into the pool.
    filled: Notify,
}

#[derive(Default)]
struct IdleConnections {
    /// The idle connections of each origin, each with the time at which its idle time began. The connection
    /// with the longest idle time comes first.
    by_origin: HashMap<Origin, Vec<(Connection, Instant)>>,
    n_total: usize,
}

impl Pool {
    /// Removes the most recently used connection to `origin` from the pool and returns the connection.
    /// Connections that have expired or that the peer has closed are dropped on the way.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let (mut connection, idle_since) = self.idle().pop(origin)?;
            if idle_since.elapsed() < MAX_IDLE_TIME && connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    /// Puts a connection into the pool if the connection can carry another request. Closes the connection
    /// when the pool is full.
    pub(crate) fn put(&self, origin: &Origin, mut connection: Connection) {
        if !connection.is_reusable() {
            return;
        }
        let mut idle = self.idle();
        if idle.n_total >= MAX_IDLE_TOTAL {
            idle.drop_expired(Instant::now());
        }
        if idle.n_total >= MAX_IDLE_TOTAL {
            return;
        }
        idle.push(origin, connection);
        drop(idle);
        self.filled.notify_one();
    }

    /// Closes each pooled connection when its idle time is over. This future never completes.
    pub(crate) async fn close_idle(&self) {
        loop {
            let oldest = self.idle().oldest();
            match oldest {
                Some(idle_since) => sleep_until(idle_since + MAX_IDLE_TIME).await,
                None => self.filled.notified().await,
            }
            self.idle().drop_expired(Instant::now());
        }
    }

    fn idle(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleConnections {
    fn pop(&mut self, origin: &Origin) -> Option<(Connection, Instant)> {
        let connections = self.by_origin.get_mut(origin)?;
        let popped = connections.pop()?;
        if connections.is_empty() {
            self.by_origin.remove(origin);
        }
        self.n_total -= 1;
        Some(popped)
    }

    fn push(&mut self, origin: &Origin, connection: Connection) {
        let connections = self.by_origin.entry(origin.clone()).or_default();
        if connections.len() < MAX_IDLE_PER_ORIGIN {
            connections.push((connection, Instant::now()));
            self.n_total += 1;
        }
    }

    /// Returns the time at which the longest idle time began. Only the first connection of each origin is
    /// compared, because the first connection has been idle for the longest time.
    fn oldest(&self) -> Option<Instant> {
        self.by_origin
            .values()
            .filter_map(|connections| connections.first())
            .map(|(_, idle_since)| *idle_since)
            .min()
    }

    fn drop_expired(&mut self, now: Instant) {
        self.by_origin.retain(|_, connections| {
            connections.retain(|(_, idle_since)| now.duration_since(*idle_since) < MAX_IDLE_TIME);
            !connections.is_empty()
        });
        self.n_total = self.by_origin.values().map(Vec::len).sum();
    }
}
