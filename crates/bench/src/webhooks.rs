//! The tool `webhooks`: measures the time from the acceptance of a request to the delivery of its webhook, at
//! a steady rate of requests. With `--find-max`, the tool searches for the highest rate that the server
//! sustains.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use pixaven_testkit::http_server::Pace;
use pixaven_testkit::postgres::{Cluster, Flush, new_cluster};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, Audit};
use crate::environment::EnvironmentOptions;
use crate::load;
use crate::percentiles::Percentiles;
use crate::report::{self, Report, progress};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::{self, ResourceUsage};
use crate::server::{Build, Server, ServerArgs};
use crate::webhook_receiver::Delivery;

/// The limit of two p99 times: of the response time and of the delivery time. A server sustains a rate only
/// if both times are below this limit.
const MAX_P99: Duration = Duration::from_secs(1);

/// The share of the rate, or of what a receiver can take, that the deliveries must reach.
const MIN_USE: f64 = 0.95;

/// The factor by which the search for the highest rate raises the rate each time, until the server no longer
/// sustains the rate.
const RATE_STEP: f64 = 1.3;

/// The number of rates that the search measures between the highest rate known to be sustained and the lowest
/// rate known to be too high.
const N_REFINEMENTS: u32 = 3;

/// The highest rate that the search measures, in requests per second. Above this rate, the load tools
/// themselves are the bottleneck.
const MAX_RATE: f64 = 20_000.0;

/// The interval between two readings of the server's memory and processor time.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct WebhooksArgs {
    /// Requests per second. With --find-max, the first rate of the search.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long requests are sent, in seconds. With --find-max, the seconds for each rate.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Send the image in the request, instead of a URL from which the server fetches it.
    #[arg(long)]
    upload: bool,
    /// Send an image of a single pixel without operations, to measure the cost of everything except image
    /// processing.
    #[arg(long, conflicts_with = "image")]
    noop: bool,
    /// Raise the rate until 1 % of the webhooks take a second or more. Report the highest rate below that.
    #[arg(long)]
    find_max: bool,
    /// Store the ledger in PostgreSQL: starts a database for the measurement.
    #[arg(long)]
    postgres: bool,
    /// A file with the image to process, instead of a generated image of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Milliseconds for which the receiver works on each webhook.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Let the receiver work on one webhook at a time.
    #[arg(long, requires = "latency_ms", conflicts_with = "find_max")]
    serial: bool,
    /// Seconds without a new webhook after the load, after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

/// The figures of a load at a steady rate.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    rate: f64,
    seconds: f64,
    sent: usize,
    #[serde(flatten)]
    audit: Audit,
    refused: usize,
    rejected: usize,
    cut: usize,
    /// Deliveries that were not the first attempt, because an earlier attempt had failed or timed out.
    retried: usize,
    /// Deliveries per second, from the first one to the last one.
    delivered_per_s: Option<f64>,
    /// The share of the time from the first delivery to the last delivery in which the receiver worked, in
    /// percent. `None` if the receiver does not work on one webhook at a time.
    receiver_busy_percent: Option<f64>,
    /// The time from the scheduled time of a request to the end of its 202 response, in milliseconds.
    accept_ms: Option<Percentiles>,
    /// The time from the end of the 202 response to the arrival of the webhook, in milliseconds.
    delivery_ms: Option<Percentiles>,
    /// Seconds of processor time of the server, its image workers and the database per 1,000 accepted requests,
    /// counted from the start of each process.
    cpu_s_per_1000: Option<f64>,
    /// Seconds of processor time of the database, with `--postgres`.
    cpu_database_s: Option<f64>,
    /// Seconds of processor time of the load tool. The server could not use this processor time.
    cpu_tools_s: Option<f64>,
    #[serde(flatten)]
    usage: Option<ResourceUsage>,
}

/// Measures a load at one steady rate, or searches for the highest rate that the server sustains.
pub(crate) async fn run(args: &WebhooksArgs) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let binary = args.server.binary(Build::Optimised).await?;
    let image = if args.noop { TestImage::noop()? } else { TestImage::documented(args.image.as_deref())? };
    let input = if args.upload { InputMode::Upload } else { InputMode::Fetch };
    let latency = Duration::from_millis(args.latency_ms);
    let pace = if args.serial { Pace::serial(latency) } else { Pace::parallel(latency) };
    let database = if args.postgres {
        let started = tokio::task::spawn_blocking(|| new_cluster(Flush::Always)).await?;
        Some(Arc::new(started.context("PostgreSQL is needed: initdb was not found")?))
    } else {
        None
    };
    let run = SteadyRun {
        database,
        options: EnvironmentOptions { pace, ..EnvironmentOptions::new(&args.server, &binary, &image, input) },
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.drain_seconds),
        serial: args.serial,
    };
    let figures = if args.find_max { run.find_max().await? } else { Some(run.measure().await?) };
    let Some(figures) = figures else {
        return Ok(Report::new("webhooks", &json!({}))?.require("the server sustains some rate", false));
    };
    let Audit { lost, duplicates, failed, .. } = figures.audit;
    let report = Report::new("webhooks", &figures)?
        .require("no accepted webhook is lost", lost == 0)
        .require("no webhook is delivered twice", duplicates == 0)
        .require("every webhook reports a success", failed == 0);
    if args.latency_ms == 0 {
        return Ok(report);
    }
    let report = report.require("every webhook is delivered by its first attempt", figures.retried == 0);
    if args.serial {
        let is_used = figures.receiver_busy_percent.is_some_and(|percent| percent >= 100.0 * MIN_USE);
        return Ok(report.require("the receiver works at least 95 % of the time", is_used));
    }
    let is_kept_up = figures.delivered_per_s.is_some_and(|per_s| per_s >= figures.rate * MIN_USE);
    Ok(report
        .require("at least 95 % of the rate is delivered", is_kept_up)
        .require("the p99 delivery time is below a second", figures.is_sustained()))
}

/// A load at a steady rate, with a server of its own.
struct SteadyRun<'a> {
    options: EnvironmentOptions<'a>,
    rate: f64,
    seconds: f64,
    drain: Duration,
    /// Whether the receiver works on one webhook at a time.
    serial: bool,
    /// The database that holds the ledgers, each in a database of its own.
    database: Option<Arc<Cluster>>,
}

impl SteadyRun<'_> {
    /// Starts a server in an empty directory, sends the load, waits for the webhooks and stops the server.
    async fn measure(&self) -> anyhow::Result<Figures> {
        let settings = self.new_database().await?;
        let environment = self.options.start_with(&settings).await?;
        let database_cpu_s =
            || resource_usage::cpu_with_children_s(self.database.as_ref().map(|database| database.pid())?);
        let database_cpu_before = database_cpu_s();
        let (receiver, api) = (&environment.receiver, &environment.api);
        let own_cpu_before = resource_usage::own_cpu_s();
        let work = async {
            let end = tokio::time::sleep(Duration::from_secs_f64(self.seconds));
            let result = load::run(&environment.http, &environment.template, self.rate, end).await;
            receiver.wait_for(&result.accepted, self.drain).await;
            report::explain_lost(api, &audit::lost_ids(&result.accepted, &receiver.deliveries())).await;
            result
        };
        let (result, usage) = with_usage(&environment.server, work).await;
        let cpu_database_s = database_cpu_s().zip(database_cpu_before).map(|(now, before)| now - before);
        environment.server.stop().await?;

        if let Some(reason) = &result.first_rejection {
            progress(format_args!("rejected: {reason}"));
        }
        let deliveries = receiver.deliveries();
        let n_accepted = result.accepted.len();
        let cpu_s_per_1000 = usage.map(|usage| {
            let cpu_s = usage.cpu_server_s + usage.cpu_workers_s + cpu_database_s.unwrap_or_default();
            resource_usage::per_1000(cpu_s, n_accepted)
        });
        let cpu_tools_s = resource_usage::own_cpu_s()
            .zip(own_cpu_before)
            .map(|(now, before)| resource_usage::hundredths(now - before));
        Ok(Figures {
            rate: self.rate,
            seconds: self.seconds,
            sent: result.n_sent(),
            audit: Audit::new(&result.accepted, &deliveries),
            retried: deliveries.iter().filter(|delivery| delivery.attempt > 1).count(),
            delivered_per_s: per_second(&deliveries),
            receiver_busy_percent: self
                .serial
                .then(|| busy_percent(&self.options.pace, &deliveries))
                .flatten(),
            refused: result.n_refused,
            rejected: result.n_rejected,
            cut: result.n_cut,
            delivery_ms: Percentiles::of(audit::delivery_times(&result.accepted, &deliveries)),
            cpu_s_per_1000,
            cpu_database_s: cpu_database_s.map(resource_usage::hundredths),
            cpu_tools_s,
            usage,
            accept_ms: Percentiles::of(result.accept_latencies),
        })
    }

    /// Creates a database for the ledger of the next server. Returns the setting that names it.
    async fn new_database(&self) -> anyhow::Result<Vec<String>> {
        let Some(database) = self.database.clone() else { return Ok(Vec::new()) };
        let name = format!("pixaven_{}", Uuid::new_v4().simple());
        let url = tokio::task::spawn_blocking(move || database.create_database(&name)).await?;
        Ok(vec![format!("ledger.url={url}")])
    }

    /// Searches for the highest rate that the server sustains: raises the rate until the server no longer
    /// sustains it, then measures rates in between. Each rate is measured with a new server in an empty
    /// directory. Returns the figures of the highest sustained rate, or `None` if the server sustains no
    /// rate.
    async fn find_max(mut self) -> anyhow::Result<Option<Figures>> {
        let (mut best, mut lowest_bad): (Option<Figures>, _) = (None, None);
        let mut n_refinements = 0;
        while n_refinements <= N_REFINEMENTS && self.rate <= MAX_RATE {
            let figures = self.measure().await?;
            let is_sustained = figures.is_sustained();
            let p99 = figures.delivery_ms.map_or(f64::NAN, |times| times.p99);
            let word = if is_sustained { "keeps up" } else { "falls behind" };
            progress(format_args!("{:8.1}/s {word}: p99 {p99} ms, {} refused", self.rate, figures.refused));
            if is_sustained {
                best = Some(figures);
            } else {
                lowest_bad = Some(self.rate);
            }
            self.rate = match (best.as_ref().map(|best| best.rate), lowest_bad) {
                (Some(good), Some(bad)) => {
                    n_refinements += 1;
                    (good + bad) / 2.0
                }
                (Some(good), None) => good * RATE_STEP,
                (None, Some(bad)) if bad > 1.0 => bad / 2.0,
                (None, _) => break,
            };
        }
        Ok(best)
    }
}

impl Figures {
    /// Returns whether the server sustained the rate: every request was accepted, every webhook was delivered
    /// as a success, and the p99 times are below [`MAX_P99`].
    fn is_sustained(&self) -> bool {
        let max_ms = MAX_P99.as_secs_f64() * 1000.0;
        let is_fast = |times: Option<Percentiles>| times.is_some_and(|times| times.p99 < max_ms);
        let n_bad = self.refused + self.rejected + self.cut + self.audit.lost + self.audit.failed;
        n_bad == 0 && is_fast(self.delivery_ms) && is_fast(self.accept_ms)
    }
}

/// Returns the deliveries per second, from the first one to the last one.
fn per_second(deliveries: &[Delivery]) -> Option<f64> {
    let (first, last) = (deliveries.first()?, deliveries.last()?);
    let seconds = (last.at - first.at).as_secs_f64();
    (seconds > 0.0).then(|| resource_usage::hundredths((deliveries.len() - 1) as f64 / seconds))
}

/// Returns the share of the time from the first delivery to the last delivery in which the receiver worked,
/// in percent.
fn busy_percent(pace: &Pace, deliveries: &[Delivery]) -> Option<f64> {
    let (first, last) = (deliveries.first()?, deliveries.last()?);
    // The work on the first webhook had ended at its delivery.
    let share_of_others = (deliveries.len() - 1) as f64 / deliveries.len() as f64;
    let seconds = (last.at - first.at).as_secs_f64();
    let busy_s = pace.busy().as_secs_f64() * share_of_others;
    (seconds > 0.0).then(|| resource_usage::hundredths(100.0 * busy_s / seconds))
}

/// Runs the future `work`, and reads the resource usage of the server repeatedly until `work` ends. Returns
/// the result of `work` and the largest value of each figure.
async fn with_usage<T>(server: &Server, work: impl Future<Output = T>) -> (T, Option<ResourceUsage>) {
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    let mut peak: Option<ResourceUsage> = None;
    let mut sample = || {
        let now = ResourceUsage::read(server.pid());
        peak = match (peak, now) {
            (Some(peak), Some(now)) => Some(peak.max(now)),
            (peak, now) => peak.or(now),
        };
        peak
    };
    loop {
        tokio::select! {
            value = &mut work => return (value, sample()),
            _ = ticks.tick() => { sample(); }
        }
    }
}
