//! The methods of [`Ledger`] for the nodes that share the work of one ledger.
//!
//! Every method can fail with [`Error::Busy`], [`Error::Away`], [`Error::Closed`], [`Error::Corrupt`] or
//! [`Error::Database`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ledger;
use crate::error::Error;
use crate::model::node::{Heartbeat, NewNode, NodeInfo};
use crate::sql;
use crate::sql::nodes::NodeLease;

/// The membership of this process among the nodes. A ledger that was not joined holds its leases without a
/// limit, because no other process works on it.
#[derive(Debug, Default)]
pub(crate) struct Membership(Mutex<State>);

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Alone,
    Joined(Joined),
    Left,
}

#[derive(Clone, Debug)]
struct Joined {
    seq: i64,
    node: NewNode,
    lease: Duration,
    /// The time up to which no other node ends the leases of this node.
    until: Instant,
    /// The number of heartbeats since the last one that failed or came too late.
    n_steady: u32,
}

/// The number of steady heartbeats after which a node may find others dead. After the database was away from all nodes,
/// every node gets time for a heartbeat before another node may find it dead.
const N_STEADY_TO_DECLARE_DEAD: u32 = 3;

impl Membership {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn joined(&self) -> Option<Joined> {
        match &*self.lock() {
            State::Joined(joined) => Some(joined.clone()),
            State::Alone | State::Left => None,
        }
    }
}

#[expect(clippy::missing_errors_doc, reason = "the module lists the errors that all methods share")]
impl Ledger {
    /// Joins the nodes that share this ledger. From then on, the leases of this process belong to the node,
    /// and [`Ledger::heartbeat`] must be called several times in each `lease`: another node ends the leases
    /// of a node without heartbeats.
    pub async fn join_nodes(&self, node: NewNode, lease: Duration) -> Result<(), Error> {
        let (started, node_lease) = (Instant::now(), self.node_lease(lease));
        let new = node.clone();
        let seq = self.write(move |tx| sql::nodes::join(tx, &new, node_lease)).await?;
        self.database.set_has_peers(true);
        *self.membership.lock() =
            State::Joined(Joined { seq, node, lease, until: started + lease, n_steady: 0 });
        Ok(())
    }

    /// Renews the lease of this node, and ends the leases of dead nodes. Does nothing before
    /// [`Ledger::join_nodes`].
    pub async fn heartbeat(&self) -> Result<Heartbeat, Error> {
        let Some(Joined { seq, node, lease, n_steady, .. }) = self.membership.joined() else {
            return Ok(Heartbeat::default());
        };
        let (started, node_lease) = (Instant::now(), self.node_lease(lease));
        let may_declare_dead = n_steady >= N_STEADY_TO_DECLARE_DEAD;
        let renewed =
            self.write(move |tx| sql::nodes::heartbeat(tx, seq, &node, node_lease, may_declare_dead)).await;
        if let State::Joined(joined) = &mut *self.membership.lock() {
            match &renewed {
                Ok((seq, heartbeat)) => {
                    self.database.set_has_peers(heartbeat.n_nodes > 1);
                    (joined.seq, joined.until) = (*seq, started + lease);
                    joined.n_steady = if heartbeat.was_late { 0 } else { n_steady.saturating_add(1) };
                }
                Err(_) => joined.n_steady = 0,
            }
        }
        renewed.map(|(_, heartbeat)| heartbeat)
    }

    /// Leaves the nodes: ends the leases of this node. Does nothing before [`Ledger::join_nodes`].
    pub async fn leave_nodes(&self) -> Result<(), Error> {
        let Some(Joined { seq, .. }) = self.membership.joined() else { return Ok(()) };
        *self.membership.lock() = State::Left;
        self.write(move |tx| sql::nodes::remove(tx, seq)).await.map(drop)
    }

    /// Whether this process has joined the nodes that share the ledger.
    pub fn has_joined(&self) -> bool {
        self.owner().is_some()
    }

    /// Whether the leases of this process certainly stay its own for the time `work`: no other node can end them
    /// before. A process that was stopped for a while, or could not reach the database, must not act under its
    /// leases.
    pub fn holds_leases_for(&self, work: Duration) -> bool {
        match &*self.membership.lock() {
            State::Alone => true,
            State::Joined(joined) => Instant::now() + work < joined.until,
            State::Left => false,
        }
    }

    /// Sends a heartbeat if the last one is overdue, so that new leases belong to a living node and last at least
    /// four fifths of the lease of the node.
    pub(super) async fn ensure_membership(&self) -> Result<(), Error> {
        let is_overdue = match &*self.membership.lock() {
            State::Joined(joined) => Instant::now() + joined.lease * 4 / 5 >= joined.until,
            State::Alone | State::Left => false,
        };
        if is_overdue { self.heartbeat().await.map(drop) } else { Ok(()) }
    }

    /// Returns all nodes, longest running first. A ledger in a file has none.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        self.read(sql::nodes::list).await
    }

    /// Returns whether this process may do the work called `name` now. In each interval of `interval_ms`,
    /// only one process may.
    pub async fn take_turn(&self, name: &'static str, interval_ms: i64) -> Result<bool, Error> {
        self.write(move |tx| sql::nodes::take_turn(tx, name, interval_ms)).await
    }

    /// The number of this node, with which its leases are marked. `None` before [`Ledger::join_nodes`].
    pub(super) fn owner(&self) -> Option<i64> {
        match &*self.membership.lock() {
            State::Joined(joined) => Some(joined.seq),
            State::Alone | State::Left => None,
        }
    }

    fn node_lease(&self, lease: Duration) -> NodeLease {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        NodeLease { lease_ms, clock_ahead_ms: self.clock.ahead_ms() }
    }
}
