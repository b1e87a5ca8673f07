//! This server as a node: its membership in a ledger that several nodes share, and its heartbeats. Without other
//! nodes, the ledger belongs to this server alone.

use std::time::Duration;

use anyhow::Context as _;
use pixaven_ledger::{Ledger, NewNode};
use tokio_util::sync::CancellationToken;

use crate::runtime::config::{Config, Role};
use crate::runtime::telemetry::with_causes;

/// The number of heartbeats in the time of one lease.
const N_HEARTBEATS: u32 = 5;

/// The pause after a heartbeat that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The difference of the clocks above which the log warns, in milliseconds. Due times are compared with the clock
/// of the database, so a wrong clock of a node only makes its log and its `webhook-timestamp` wrong.
const MAX_CLOCK_DIFFERENCE_MS: u64 = 2_000;

/// Fails if another node works on the ledger. Nodes cannot share the work if their files lie apart.
async fn ensure_alone(ledger: &Ledger, name: &str) -> anyhow::Result<()> {
    // The nodes are read first, because the clock of a database server is known only after a transaction.
    let nodes = ledger.nodes().await.context("the nodes of the ledger could not be read")?;
    let now_ms = ledger.clock().now_ms();
    match nodes.into_iter().find(|other| other.node.name != name && other.lease_until_ms > now_ms) {
        None => Ok(()),
        Some(other) => anyhow::bail!(
            "the node {} works on this ledger: several nodes need `blobs.url`, a place for files that all of them use",
            other.node.name
        ),
    }
}

/// The membership of this server. Cloning it is cheap.
#[derive(Clone)]
pub struct Node {
    ledger: Ledger,
    interval: Duration,
}

impl Node {
    /// Takes part in the work on the ledger. A ledger in a file has one server at a time, so every lease in
    /// it is over. In a ledger that nodes share, this server joins them.
    ///
    /// # Errors
    /// If the ledger cannot be written.
    pub async fn enter(config: &Config, ledger: &Ledger) -> anyhow::Result<Self> {
        let lease = Duration::from_secs(config.node.lease_s);
        if config.ledger.url.is_some() {
            let roles: Vec<_> = config.node.roles.iter().copied().map(Role::as_str).collect();
            let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
            let node = NewNode {
                name: config.node.name.clone().unwrap_or_else(machine),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                roles: roles.join(","),
            };
            if config.blobs.url.is_none() {
                ensure_alone(ledger, &node.name).await?;
            }
            tracing::info!(name = node.name, roles = node.roles, "joining the nodes of the ledger");
            ledger.join_nodes(node, lease).await.context("the nodes of the ledger could not be joined")?;
        } else {
            let recovered = ledger.recover().await.context("the ledger could not be recovered")?;
            tracing::info!(
                n_jobs = recovered.n_jobs,
                n_webhooks = recovered.n_webhooks,
                "work taken up again"
            );
        }
        Ok(Self { ledger: ledger.clone(), interval: lease / N_HEARTBEATS })
    }

    /// Sends heartbeats until `stop` is cancelled. Does nothing if this server has not joined others.
    pub async fn run(self, stop: CancellationToken) {
        let (mut was_wrong, mut has_failed) = (false, false);
        loop {
            let pause = if has_failed { RETRY_PAUSE.min(self.interval) } else { self.interval };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            let heartbeat = self.ledger.heartbeat().await;
            has_failed = heartbeat.is_err();
            match heartbeat {
                Ok(heartbeat) => {
                    if heartbeat.has_rejoined {
                        tracing::warn!(
                            "this node was found dead and has joined again; its work went on elsewhere"
                        );
                    }
                    for dead in heartbeat.dead {
                        tracing::warn!(
                            name = dead.node.name,
                            node = dead.seq,
                            silent_ms = self.ledger.clock().now_ms() - dead.heartbeat_ms,
                            "a node shows no sign of life; its work goes on elsewhere"
                        );
                    }
                }
                Err(error) => {
                    tracing::error!(error = with_causes(&error), "a heartbeat could not be written");
                }
            }
            let ahead_ms = self.ledger.clock().ahead_ms();
            let is_wrong = ahead_ms.unsigned_abs() > MAX_CLOCK_DIFFERENCE_MS;
            if is_wrong && !was_wrong {
                tracing::warn!(ahead_ms, "the clock of this machine differs from the clock of the database");
            }
            was_wrong = is_wrong;
        }
    }

    /// Gives the remaining work back, and closes the ledger.
    pub async fn leave(&self) {
        if let Err(error) = self.ledger.leave_nodes().await {
            tracing::warn!(
                error = with_causes(&error),
                "this node could not leave; its work goes on when its lease ends"
            );
        }
        self.ledger.close().await;
    }
}
