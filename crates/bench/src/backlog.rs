//! `backlog`: what a million webhooks that wait cost. The same server, the same directory, the same load: first with
//! nothing waiting, then with a backlog, whose requests were accepted, processed, and are due within a week.
//!
//! The backlog is written through the ledger itself, in its own commits: asking the server for each would take an hour.

mod fill;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::audit::{self, Audit};
use crate::job::{Image, Way};
use crate::load::{self, Answers};
use crate::loopback::Client;
use crate::receiver::Receiver;
use crate::report::{self, progress};
use crate::server::{Build, Subject};
use crate::stage::{Setup, Stage};
use crate::stats::Percentiles;
use crate::usage::Usage;

/// How long a server with a backlog may take to listen.
const LONGEST_START_S: f64 = 5.0;

/// What a server with a backlog may have in memory.
const LARGEST_RSS_MIB: f64 = 300.0;

/// What a backlog may do to the time of a 202.
const LARGEST_RATIO: f64 = 2.0;

#[derive(Args)]
pub(crate) struct BacklogArgs {
    /// How many webhooks wait.
    #[arg(long, default_value_t = 1_000_000)]
    pending: u32,
    /// Requests per second, beside the backlog.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long they are sent, each time.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Serialize)]
struct Report {
    command: &'static str,
    pending: u32,
    fill_s: f64,
    /// From the start of the process with the backlog to its first word that it listens.
    start_s: f64,
    peak_rss_server_mib: Option<f64>,
    empty: Times,
    backlog: Times,
    /// p99 of the 202 with the backlog over that without.
    accept_p99_ratio: f64,
}

#[derive(Serialize)]
struct Times {
    #[serde(flatten)]
    audit: Audit,
    accept_ms: Percentiles,
    delivery_ms: Percentiles,
}

/// Measures both, and says whether the backlog costs no more than it may.
pub(crate) async fn run(args: &BacklogArgs) -> anyhow::Result<bool> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let (binary, image) = (args.subject.binary(Build::Optimised).await?, Image::noop()?);
    let stage = Setup::of(&args.subject, &binary, &image, Way::Fetch).start().await?;
    let Stage { installation, server, address, receiver, job, client, directory: _directory, .. } = stage;
    let load = async |client: &Arc<Client>| -> anyhow::Result<Times> {
        let end = tokio::time::sleep(Duration::from_secs_f64(args.seconds));
        let answers = load::run(client, &job, args.rate, end).await;
        times(answers, &receiver).await
    };
    progress("nothing waits");
    let empty = load(&client).await?;
    server.stop().await?;

    progress(format_args!("writing a backlog of {}", args.pending));
    let begun = Instant::now();
    fill::fill(installation.dir(), args.pending).await?;
    let fill_s = begun.elapsed().as_secs_f64();

    let (server, _) = installation.start(address.port()).await?;
    let start_s = server.since.elapsed().as_secs_f64();
    progress(format_args!("{} wait; the server listens after {start_s:.2} s", args.pending));
    let backlog = load(&Arc::new(Client::new(address))).await?;
    let peak_rss_server_mib = Usage::read(server.pid()).map(|usage| usage.peak_rss_server_mib);
    server.stop().await?;

    let accept_p99_ratio = (backlog.accept_ms.p99 / empty.accept_ms.p99 * 100.0).round() / 100.0;
    let pending = args.pending;
    let report = Report {
        command: "backlog",
        pending,
        fill_s,
        start_s,
        peak_rss_server_mib,
        empty,
        backlog,
        accept_p99_ratio,
    };
    report::print(&report)?;
    Ok(report.is_good())
}

/// Waits for what was accepted, and counts.
async fn times(answers: Answers, receiver: &Receiver) -> anyhow::Result<Times> {
    receiver.wait_for(&answers.accepted, Duration::from_secs(30)).await;
    let deliveries = receiver.deliveries_of(&answers.accepted);
    ensure!(
        answers.n_sent() == answers.accepted.len(),
        "not every request was accepted: {:?}",
        answers.first_rejection
    );
    let delays = audit::delays(&answers.accepted, &deliveries);
    Ok(Times {
        audit: Audit::of(&answers.accepted, &deliveries),
        accept_ms: Percentiles::of(answers.waits).context("nothing was accepted")?,
        delivery_ms: Percentiles::of(delays).context("nothing was delivered")?,
    })
}

impl Report {
    fn is_good(&self) -> bool {
        let is_whole = |times: &Times| times.audit.lost + times.audit.duplicates + times.audit.failed == 0;
        is_whole(&self.empty)
            && is_whole(&self.backlog)
            && self.start_s <= LONGEST_START_S
            && self.peak_rss_server_mib.is_none_or(|mib| mib <= LARGEST_RSS_MIB)
            && self.accept_p99_ratio <= LARGEST_RATIO
    }
}
