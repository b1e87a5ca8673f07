//! The tool `cluster`: several nodes share one PostgreSQL ledger under load, while faults strike at random:
//! nodes are killed or stand still, the database crashes, and the connections of a node to the database are
//! cut. At the end, every accepted webhook must have been delivered, and no webhook may have had two attempts
//! under way at once.

mod faults;
mod node;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use futures_util::future::join_all;
use pixaven_testkit::http_server::Pace;
use pixaven_testkit::image_origin::ImageOrigin;
use pixaven_testkit::postgres::{Flush, new_cluster};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use self::faults::{FaultCounts, Faults};
use self::node::Node;
use crate::audit::Audit;
use crate::environment::IMAGE_PATH;
use crate::load::{self, LoadResult};
use crate::percentiles::Percentiles;
use crate::report::Report;
use crate::request_template::{InputMode, RequestUrls, TestImage};
use crate::resource_usage::hundredths;
use crate::server::{Build, ServerArgs, temporary_directory};
use crate::webhook_receiver::{Delivery, WebhookReceiver};

/// How long the receiver works on each webhook. Two deliveries of one webhook that are closer together than
/// this time were under way at once.
const RECEIVER_LATENCY: Duration = Duration::from_millis(100);

/// The longest time in which a healthy receiver may get no webhook, while one node works undisturbed.
const MAX_GAP: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct ClusterArgs {
    /// The number of nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    nodes: u32,
    /// Requests per second, for all nodes together.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// The number of faults.
    #[arg(long, default_value_t = 50)]
    faults: u32,
    /// How long requests are sent, in seconds.
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
    /// How long a node stands still, in seconds.
    #[arg(long, default_value_t = 60.0)]
    pause_seconds: f64,
    /// How long the connections of a node to the database are cut, in seconds.
    #[arg(long, default_value_t = 30.0)]
    cut_seconds: f64,
    /// The seed of the random faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds without a new webhook after the load, after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 90.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Serialize)]
struct Figures {
    nodes: u32,
    rate: f64,
    seconds: f64,
    seed: u64,
    #[serde(flatten)]
    faults: FaultCounts,
    sent: usize,
    #[serde(flatten)]
    audit: Audit,
    /// The number of webhooks that had two attempts under way at once.
    double: usize,
    duplicate_percent: f64,
    refused: usize,
    rejected: usize,
    cut: usize,
    /// The number of writes that nodes tried after they had lost their leases, and that were refused.
    refused_late_writes: u64,
    /// The longest time in which the receiver got no webhook, from the start to the end of the load.
    longest_gap_s: f64,
    accept_ms: Option<Percentiles>,
    drain_s: f64,
}

/// Runs the nodes under load and faults. The report requires that no webhook is lost, altered or sent twice at
/// once.
pub(crate) async fn run(args: &ClusterArgs) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let figures = measure(args).await?;
    let audit = figures.audit;
    let has_pauses = figures.faults.pauses > 0;
    Ok(Report::new("cluster", &figures)?
        .require("no accepted webhook is lost", audit.lost == 0)
        .require("every delivery of a webhook has the same body", audit.altered == 0)
        .require("no webhook has two attempts under way at once", figures.double == 0)
        .require("at most 1 % of the deliveries are duplicates", figures.duplicate_percent <= 1.0)
        .require("late writes were tried and refused", !has_pauses || figures.refused_late_writes > 0)
        .require("a healthy receiver waits at most 20 s", figures.longest_gap_s <= MAX_GAP.as_secs_f64()))
}

async fn measure(args: &ClusterArgs) -> anyhow::Result<Figures> {
    let binary = args.server.binary(Build::Optimised).await?;
    let database = tokio::task::spawn_blocking(|| new_cluster(Flush::Always)).await?;
    let database = Arc::new(database.context("PostgreSQL is needed: initdb was not found")?);
    let created = Arc::clone(&database);
    tokio::task::spawn_blocking(move || created.create_database("pixaven")).await?;
    let directory = temporary_directory(args.server.keep)?;
    let image = TestImage::noop()?;
    let origin = ImageOrigin::start(image.bytes.clone()).await?;
    let receiver = WebhookReceiver::start_at_pace(Pace::parallel(RECEIVER_LATENCY)).await?;
    let urls = RequestUrls { image: origin.url(IMAGE_PATH), webhook: json!({ "url": receiver.url() }) };
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    for n in 1..=args.nodes {
        let key = nodes.first().map(|first| first.key().to_owned());
        let data_dir = directory.path().join(format!("node-{n}"));
        let node = Node::start(&binary, data_dir, &args.server.settings, &database, key).await?;
        nodes.push(Arc::new(node));
    }

    let (stop, stopped) = watch::channel(false);
    let started = Instant::now();
    let loads = nodes.iter().map(|node| {
        let template = Arc::new(node.template(InputMode::Mix, &image, &urls));
        let (http, rate, mut stopped) = (node.http(), args.rate / f64::from(args.nodes), stopped.clone());
        async move {
            load::run(&http, &template, rate, async move {
                let _stopped = stopped.wait_for(|is_stopped| *is_stopped).await;
            })
            .await
        }
    });
    let faults = Faults::new(args.seed, &nodes, Arc::clone(&database)).with_durations(
        Duration::from_secs_f64(args.pause_seconds),
        Duration::from_secs_f64(args.cut_seconds),
    );
    let strike = async {
        let counts = faults.strike(args.faults, Duration::from_secs_f64(args.seconds)).await;
        stop.send_replace(true);
        counts
    };
    let (results, counts) = tokio::join!(join_all(loads), strike);
    let load_time = started.elapsed();
    let counts = counts?;
    let mut result = LoadResult::default();
    results.into_iter().for_each(|part| result.extend(part));
    let drain = Instant::now();
    receiver.wait_for(&result.accepted, Duration::from_secs_f64(args.drain_seconds)).await;
    let drain = drain.elapsed();
    let mut refused_late_writes = 0;
    for node in &nodes {
        refused_late_writes += node.refused_late_writes().await?;
    }
    for node in nodes {
        node.stop().await?;
    }
    Ok(figures(
        args,
        counts,
        &result,
        &receiver.deliveries(),
        (started, load_time),
        drain,
        refused_late_writes,
    ))
}

fn figures(
    args: &ClusterArgs,
    faults: FaultCounts,
    result: &LoadResult,
    deliveries: &[Delivery],
    (started, load_time): (Instant, Duration),
    drain: Duration,
    refused_late_writes: u64,
) -> Figures {
    let audit = Audit::new(&result.accepted, deliveries);
    let duplicate_percent = audit.duplicates as f64 * 100.0 / audit.accepted.max(1) as f64;
    Figures {
        nodes: args.nodes,
        rate: args.rate,
        seconds: args.seconds,
        seed: args.seed,
        faults,
        sent: result.n_sent(),
        audit,
        double: n_double(deliveries),
        duplicate_percent: hundredths(duplicate_percent),
        refused: result.n_refused,
        rejected: result.n_rejected,
        cut: result.n_cut,
        refused_late_writes,
        longest_gap_s: hundredths(longest_gap(deliveries, started, started + load_time).as_secs_f64()),
        accept_ms: Percentiles::of(result.accept_latencies.clone()),
        drain_s: hundredths(drain.as_secs_f64()),
    }
}

/// Counts the webhooks of which two deliveries were under way at once.
fn n_double(deliveries: &[Delivery]) -> usize {
    let mut times: HashMap<Uuid, Vec<Instant>> = HashMap::new();
    for delivery in deliveries {
        times.entry(delivery.id).or_default().push(delivery.at);
    }
    let is_double = |times: &mut Vec<Instant>| {
        times.sort_unstable();
        times.windows(2).any(|pair| pair[1] - pair[0] < RECEIVER_LATENCY)
    };
    times.into_values().filter_map(|mut times| is_double(&mut times).then_some(())).count()
}

/// The longest time between two deliveries that follow each other, between `start` and `end`.
fn longest_gap(deliveries: &[Delivery], start: Instant, end: Instant) -> Duration {
    let inside = deliveries.iter().map(|delivery| delivery.at).filter(|at| (start..end).contains(at));
    let mut times: Vec<_> = inside.chain([start, end]).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_deliveries_of_one_webhook_within_the_latency_of_the_receiver_count_as_double() {
        let t = Instant::now();
        let at = |id, ms| Delivery {
            id: Uuid::from_u128(id),
            sha256: [1; 32],
            at: t + Duration::from_millis(ms),
            attempt: 1,
            success: true,
        };
        assert_eq!(n_double(&[at(1, 0), at(2, 10), at(1, 150), at(1, 240), at(2, 200)]), 1);
        let gap = longest_gap(&[at(1, 100), at(2, 350)], t, t + Duration::from_millis(500));
        assert_eq!(gap, Duration::from_millis(250));
    }
}
