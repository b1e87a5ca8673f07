//! The tool `backlog`: measures what a million waiting webhooks cost a server in start time, memory and
//! response times. Two equal loads run on the same data directory: the first without waiting webhooks, the
//! second with a backlog of processed requests whose webhooks are due within a week.
//!
//! The tool writes the backlog directly to the ledger, because a server would need an hour to accept that
//! many requests.

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

/// The longest allowed time in seconds from the start of a server with a backlog until it listens.
const MAX_START_S: f64 = 5.0;

/// The largest allowed peak memory of a server with a backlog, in MiB.
const MAX_RSS_MIB: f64 = 300.0;

/// The largest allowed ratio of two p99 times from a request to its 202 response: the time with a backlog
/// divided by the time without one.
const MAX_ACCEPT_RATIO: f64 = 2.0;

/// When no webhook has arrived for this long, all missing webhooks count as lost.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct BacklogArgs {
    /// The number of waiting webhooks.
    #[arg(long, default_value_t = 1_000_000)]
    pending: u32,
    /// Requests per second of each load.
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
    /// Seconds that the tool needs to write the backlog.
    fill_s: f64,
    /// Seconds from the start of the server process with the backlog until the server listens on its port.
    start_s: f64,
    peak_rss_server_mib: Option<f64>,
    /// The figures of the load on the server without waiting webhooks.
    empty: LoadFigures,
    /// The figures of the load on the server with waiting webhooks.
    backlog: LoadFigures,
    /// The ratio of the p99 times from a request to its 202 response: the time with the backlog divided by
    /// the time without the backlog.
    accept_p99_ratio: f64,
}

#[derive(Serialize)]
struct LoadFigures {
    #[serde(flatten)]
    audit: Audit,
    /// The time from the scheduled time of a request to the end of its 202 response, in milliseconds.
    accept_ms: Percentiles,
    /// The time from the end of the 202 response to the arrival of the webhook, in milliseconds.
    delivery_ms: Percentiles,
}

/// Measures a load without and a load with the backlog. The report requires that the start time, the memory
/// and the response times stay within limits.
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
    /// Waits until the webhooks of a load have arrived, and computes the figures of this load. Fails if the
    /// server did not accept every request.
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
