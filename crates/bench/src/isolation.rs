//! `isolation`: whether one receiver that hangs, with thousands of webhooks waiting for it, is felt by the webhooks of
//! another. Two servers run side by side, one with that backlog and one without, and take turns under the same load: what
//! else the machine does meanwhile meets both.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::audit::{self, Audit};
use crate::job::{Image, Job, Way};
use crate::load;
use crate::loopback::{self, Client};
use crate::report::{self, progress};
use crate::server::{Build, Subject};
use crate::stage::{Setup, Stage};
use crate::stats::Percentiles;

/// How much longer webhooks may take beside somebody else's backlog.
const MAX_RATIO: f64 = 2.0;

/// Load before anything is measured.
const WARM_UP_S: f64 = 2.0;

/// How often each server has its turn.
const N_TURNS: u32 = 10;

/// Requests for the hanging receiver that are asked at the same time.
const N_FILLERS: usize = 16;

/// After this the backlog should stand.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct IsolationArgs {
    /// Webhooks that wait for the receiver that hangs.
    #[arg(long, default_value_t = 10_000)]
    pending: usize,
    /// Webhooks per second to the other receiver.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long that is measured, without those that wait and beside them.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 15.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
struct Report {
    command: &'static str,
    rate: f64,
    /// Webhooks that waited for the receiver that hangs, before it was measured and after.
    pending: (u64, u64),
    alone: Measured,
    beside: Measured,
    /// How much longer the other's webhooks took beside those.
    p50_ratio: Option<f64>,
    p99_ratio: Option<f64>,
}

/// One of its two measurements.
#[derive(Debug, Clone, Serialize)]
struct Measured {
    #[serde(flatten)]
    audit: Audit,
    /// Requests that were not accepted.
    refused: usize,
    /// From the end of the 202 to the arrival of the webhook.
    delivery_ms: Option<Percentiles>,
}

/// Measures, and says whether the one receiver is not felt by the other.
pub(crate) async fn run(args: &IsolationArgs) -> anyhow::Result<bool> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let (binary, image) = (args.subject.binary(Build::Optimised).await?, Image::noop()?);
    let run = Run {
        setup: Setup::of(&args.subject, &binary, &image, Way::Fetch),
        n_pending: args.pending,
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(report.is_isolated())
}

/// A run of both measurements.
struct Run<'a> {
    setup: Setup<'a>,
    /// Webhooks that wait for the receiver that hangs.
    n_pending: usize,
    /// Webhooks a second to the other.
    rate: f64,
    /// For how long on each server, all turns together.
    seconds: f64,
    drain: Duration,
}

/// One of the two servers, and what was measured on it.
struct Side {
    stage: Stage,
    accepted: HashMap<Uuid, Instant>,
    n_refused: usize,
}

impl Run<'_> {
    /// Builds the backlog and measures in turns.
    async fn measure(&self) -> anyhow::Result<Report> {
        let (mut alone, mut beside) = (self.start().await?, self.start().await?);
        let hanging = json!({ "url": format!("http://{}/", hanging().await?) });
        let job = beside.stage.job_for(self.setup.image, hanging);
        fill(&beside.stage.client, &job, self.n_pending).await?;
        let n_pending = processed(&beside.stage).await?;
        progress(format_args!("{n_pending} webhooks wait for a receiver that hangs"));
        for side in [&mut alone, &mut beside] {
            self.load(side, WARM_UP_S).await;
            side.accepted.clear();
        }
        for turn in 1..=N_TURNS {
            for side in [&mut alone, &mut beside] {
                self.load(side, self.seconds / f64::from(N_TURNS)).await;
            }
            let p99 = |side: &Side| side.measured().delivery_ms.map_or(f64::NAN, |times| times.p99);
            let (alone, beside) = (p99(&alone), p99(&beside));
            progress(format_args!("turn {turn:2}: p99 {alone} ms alone, {beside} ms beside them"));
        }
        let pending = (n_pending, n_with(&beside.stage, "scheduled,dispatched").await?);
        let report = Report::new(self.rate, pending, alone.measured(), beside.measured());
        alone.stage.server.stop().await?;
        beside.stage.server.stop().await?;
        Ok(report)
    }

    async fn start(&self) -> anyhow::Result<Side> {
        Ok(Side { stage: self.setup.start().await?, accepted: HashMap::new(), n_refused: 0 })
    }

    /// Steady load on the healthy receiver, until it has all of it.
    async fn load(&self, side: &mut Side, seconds: f64) {
        let end = tokio::time::sleep(Duration::from_secs_f64(seconds));
        let answers = load::run(&side.stage.client, &side.stage.job, self.rate, end).await;
        side.stage.receiver.wait_for(&answers.accepted, self.drain).await;
        side.n_refused += answers.n_refused + answers.n_rejected + answers.n_cut;
        side.accepted.extend(answers.accepted);
    }
}

impl Side {
    fn measured(&self) -> Measured {
        let deliveries = self.stage.receiver.deliveries_of(&self.accepted);
        Measured {
            audit: Audit::of(&self.accepted, &deliveries),
            refused: self.n_refused,
            delivery_ms: Percentiles::of(audit::delays(&self.accepted, &deliveries)),
        }
    }
}

impl Report {
    /// Compares.
    fn new(rate: f64, pending: (u64, u64), alone: Measured, beside: Measured) -> Self {
        let ratio = |of: fn(Percentiles) -> f64| {
            let (beside, alone) = (beside.delivery_ms.map(of)?, alone.delivery_ms.map(of)?);
            Some((beside / alone * 100.0).round() / 100.0)
        };
        let (p50_ratio, p99_ratio) = (ratio(|times| times.p50), ratio(|times| times.p99));
        Self { command: "isolation", rate, pending, alone, beside, p50_ratio, p99_ratio }
    }

    /// Whether the backlog was hardly felt, and nothing was lost on either side.
    fn is_isolated(&self) -> bool {
        let n_lost = |side: &Measured| side.audit.lost + side.audit.failed + side.refused;
        let is_close = self.p99_ratio.is_some_and(|ratio| ratio <= MAX_RATIO);
        is_close && n_lost(&self.alone) + n_lost(&self.beside) == 0
    }
}

/// Waits until every image has been processed. Returns how many webhooks are still to be delivered.
async fn processed(stage: &Stage) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    while n_with(stage, "created").await? > 0 {
        ensure!(begun.elapsed() < PATIENCE, "the backlog is still being processed");
        ticks.tick().await;
    }
    n_with(stage, "scheduled,dispatched").await
}

/// A receiver that takes what it is sent and never answers.
async fn hanging() -> std::io::Result<SocketAddr> {
    loopback::accept(Ipv4Addr::LOCALHOST, |mut stream| async move {
        while let Ok(1..) = stream.read(&mut [0; 4096]).await {}
    })
    .await
}

/// Sends so many requests, as fast as they are accepted.
async fn fill(client: &Arc<Client>, job: &Arc<Job>, n: usize) -> anyhow::Result<()> {
    let mut fillers = JoinSet::new();
    for filler in 0..N_FILLERS {
        let (client, job) = (Arc::clone(client), Arc::clone(job));
        fillers.spawn(async move {
            for n in (filler..n).step_by(N_FILLERS) {
                let (status, body) = client.send(job.request(n as u64)).await?;
                ensure!(status == StatusCode::ACCEPTED, "{status}: {}", String::from_utf8_lossy(&body));
            }
            Ok(())
        });
    }
    fillers.join_all().await.into_iter().collect()
}

/// How many webhooks have one of these statuses.
async fn n_with(stage: &Stage, statuses: &str) -> anyhow::Result<u64> {
    let answer = stage.api.get(&format!("/1.0/webhooks?limit=1&status={statuses}")).await?;
    answer.ensure(StatusCode::OK)?;
    answer.json["total"].as_u64().with_context(|| format!("a list without a total: {}", answer.json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(p99: f64, lost: usize) -> Measured {
        let audit =
            Audit { accepted: 9, delivered: 9, lost, duplicates: 0, altered: 0, orphans: 0, failed: 0 };
        Measured { audit, refused: 0, delivery_ms: Some(Percentiles { p50: 1.0, p99, max: 99.0 }) }
    }

    #[test]
    fn who_is_isolated_hardly_waits_and_loses_nothing() {
        for (beside, lost, expected) in [(8.0, 0, true), (8.1, 0, false), (4.0, 1, false)] {
            let report = Report::new(100.0, (1, 1), side(4.0, 0), side(beside, lost));
            assert_eq!(report.is_isolated(), expected, "{beside} ms, {lost} lost");
        }
        let unmeasured = Measured { delivery_ms: None, ..side(4.0, 0) };
        assert!(!Report::new(100.0, (1, 1), side(4.0, 0), unmeasured).is_isolated());
    }
}
