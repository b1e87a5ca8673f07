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
pub(crate) struct Membership(Mutex<Option<Joined>>);

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

/// The number of steady heartbeats after which a node judges others. After the database was away from all nodes,
/// every node gets time for a heartbeat before another node may find it dead.
const N_STEADY_TO_JUDGE: u32 = 3;

impl Membership {
    fn lock(&self) -> MutexGuard<'_, Option<Joined>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.membership.lock() = Some(Joined { seq, node, lease, until: started + lease, n_steady: 0 });
        Ok(())
    }

    /// Renews the lease of this node, and ends the leases of dead nodes. Does nothing before
    /// [`Ledger::join_nodes`].
    pub async fn heartbeat(&self) -> Result<Heartbeat, Error> {
        let Some(Joined { seq, node, lease, n_steady, .. }) = self.membership.lock().clone() else {
            return Ok(Heartbeat::default());
        };
        let (started, node_lease) = (Instant::now(), self.node_lease(lease));
        let may_judge = n_steady >= N_STEADY_TO_JUDGE;
        let renewed =
            self.write(move |tx| sql::nodes::heartbeat(tx, seq, &node, node_lease, may_judge)).await;
        if let Some(joined) = &mut *self.membership.lock() {
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
        let Some(Joined { seq, .. }) = self.membership.lock().take() else { return Ok(()) };
        self.write(move |tx| sql::nodes::remove(tx, seq)).await.map(drop)
    }

    /// Whether this process has joined the nodes that share the ledger.
    pub fn has_joined(&self) -> bool {
        self.owner().is_some()
    }

    /// Whether the leases of this process are certainly still its own: no other node can have ended them. A
    /// process that was stopped for a while, or could not reach the database, must not act under its leases.
    pub fn holds_leases(&self) -> bool {
        self.membership.lock().as_ref().is_none_or(|joined| Instant::now() < joined.until)
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
        self.membership.lock().as_ref().map(|joined| joined.seq)
    }

    fn node_lease(&self, lease: Duration) -> NodeLease {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        NodeLease { lease_ms, clock_ahead_ms: self.clock.ahead_ms() }
    }
}
