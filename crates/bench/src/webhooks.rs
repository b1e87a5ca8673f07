//! `webhooks`: how fast accepted requests become delivered webhooks at a steady rate, and the highest rate the server
//! keeps up with.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use crate::audit::{self, Audit};
use crate::job::{Image, Way};
use crate::load;
use crate::report::{self, progress};
use crate::server::{Build, Server, Subject};
use crate::stage::{Setup, Stage};
use crate::stats::Percentiles;
use crate::usage::{self, Usage};

/// A server keeps up while 99 % of the webhooks arrive within this time of their 202.
const KEEPS_UP: Duration = Duration::from_secs(1);

/// How much the rate grows from step to step of the search.
const STEP: f64 = 1.3;

/// How often the gap between the highest good and the lowest bad rate is halved.
const N_REFINEMENTS: u32 = 3;

/// Beyond this the load tools themselves would be what is measured.
const MAX_RATE: f64 = 20_000.0;

/// Memory and processor time are looked at this often.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct WebhooksArgs {
    /// Requests per second; with --find-max the rate of the first step.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long requests are sent (each step of --find-max).
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Send the image in the request instead of having it fetched.
    #[arg(long)]
    upload: bool,
    /// A single pixel and no operation: the cost of everything but pixels.
    #[arg(long, conflicts_with = "image")]
    noop: bool,
    /// Raise the rate until 1 % of the webhooks take a second or more; report the highest rate that is better.
    #[arg(long)]
    find_max: bool,
    /// The image to process instead of a painted one of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
struct Report {
    command: &'static str,
    rate: f64,
    seconds: f64,
    sent: usize,
    #[serde(flatten)]
    audit: Audit,
    refused: usize,
    rejected: usize,
    cut: usize,
    /// From the scheduled time to the end of the 202.
    accept_ms: Option<Percentiles>,
    /// From the end of the 202 to the arrival of the webhook.
    delivery_ms: Option<Percentiles>,
    /// Processor time of the server and its workers, from their start, for 1,000 accepted requests.
    cpu_s_per_1000: Option<f64>,
    /// Processor time of these tools, which the server did not have.
    cpu_tools_s: Option<f64>,
    #[serde(flatten)]
    usage: Option<Usage>,
}

/// Measures, and says whether all came as they should.
pub(crate) async fn run(args: &WebhooksArgs) -> anyhow::Result<bool> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let binary = args.subject.binary(Build::Optimised).await?;
    let image = if args.noop { Image::noop()? } else { Image::documented(args.image.as_deref())? };
    let way = if args.upload { Way::Upload } else { Way::Fetch };
    let run = Run {
        setup: Setup::of(&args.subject, &binary, &image, way),
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = if args.find_max { run.find_max().await? } else { Some(run.measure().await?) };
    report::print(&report)?;
    Ok(report.is_some_and(|report| report.audit.lost + report.audit.duplicates + report.audit.failed == 0))
}

/// One steady run.
struct Run<'a> {
    setup: Setup<'a>,
    rate: f64,
    seconds: f64,
    drain: Duration,
}

impl Run<'_> {
    /// Starts a server in an empty directory, loads it, waits for what it owes and stops it.
    async fn measure(&self) -> anyhow::Result<Report> {
        let stage = self.setup.start().await?;
        let Stage {
            server,
            receiver,
            job,
            client,
            api,
            installation: _installation,
            directory: _directory,
            ..
        } = stage;
        let own_before = usage::own_cpu_s();
        let work = async {
            let end = tokio::time::sleep(Duration::from_secs_f64(self.seconds));
            let answers = load::run(&client, &job, self.rate, end).await;
            receiver.wait_for(&answers.accepted, self.drain).await;
            report::explain(&api, &audit::lost(&answers.accepted, &receiver.deliveries())).await;
            answers
        };
        let (answers, usage) = watched(&server, work).await;
        server.stop().await?;

        if let Some(why) = &answers.first_rejection {
            progress(format_args!("rejected: {why}"));
        }
        let deliveries = receiver.deliveries();
        let per_1000 =
            |usage: Usage| usage::per_1000(usage.cpu_server_s + usage.cpu_workers_s, answers.accepted.len());
        Ok(Report {
            command: "webhooks",
            rate: self.rate,
            seconds: self.seconds,
            sent: answers.n_sent(),
            audit: Audit::of(&answers.accepted, &deliveries),
            refused: answers.n_refused,
            rejected: answers.n_rejected,
            cut: answers.n_cut,
            delivery_ms: Percentiles::of(audit::delays(&answers.accepted, &deliveries)),
            cpu_s_per_1000: usage.map(per_1000),
            cpu_tools_s: usage::own_cpu_s()
                .zip(own_before)
                .map(|(now, before)| ((now - before) * 100.0).round() / 100.0),
            usage,
            accept_ms: Percentiles::of(answers.waits),
        })
    }

    /// Raises the rate until the server no longer keeps up, then narrows the gap. Every step has an empty directory.
    async fn find_max(mut self) -> anyhow::Result<Option<Report>> {
        let (mut best, mut bad): (Option<Report>, _) = (None, None);
        let mut n_refinements = 0;
        while n_refinements <= N_REFINEMENTS && self.rate <= MAX_RATE {
            let report = self.measure().await?;
            let good = keeps_up(&report);
            let p99 = report.delivery_ms.map_or(f64::NAN, |times| times.p99);
            let word = if good { "keeps up" } else { "falls behind" };
            progress(format_args!("{:8.1}/s {word}: p99 {p99} ms, {} refused", self.rate, report.refused));
            if good {
                best = Some(report);
            } else {
                bad = Some(self.rate);
            }
            self.rate = match (best.as_ref().map(|best| best.rate), bad) {
                (Some(good), Some(bad)) => {
                    n_refinements += 1;
                    (good + bad) / 2.0
                }
                (Some(good), None) => good * STEP,
                (None, Some(bad)) if bad > 1.0 => bad / 2.0,
                (None, _) => break,
            };
        }
        Ok(best)
    }
}

/// Whether a run was good: nothing refused, lost, cut or failed, and the webhooks in time.
fn keeps_up(report: &Report) -> bool {
    let limit_ms = KEEPS_UP.as_secs_f64() * 1000.0;
    let in_time = |times: Option<Percentiles>| times.is_some_and(|times| times.p99 < limit_ms);
    let clean = report.refused + report.rejected + report.cut + report.audit.lost + report.audit.failed == 0;
    clean && in_time(report.delivery_ms) && in_time(report.accept_ms)
}

/// Does `work` and keeps an eye on what the server uses meanwhile.
async fn watched<T>(server: &Server, work: impl Future<Output = T>) -> (T, Option<Usage>) {
    let mut work = std::pin::pin!(work);
    let mut samples = tokio::time::interval(SAMPLE_EVERY);
    let mut peak: Option<Usage> = None;
    let mut look = || {
        let now = Usage::read(server.pid());
        peak = match (peak, now) {
            (Some(peak), Some(now)) => Some(peak.max(now)),
            (peak, now) => peak.or(now),
        };
        peak
    };
    loop {
        tokio::select! {
            value = &mut work => return (value, look()),
            _ = samples.tick() => { look(); }
        }
    }
}
