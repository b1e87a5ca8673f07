//! The table of open connections from clients, with their limits: in total and per client. If a limit is
//! reached, the connection that has been idle for the longest time makes room for a new one.
//!
//! A connection is idle while no request is being processed and no byte of an answer is waiting to be sent:
//! also before its first request, and while the head of a request is incomplete. A connection that is not
//! idle is never closed by this table.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pixaven_net::Network;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The shortest time between two log lines about clients with too many connections.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How many connections may be open at the same time.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// The largest number of connections of all clients together, at least 1.
    pub total: usize,
    /// The largest number of connections of one client. A client is one IPv4 address or one IPv6 network with
    /// a prefix of 64 bits. The value 0 means no limit.
    pub per_client: usize,
    /// The networks of the reverse proxies. The limit per client does not apply to reverse proxies.
    pub trusted: Vec<Network>,
}

/// The open connections of all listening sockets. A clone is cheap, and all clones share one table.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    limits: ConnectionLimits,
    table: Mutex<Table>,
    /// Notified when a connection ends or becomes idle.
    changed: Notify,
}

#[derive(Default)]
struct Table {
    /// The number that the next connection gets as its id, or the next idle connection gets as its key in
    /// `idle`.
    next: u64,
    open: HashMap<u64, Entry>,
    /// The idle connections. The key grows with the time at which a connection became idle.
    idle: BTreeMap<u64, u64>,
    n_per_client: HashMap<IpAddr, usize>,
    warned_at: Option<Instant>,
}

struct Entry {
    /// The client, if the limit per client applies to this client.
    client: Option<IpAddr>,
    /// The key in [`Table::idle`] while the connection is idle.
    idle: Option<u64>,
    evicted: CancellationToken,
}

/// The place of one connection in the table. Dropping this value removes the connection from the table.
pub(super) struct Connection {
    shared: Arc<Shared>,
    id: u64,
    state: AtomicU8,
    has_unread_body: AtomicBool,
    evicted: CancellationToken,
}

/// The reason why a connection cannot be added: all connections are busy, or all connections of the same
/// client are busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Table,
    Client,
}

/// The states of [`Connection::state`].
const IDLE: u8 = 0;
/// A request is being processed, or its answer is being produced.
const BUSY: u8 = 1;
/// The answer was produced, but a part of it may still wait to be sent.
const ANSWERED: u8 = 2;

impl Connections {
    /// Creates an empty table.
    pub fn new(limits: ConnectionLimits) -> Self {
        let shared = Shared { limits, table: Mutex::default(), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a connection from `address`. If a limit is reached, first closes the connection that has been
    /// idle for the longest time, of the same client if the limit per client is reached. If all connections
    /// are busy, the function waits until a connection ends or becomes idle. Returns `None` if the limit per
    /// client is reached and all connections of the client are busy.
    pub(super) async fn admit(&self, address: IpAddr) -> Option<Connection> {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            match self.try_admit(address) {
                Ok(connection) => return Some(connection),
                Err(Full::Client) => return None,
                Err(Full::Table) => changed.await,
            }
        }
    }

    fn try_admit(&self, address: IpAddr) -> Result<Connection, Full> {
        let Shared { limits, .. } = &*self.shared;
        let client = client_of(address);
        let is_limited =
            limits.per_client > 0 && !limits.trusted.iter().any(|network| network.contains(client.0));
        let client = is_limited.then_some(client.1);
        let mut table = self.shared.table();
        if let Some(client) = client
            && table.n_per_client.get(&client).is_some_and(|&n| n >= limits.per_client)
            && !table.evict_oldest_idle(Some(client))
        {
            table.warn(client, limits.per_client);
            return Err(Full::Client);
        }
        if table.open.len() >= limits.total && !table.evict_oldest_idle(None) {
            return Err(Full::Table);
        }
        let (id, evicted) = (table.number(), CancellationToken::new());
        table.open.insert(id, Entry { client, idle: None, evicted: evicted.clone() });
        table.set_idle(id);
        if let Some(client) = client {
            *table.n_per_client.entry(client).or_default() += 1;
        }
        Ok(Connection {
            shared: Arc::clone(&self.shared),
            id,
            state: AtomicU8::new(IDLE),
            has_unread_body: AtomicBool::new(false),
            evicted,
        })
    }

    /// Closes the connection that has been idle for the longest time. Returns whether an idle connection
    /// existed.
    pub(super) fn evict_oldest_idle(&self) -> bool {
        self.shared.table().evict_oldest_idle(None)
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn set_idle(&mut self, id: u64) {
        let key = self.number();
        if let Some(entry) = self.open.get_mut(&id)
            && entry.idle.is_none()
        {
            entry.idle = Some(key);
            self.idle.insert(key, id);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(key) = entry.idle {
            self.idle.remove(&key);
        }
        if let Some(client) = entry.client
            && let Some(n) = self.n_per_client.get_mut(&client)
        {
            *n -= 1;
            if *n == 0 {
                self.n_per_client.remove(&client);
            }
        }
        Some(entry)
    }

    /// Removes the connection that has been idle for the longest time, and asks its task to close it. If
    /// `client` is given, only connections of this client are considered.
    fn evict_oldest_idle(&mut self, client: Option<IpAddr>) -> bool {
        let is_eligible =
            |id: &u64| client.is_none() || self.open.get(id).is_some_and(|entry| entry.client == client);
        let Some(oldest) = self.idle.values().copied().find(is_eligible) else { return false };
        if let Some(entry) = self.remove(oldest) {
            entry.evicted.cancel();
        }
        true
    }

    fn warn(&mut self, client: IpAddr, limit: usize) {
        let now = Instant::now();
        if self.warned_at.is_none_or(|warned_at| now - warned_at >= WARN_INTERVAL) {
            self.warned_at = Some(now);
            tracing::warn!(
                %client,
                limit,
                "connections are refused: the client has as many as server.max_connections_per_address \
                 allows, and none is idle; a reverse proxy belongs into server.trusted_proxies"
            );
        }
    }
}

impl Connection {
    /// The token that is cancelled when the connection must be closed because it is idle.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// Records that a request has arrived. Returns `false` if the connection is being closed. The request
    /// must then not be processed.
    pub(super) fn begin_request(&self) -> bool {
        let mut table = self.shared.table();
        let Some(entry) = table.open.get_mut(&self.id) else { return false };
        let key = entry.idle.take();
        if let Some(key) = key {
            table.idle.remove(&key);
        }
        self.state.store(BUSY, Ordering::Relaxed);
        true
    }

    /// Records whether the client may still send the body of the request that was answered last.
    pub(super) fn set_has_unread_body(&self, has_unread_body: bool) {
        self.has_unread_body.store(has_unread_body, Ordering::Relaxed);
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.has_unread_body.load(Ordering::Relaxed)
    }

    /// Records that the whole answer was produced.
    pub(super) fn end_answer(&self) {
        self.state.store(ANSWERED, Ordering::Relaxed);
    }

    /// Records that all produced bytes were sent. If these bytes include the end of an answer, the connection
    /// becomes idle.
    pub(super) fn flushed(&self) {
        if self.state.load(Ordering::Relaxed) == ANSWERED {
            self.state.store(IDLE, Ordering::Relaxed);
            self.shared.table().set_idle(self.id);
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.table().remove(self.id);
        self.shared.changed.notify_waiters();
    }
}

/// The address of a client, and the address that stands for everything that belongs to the same client: an
/// IPv6 client usually has a whole network of 64 bits.
fn client_of(address: IpAddr) -> (IpAddr, IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (v4.into(), v4.into()),
        IpAddr::V6(v6) => (v6.into(), IpAddr::V6((u128::from(v6) >> 64 << 64).into())),
    }
}

#[cfg(test)]
mod tests;
