//! Load and fault tools. They start the real server with an empty directory and look at it from outside, as its
//! users do: nothing here knows how it works.

mod audit;
mod images;
mod isolation;
mod job;
mod kill9;
mod load;
mod loopback;
mod origin;
mod receiver;
mod receivers;
mod report;
mod server;
mod stage;
mod stats;
mod usage;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand};

use crate::job::{Image, Way};
use crate::server::{Build, Subject};
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
    /// Sends webhooks to receivers that misbehave in every way, and compares what becomes of them with what should.
    Receivers(Subject),
    /// Measures a receiver's webhooks alone, and beside a receiver that hangs and has thousands of them waiting.
    Isolation(IsolationArgs),
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
struct IsolationArgs {
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

#[derive(Args)]
struct Shared {
    /// The image to process instead of a painted one of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

// One thread: the tools must leave the processors to the server, and their work for one request is tens of
// microseconds.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Webhooks(args) => webhooks(args).await,
        Command::Kill9(args) => kill9(args).await,
        Command::Receivers(subject) => receivers(&subject).await,
        Command::Isolation(args) => isolation(args).await,
        Command::Images(args) => images::run(&args).map(|()| ExitCode::SUCCESS),
        Command::ImagesOurs(args) => images::measure_here(&args).map(|()| ExitCode::SUCCESS),
    }
}

async fn webhooks(args: WebhooksArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let binary = args.shared.subject.binary(Build::Optimised).await?;
    let image = if args.noop { Image::noop()? } else { Image::documented(args.shared.image.as_deref())? };
    let run = webhooks::Run {
        setup: Setup::of(
            &args.shared.subject,
            &binary,
            &image,
            if args.upload { Way::Upload } else { Way::Fetch },
        ),
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
    let binary = args.shared.subject.binary(Build::Optimised).await?;
    let image = Image::documented(args.shared.image.as_deref())?;
    let run = kill9::Run {
        setup: Setup::of(&args.shared.subject, &binary, &image, args.way),
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

async fn receivers(subject: &Subject) -> anyhow::Result<ExitCode> {
    let report = receivers::run(subject).await?;
    report::print(&report)?;
    let good = report.different.is_empty() && report.is_flat;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn isolation(args: IsolationArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let (binary, image) = (args.subject.binary(Build::Optimised).await?, Image::noop()?);
    let run = isolation::Run {
        setup: Setup::of(&args.subject, &binary, &image, Way::Fetch),
        n_pending: args.pending,
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(if report.is_isolated() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
