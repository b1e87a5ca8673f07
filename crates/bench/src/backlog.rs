//! `backlog`: what a million waiting webhooks cost a server. The same load is sent twice to the same
//! directory: first without waiting webhooks, then with a backlog of processed requests whose webhooks are
//! due within a week.
//!
//! The backlog is written through the ledger itself: a server would need an hour to accept that many
//! requests.

mod fill;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::audit::{self, Audit};
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::http_client::HttpClient;
use crate::load::{self, LoadResult};
use crate::percentiles::Percentiles;
use crate::report::{Report, progress};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::{ResourceUsage, hundredths};
use crate::server::{Build, ServerArgs};
use crate::webhook_receiver::WebhookReceiver;

/// The longest time in seconds from the start of a server with a backlog until it listens.
const MAX_START_S: f64 = 5.0;

/// The largest peak memory of a server with a backlog.
const MAX_RSS_MIB: f64 = 300.0;

/// The p99 of the 202 with a backlog may be this many times the p99 without.
const MAX_ACCEPT_RATIO: f64 = 2.0;

/// Webhooks that are missing count as lost when none has arrived for this long.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct BacklogArgs {
    /// The number of waiting webhooks.
    #[arg(long, default_value_t = 1_000_000)]
    pending: u32,
    /// Requests per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long each of the two loads takes, in seconds.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Figures {
    pending: u32,
    /// The time to write the backlog.
    fill_s: f64,
    /// From the start of the process with the backlog until it listens.
    start_s: f64,
    peak_rss_server_mib: Option<f64>,
    /// The load without waiting webhooks.
    empty: LoadFigures,
    /// The load with waiting webhooks.
    backlog: LoadFigures,
    /// The p99 of the 202 with the backlog divided by the p99 without.
    accept_p99_ratio: f64,
}

#[derive(Serialize)]
struct LoadFigures {
    #[serde(flatten)]
    audit: Audit,
    /// From the scheduled time to the end of the 202.
    accept_ms: Percentiles,
    /// From the end of the 202 to the arrival of the webhook.
    delivery_ms: Percentiles,
}

/// Measures both loads, and requires that the backlog costs little.
pub(crate) async fn run(args: &BacklogArgs) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let (binary, image) = (args.server.binary(Build::Optimised).await?, TestImage::noop()?);
    let options = EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Fetch);
    let environment = options.start().await?;
    let TestEnvironment { installation, server, address, receiver, template, http, .. } = environment;
    let load = async |http: &Arc<HttpClient>| -> anyhow::Result<LoadFigures> {
        let end = tokio::time::sleep(Duration::from_secs_f64(args.seconds));
        LoadFigures::new(load::run(http, &template, args.rate, end).await, &receiver).await
    };
    progress("load without waiting webhooks");
    let empty = load(&http).await?;
    server.stop().await?;

    progress(format_args!("writing a backlog of {}", args.pending));
    let fill_start = Instant::now();
    fill::fill(installation.dir(), args.pending).await?;
    let fill_s = fill_start.elapsed().as_secs_f64();

    let (server, _) = installation.start(address.port()).await?;
    let start_s = server.started_at.elapsed().as_secs_f64();
    progress(format_args!("{} wait; the server listens after {start_s:.2} s", args.pending));
    let backlog = load(&Arc::new(HttpClient::new(address))).await?;
    let peak_rss_server_mib = ResourceUsage::read(server.pid()).map(|usage| usage.peak_rss_server_mib);
    server.stop().await?;

    let accept_p99_ratio = hundredths(backlog.accept_ms.p99 / empty.accept_ms.p99);
    let pending = args.pending;
    Figures { pending, fill_s, start_s, peak_rss_server_mib, empty, backlog, accept_p99_ratio }.report()
}

impl LoadFigures {
    /// Waits for the webhooks of a load. Fails when a request was not accepted.
    async fn new(result: LoadResult, receiver: &WebhookReceiver) -> anyhow::Result<Self> {
        receiver.wait_for(&result.accepted, DRAIN).await;
        let deliveries = receiver.deliveries_of(&result.accepted);
        let is_complete = result.n_sent() == result.accepted.len();
        ensure!(is_complete, "not every request was accepted: {:?}", result.first_rejection);
        let delivery_times = audit::delivery_times(&result.accepted, &deliveries);
        Ok(Self {
            audit: Audit::new(&result.accepted, &deliveries),
            accept_ms: Percentiles::of(result.accept_latencies).context("nothing was accepted")?,
            delivery_ms: Percentiles::of(delivery_times).context("nothing was delivered")?,
        })
    }

    fn is_complete(&self) -> bool {
        self.audit.lost + self.audit.duplicates + self.audit.failed == 0
    }
}

impl Figures {
    fn report(&self) -> anyhow::Result<Report> {
        let is_small = self.peak_rss_server_mib.is_none_or(|mib| mib <= MAX_RSS_MIB);
        Ok(Report::new("backlog", self)?
            .require(
                "every webhook is delivered once",
                self.empty.is_complete() && self.backlog.is_complete(),
            )
            .require("a server with a backlog starts within 5 s", self.start_s <= MAX_START_S)
            .require("a server with a backlog needs at most 300 MiB", is_small)
            .require(
                "the backlog at most doubles the p99 of the 202",
                self.accept_p99_ratio <= MAX_ACCEPT_RATIO,
            ))
    }
}
