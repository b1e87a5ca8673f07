//! The random faults of the cluster. Node faults leave at least one node undisturbed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use pixaven_testkit::postgres::Cluster;
use pixaven_testkit::process::Signal;
use serde::Serialize;

use super::node::Node;
use crate::report::progress;

/// The number of faults of each kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct FaultCounts {
    /// Nodes that were killed as by `kill -9`, and started again.
    pub(super) kills: u32,
    /// Nodes that stood still, as in a pause of a virtual machine.
    pub(super) pauses: u32,
    /// Nodes whose connections to the database were cut.
    pub(super) cuts: u32,
    /// Crashes of the database.
    pub(super) database_crashes: u32,
}

pub(super) struct Faults<'a> {
    random: fastrand::Rng,
    nodes: &'a [Arc<Node>],
    database: Arc<Cluster>,
    pause: Duration,
    cut: Duration,
}

#[derive(Debug, Clone, Copy)]
enum NodeFault {
    Kill,
    Pause,
    Cut,
}

impl<'a> Faults<'a> {
    pub(super) fn new(seed: u64, nodes: &'a [Arc<Node>], database: Arc<Cluster>) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, nodes, database, pause: Duration::ZERO, cut: Duration::ZERO }
    }

    pub(super) fn with_durations(self, pause: Duration, cut: Duration) -> Self {
        Self { pause, cut, ..self }
    }

    /// Lets `n_faults` faults strike in the time `time`. Returns when the time is over and all faults have
    /// ended.
    pub(super) async fn strike(mut self, n_faults: u32, time: Duration) -> anyhow::Result<FaultCounts> {
        let mut counts = FaultCounts::default();
        let mut running = FuturesUnordered::new();
        let mut is_disturbed = vec![false; self.nodes.len()];
        let start = tokio::time::Instant::now();
        for n in 1..=n_faults {
            // Faults strike at random times, one in each part of the time.
            let at = start + time.mul_f64((f64::from(n - 1) + self.random.f64()) / f64::from(n_faults + 1));
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => break,
                    Some((node, ended)) = running.next() => {
                        is_disturbed[node] = false;
                        ended?;
                    }
                }
            }
            let quiet: Vec<_> = (0..self.nodes.len()).filter(|node| !is_disturbed[*node]).collect();
            let fault = self.random.u32(0..4);
            if fault == 3 || quiet.len() < 2 {
                progress(format_args!("fault {n:3}: the database crashes"));
                counts.database_crashes += 1;
                self.crash_database().await?;
                continue;
            }
            let node = quiet[self.random.usize(0..quiet.len())];
            let kind = [NodeFault::Kill, NodeFault::Pause, NodeFault::Cut][fault as usize];
            progress(format_args!("fault {n:3}: node {} gets {kind:?}", node + 1));
            match kind {
                NodeFault::Kill => counts.kills += 1,
                NodeFault::Pause => counts.pauses += 1,
                NodeFault::Cut => counts.cuts += 1,
            }
            is_disturbed[node] = true;
            let (target, down) =
                (Arc::clone(&self.nodes[node]), Duration::from_secs_f64(self.random.f64() * 5.0));
            let (pause, cut) = (self.pause, self.cut);
            running.push(async move { (node, disturb(&target, kind, down, pause, cut).await) });
        }
        while let Some((_, ended)) = running.next().await {
            ended?;
        }
        tokio::time::sleep_until(start + time).await;
        Ok(counts)
    }

    /// Crashes the database and starts it again after some seconds.
    async fn crash_database(&mut self) -> anyhow::Result<()> {
        let database = Arc::clone(&self.database);
        tokio::task::spawn_blocking(move || database.stop_at_once()).await?;
        tokio::time::sleep(Duration::from_secs_f64(self.random.f64() * 5.0)).await;
        let database = Arc::clone(&self.database);
        tokio::task::spawn_blocking(move || database.start_again()).await?;
        Ok(())
    }
}

async fn disturb(
    node: &Node,
    fault: NodeFault,
    down: Duration,
    pause: Duration,
    cut: Duration,
) -> anyhow::Result<()> {
    match fault {
        NodeFault::Kill => {
            node.kill().await?;
            tokio::time::sleep(down).await;
            node.start_again().await
        }
        NodeFault::Pause => {
            node.signal(Signal::STOP).await?;
            tokio::time::sleep(pause).await;
            node.signal(Signal::CONT).await
        }
        NodeFault::Cut => {
            node.proxy.cut();
            tokio::time::sleep(cut).await;
            node.proxy.mend();
            Ok(())
        }
    }
}
