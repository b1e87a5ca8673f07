//! How fast `/healthz` responds on a new connection while many other connections are open and send nothing. A
//! connection that the server closes is opened again at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use super::OverloadArgs;
use super::client::{self, Outcome, Prepared};
use crate::environment::TestEnvironment;
use crate::percentiles::Percentiles;
use crate::resource_usage::{rss_mib, tenths};

/// Requests for `/healthz` per second.
const PER_S: f64 = 50.0;
/// How long all connections may take to open before the measurement begins.
const OPENING: Duration = Duration::from_secs(2);
/// The pause of a client before it opens a connection again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    alone_ms: Option<Percentiles>,
    pub(super) beside_ms: Option<Percentiles>,
    /// The number of requests whose response is not a 200.
    pub(super) failed: usize,
    /// The memory of the server for each idle connection.
    kib_per_connection: Option<f64>,
}

pub(super) async fn measure(environment: &TestEnvironment, args: &OverloadArgs) -> anyhow::Result<Figures> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("the limit on open files cannot be raised")?;
    let turn = Duration::from_secs_f64(args.seconds);
    let health = Prepared::health(environment.address);
    let alone = send(&health, turn).await;
    let rss = || rss_mib(environment.server.pid());
    let rss_before = rss();
    let idle = join_all((0..args.idle_connections).map(|_| keep_open(environment.address)));
    let measured = async {
        tokio::time::sleep(OPENING).await;
        let beside = send(&health, turn).await;
        (beside, rss().zip(rss_before).map(|(after, before)| after - before))
    };
    let (beside, added_mib) = tokio::select! {
        measured = measured => measured,
        _never = idle => unreachable!("the connections are opened again and again"),
    };
    let latencies = |outcomes: &[Outcome]| Percentiles::of(outcomes.iter().map(|o| o.latency).collect());
    Ok(Figures {
        alone_ms: latencies(&alone),
        beside_ms: latencies(&beside),
        failed: alone.iter().chain(&beside).filter(|outcome| !outcome.is_success()).count(),
        kib_per_connection: added_mib.map(|mib| tenths(mib * 1024.0 / args.idle_connections as f64)),
    })
}

/// Keeps a connection open that sends nothing.
async fn keep_open(address: SocketAddr) {
    loop {
        if let Ok(mut stream) = client::connect(address).await {
            let _closed = stream.read_u8().await;
        }
        // The pause is needed because a client that tries more often does not reach the server sooner.
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// Sends requests at a steady rate.
async fn send(health: &Prepared, turn: Duration) -> Vec<Outcome> {
    let start = Instant::now();
    let n_requests = (turn.as_secs_f64() * PER_S) as u32;
    join_all((0..n_requests).map(|n| async move {
        let scheduled = start + Duration::from_secs_f64(f64::from(n) / PER_S);
        tokio::time::sleep_until(scheduled.into()).await;
        health.clone().send(scheduled).await
    }))
    .await
}
