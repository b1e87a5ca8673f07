//! The SQL operations on nodes. A node that misses its heartbeats for the duration of its lease counts as dead,
//! and another node ends the leases that it held.

use super::{Params, Tx, columns, jobs, params, statements, webhook_leases};
use crate::error::Error;
use crate::model::node::{Heartbeat, NewNode, NodeInfo};

columns! { NewNode as new_node_columns, read + write { name, version, roles } }
columns! {
    NodeInfo as node_columns, read {
        seq, node: new_node_columns, started_ms, heartbeat_ms, lease_until_ms, clock_ahead_ms
    }
}

statements! {
    JOIN = concat!(
        "INSERT INTO nodes (", new_node_columns!(), ", started_ms, heartbeat_ms, lease_until_ms, clock_ahead_ms)
         VALUES (", new_node_columns!(values), ", ?, ?, ?, ?) RETURNING seq"
    );
    RENEW = "UPDATE nodes SET heartbeat_ms = ?2, lease_until_ms = ?3, clock_ahead_ms = ?4 WHERE seq = ?1";
    FIND = concat!("SELECT ", node_columns!(), " FROM nodes WHERE seq = ?1");
    LIST = concat!("SELECT ", node_columns!(), " FROM nodes ORDER BY seq");
    DELETE = "DELETE FROM nodes WHERE seq = ?1";
    ADD_TURN = "INSERT INTO turns (name, next_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    /// A time that lies too far in the future was stored by a clock that was ahead.
    TAKE_TURN = "UPDATE turns SET next_ms = ?2 WHERE name = ?1 AND (next_ms <= ?3 OR next_ms > ?2)";
}

/// How long a node holds its leases, and how far its clock is ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeLease {
    pub(crate) lease_ms: i64,
    pub(crate) clock_ahead_ms: i64,
}

/// Adds a node. Returns its number.
pub(crate) fn join(tx: &mut Tx<'_>, node: &NewNode, lease: NodeLease) -> Result<i64, Error> {
    let now_ms = tx.now_ms();
    let until_ms = now_ms.saturating_add(lease.lease_ms);
    let times = Params::of(node).and(&now_ms).and(&now_ms).and(&until_ms).and(&lease.clock_ahead_ms);
    tx.query_one(&JOIN, times.as_slice())
}

/// Renews the lease of a node. If the node itself was found dead, it gets a new number. If
/// `may_declare_dead` is set and the heartbeat is not late, also ends the leases of dead nodes. Returns the number of the node.
pub(crate) fn heartbeat(
    tx: &mut Tx<'_>,
    seq: i64,
    node: &NewNode,
    lease: NodeLease,
    may_declare_dead: bool,
) -> Result<(i64, Heartbeat), Error> {
    let now_ms = tx.now_ms();
    let (seq, mut heartbeat) = match tx.query_optional::<NodeInfo>(&FIND, params![seq])? {
        None => {
            let rejoined = Heartbeat { has_rejoined: true, was_late: true, ..Heartbeat::default() };
            (join(tx, node, lease)?, rejoined)
        }
        Some(own) => {
            let until_ms = now_ms.saturating_add(lease.lease_ms);
            tx.execute(&RENEW, params![seq, now_ms, until_ms, lease.clock_ahead_ms])?;
            (seq, Heartbeat { was_late: own.lease_until_ms <= now_ms, ..Heartbeat::default() })
        }
    };
    let nodes = list(tx)?;
    heartbeat.n_nodes = nodes.len();
    if may_declare_dead && !heartbeat.was_late {
        for dead in nodes.into_iter().filter(|other| other.lease_until_ms <= now_ms) {
            heartbeat.n_returned += remove(tx, dead.seq)?;
            heartbeat.dead.push(dead);
        }
    }
    Ok((seq, heartbeat))
}

/// Removes a node and ends its leases. Returns the number of jobs and webhooks that are due again.
pub(crate) fn remove(tx: &mut Tx<'_>, seq: i64) -> Result<u64, Error> {
    let n_jobs = jobs::reap(tx, i64::MAX, Some(seq))?;
    let n_webhooks = webhook_leases::reap(tx, i64::MAX, Some(seq))?;
    tx.execute(&DELETE, params![seq])?;
    Ok(n_jobs + n_webhooks)
}

/// Returns all nodes, longest running first.
pub(crate) fn list(tx: &mut Tx<'_>) -> Result<Vec<NodeInfo>, Error> {
    tx.query(&LIST, params![])
}

/// Returns whether the caller may do the work called `name` now. In each interval of `interval_ms`, only one
/// caller may.
pub(crate) fn take_turn(tx: &mut Tx<'_>, name: &str, interval_ms: i64) -> Result<bool, Error> {
    let now_ms = tx.now_ms();
    tx.execute(&ADD_TURN, params![name, now_ms])?;
    Ok(tx.execute(&TAKE_TURN, params![name, now_ms.saturating_add(interval_ms), now_ms])? == 1)
}
