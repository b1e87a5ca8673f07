//! Connections between requests: kept for a moment, in case the same origin is asked again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::connection::Wire;
use super::target::Origin;

/// Common servers close idle connections after 5 s; a connection is given up before it is likely to be closed.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Idle connections to one origin, and to all.
const MAX_IDLE_PER_ORIGIN: usize = 16;
const MAX_IDLE_IN_ALL: usize = 256;

/// The idle connections.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    /// Told when a connection was put into an empty pool.
    filled: Notify,
}

#[derive(Default)]
struct Idle {
    by_origin: HashMap<Origin, Vec<(Wire, Instant)>>,
    n_in_all: usize,
}

impl Pool {
    /// The connection to `origin` used last, if there is one and its peer has not hung up as far as is known.
    pub(super) fn take(&self, origin: &Origin) -> Option<Wire> {
        loop {
            let (mut wire, since) = self.idle().pop(origin)?;
            if since.elapsed() < MAX_IDLE && wire.is_reusable() {
                return Some(wire);
            }
        }
    }

    /// Keeps a connection that can carry another request; drops it when there are enough.
    pub(super) fn put(&self, origin: &Origin, mut wire: Wire) {
        if !wire.is_reusable() {
            return;
        }
        let mut idle = self.idle();
        if idle.n_in_all >= MAX_IDLE_IN_ALL {
            idle.drop_expired(Instant::now());
        }
        if idle.n_in_all >= MAX_IDLE_IN_ALL {
            return;
        }
        idle.push(origin, wire);
        drop(idle);
        self.filled.notify_one();
    }

    /// Closes connections as their time comes; never completes.
    pub(super) async fn close_idle(&self) {
        loop {
            let oldest = self.idle().oldest();
            match oldest {
                Some(since) => sleep_until(since + MAX_IDLE).await,
                None => self.filled.notified().await,
            }
            self.idle().drop_expired(Instant::now());
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn pop(&mut self, origin: &Origin) -> Option<(Wire, Instant)> {
        let same = self.by_origin.get_mut(origin)?;
        let popped = same.pop()?;
        if same.is_empty() {
            self.by_origin.remove(origin);
        }
        self.n_in_all -= 1;
        Some(popped)
    }

    fn push(&mut self, origin: &Origin, wire: Wire) {
        let same = self.by_origin.entry(origin.clone()).or_default();
        if same.len() < MAX_IDLE_PER_ORIGIN {
            same.push((wire, Instant::now()));
            self.n_in_all += 1;
        }
    }

    /// Since when the connection waits that waits longest. Each origin's are in order.
    fn oldest(&self) -> Option<Instant> {
        self.by_origin.values().filter_map(|wires| wires.first()).map(|(_, since)| *since).min()
    }

    fn drop_expired(&mut self, now: Instant) {
        self.by_origin.retain(|_, wires| {
            wires.retain(|(_, since)| now.duration_since(*since) < MAX_IDLE);
            !wires.is_empty()
        });
        self.n_in_all = self.by_origin.values().map(Vec::len).sum();
    }
}
