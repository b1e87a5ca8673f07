//! Load and fault tools. They start the real server with an empty directory and look at it from outside, as its
//! users do: nothing here knows how it works.

mod api;
mod audit;
mod backlog;
mod clock;
mod crashpoints;
mod database;
mod disk;
mod images;
mod job;
mod kill9;
mod load;
mod loopback;
mod origin;
mod receiver;
mod redeliver;
mod report;
mod server;
mod stage;
mod stats;
mod strace;
mod usage;
mod webhooks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand};

use crate::job::{Image, Way};
use crate::stage::Setup;

/// Measures pixaven. Prints progress on standard error and one line of JSON on standard output.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends requests with a webhook at a steady rate and measures how fast they are accepted and delivered.
    Webhooks(WebhooksArgs),
    /// Kills the server under load again and again, and counts what was lost.
    Kill9(Kill9Args),
    /// Sends webhooks again that were delivered before, and measures how fast: delivery alone.
    Redeliver(RedeliverArgs),
    /// Kills the server at each of its system calls, and looks whether what it had told holds.
    Crashpoints(crashpoints::CrashpointsArgs),
    /// Lets the disk be full, refuse writes and fail to flush, and looks whether nothing is lost.
    Disk(disk::DiskArgs),
    /// Measures what a million webhooks that wait cost a server: its start, its memory, its answers.
    Backlog(backlog::BacklogArgs),
    /// Sets the server's clock forward and back, and stops it, while webhooks wait for their delays.
    Clock(ClockArgs),
    /// Measures processor time and memory of single images, without a server, and of sharp beside it.
    Images(images::ImagesArgs),
    /// One measurement of `images`, in a process of its own.
    #[command(hide = true)]
    ImagesOurs(images::Ours),
}

#[derive(Args)]
struct WebhooksArgs {
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
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Kill9Args {
    /// How often the server is killed.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Requests per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Decides the moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the image reaches the server.
    #[arg(long, value_enum, default_value = "mix")]
    way: Way,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct RedeliverArgs {
    /// How many.
    #[arg(long, default_value_t = 50_000)]
    webhooks: u32,
    /// To how many receivers, each at an address of its own: how much one of them is asked at once is limited.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    receivers: u8,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct ClockArgs {
    /// Webhooks that are asked for before each restart.
    #[arg(long, default_value_t = 15)]
    per_round: u32,
    /// Decides the delays and the pauses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Shared {
    /// The image to process instead of a painted one of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    /// The server to test instead of the `pixaven` beside this program.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Leave the server's directory, with its log, to be looked at.
    #[arg(long)]
    keep: bool,
    /// A setting of the server, as `section.key=value`.
    #[arg(long = "set", value_name = "SETTING")]
    settings: Vec<String>,
}

impl Shared {
    fn setup<'a>(&'a self, binary: &'a Path, image: &'a Image, way: Way) -> Setup<'a> {
        Setup { binary, settings: &self.settings, environment: Vec::new(), keep: self.keep, image, way }
    }
}

// One thread: the tools must leave the processors to the server, and their work for one request is tens of
// microseconds.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Webhooks(args) => webhooks(args).await,
        Command::Kill9(args) => kill9(args).await,
        Command::Redeliver(args) => redeliver(args).await,
        Command::Crashpoints(args) => crashpoints::run(args).await,
        Command::Disk(args) => disk::run(args).await,
        Command::Backlog(args) => backlog::run(args).await,
        Command::Clock(args) => clock(args).await,
        Command::Images(args) => images::run(&args).map(|()| ExitCode::SUCCESS),
        Command::ImagesOurs(args) => images::measure_here(&args).map(|()| ExitCode::SUCCESS),
    }
}

async fn webhooks(args: WebhooksArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let binary = server::binary(args.shared.server.clone()).await?;
    let image = if args.noop { Image::noop()? } else { Image::documented(args.shared.image.as_deref())? };
    let run = webhooks::Run {
        setup: args.shared.setup(&binary, &image, if args.upload { Way::Upload } else { Way::Fetch }),
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.shared.drain_seconds),
    };
    let report = if args.find_max { run.find_max().await? } else { Some(run.measure().await?) };
    report::print(&report)?;
    let good =
        report.is_some_and(|report| report.audit.lost + report.audit.duplicates + report.audit.failed == 0);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn kill9(args: Kill9Args) -> anyhow::Result<ExitCode> {
    ensure!(args.rate > 0.0, "--rate is above zero");
    let binary = server::binary(args.shared.server.clone()).await?;
    let image = Image::documented(args.shared.image.as_deref())?;
    let run = kill9::Run {
        setup: args.shared.setup(&binary, &image, args.way),
        rounds: args.rounds,
        rate: args.rate,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.shared.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    let kept = report.audit.lost + report.audit.altered == 0;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn redeliver(args: RedeliverArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.webhooks > 0, "--webhooks is above zero");
    let binary = server::binary(args.shared.server.clone()).await?;
    let image = Image::noop()?;
    let run = redeliver::Run {
        setup: args.shared.setup(&binary, &image, Way::Fetch),
        webhooks: args.webhooks,
        receivers: args.receivers,
        drain: Duration::from_secs_f64(args.shared.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    let kept = report.audit.lost + report.audit.altered + report.audit.duplicates == 0;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn clock(args: ClockArgs) -> anyhow::Result<ExitCode> {
    let binary = server::binary(args.shared.server.clone()).await?;
    let image = Image::noop()?;
    let run = clock::Run {
        setup: args.shared.setup(&binary, &image, Way::Fetch),
        per_round: args.per_round,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.shared.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(if clock::is_good(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
