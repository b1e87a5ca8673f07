//! The types of the nodes that share the work of one ledger.

/// How a process presents itself to the other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// The name of the node, such as the name of its machine. Several nodes may have the same name.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// The kinds of work that the node does, as words that the caller chooses.
    pub roles: String,
}

/// A node that has joined the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The number of the node. A process that has lost its lease joins again with a new number.
    pub seq: i64,
    /// How the node presents itself.
    pub node: NewNode,
    /// The time at which the node joined.
    pub started_ms: i64,
    /// The time of the node's last heartbeat.
    pub heartbeat_ms: i64,
    /// The time at which the node loses the leases on its work, unless another heartbeat comes before.
    pub lease_until_ms: i64,
    /// How far the clock of the node was ahead of the clock of the database server at the last heartbeat, in
    /// milliseconds. Negative if it was behind.
    pub clock_ahead_ms: i64,
}

/// The effect of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether the node had lost its lease and has joined again. All its earlier leases have ended.
    pub has_rejoined: bool,
    /// Whether the lease of the node had ended before this heartbeat.
    pub was_late: bool,
    /// The number of nodes, this one included.
    pub n_nodes: usize,
    /// The nodes that were found dead, and whose leases this heartbeat has ended.
    pub dead: Vec<NodeInfo>,
    /// The number of jobs and webhooks of the dead nodes that are due again.
    pub n_returned: u64,
}
