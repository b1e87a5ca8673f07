//! Load and fault tools for pixaven. Each tool starts the real server with an empty data directory, and
//! measures or checks the server from outside, as a user does. Only four modules depend on internals of the
//! server: `backlog` writes to the ledger of a stopped server, `ledger_copy` writes a ledger without a server,
//! `integrity` checks the database of a stopped server, and `powercut` writes and checks one.

mod api_client;
mod audit;
mod backlog;
mod clock;
mod cluster;
mod crashpoints;
mod disk;
mod environment;
mod http_client;
mod images;
mod integrity;
mod isolation;
mod kill9;
mod ledger_copy;
mod limits;
mod load;
mod origins;
mod overload;
mod percentiles;
mod pixels;
mod powercut;
mod quality;
mod receivers;
mod redeliver;
mod reductions;
mod report;
mod request_template;
mod resource_usage;
mod restart_checks;
mod server;
mod sharp;
mod strace;
mod webhook_receiver;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures pixaven. Prints progress and figures on standard error, and one line of JSON on standard output.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends requests with a webhook at a steady rate, and measures how fast they are accepted and delivered.
    Webhooks(webhooks::WebhooksArgs),
    /// Resends webhooks that were already delivered, and measures the delivery rate. No image is processed.
    Redeliver(redeliver::RedeliverArgs),
    /// Measures what a million waiting webhooks cost a server: start time, memory, response times.
    Backlog(backlog::BacklogArgs),
    /// Measures whether a hanging receiver with thousands of waiting webhooks delays the webhooks of another
    /// receiver.
    Isolation(isolation::IsolationArgs),
    /// Sends webhooks to misbehaving receivers, and compares the history with the documentation.
    Receivers(server::ServerArgs),
    /// Measures the server when it gets more work than it can do: too many uploads, images that take seconds,
    /// and idle connections.
    Overload(overload::OverloadArgs),
    /// Sends pictures of 100 megapixels in each format, and measures whether each is served or refused at once, and
    /// the memory of the workers.
    Limits(limits::LimitsArgs),
    /// Lets the server fetch images from hostile origins, and measures deadlines, response times and memory.
    Origins(origins::OriginsArgs),
    /// Kills the server under load many times, and counts the lost webhooks.
    Kill9(kill9::Kill9Args),
    /// Lets several nodes share one PostgreSQL ledger while nodes, connections and the database fail, and counts
    /// lost and double webhooks.
    Cluster(cluster::ClusterArgs),
    /// Kills the server at each of its system calls, and checks that it keeps everything that it had
    /// acknowledged.
    Crashpoints(crashpoints::CrashpointsArgs),
    /// Makes copies of the data directory as it may be after a power cut before, during and after each flush,
    /// and checks that each copy has everything that the server had acknowledged.
    Powercut(powercut::PowercutArgs),
    /// Makes the disk full, refuse writes and fail to flush, and checks that nothing accepted is lost.
    Disk(disk::DiskArgs),
    /// Sets the server's clock forward and back, and restarts the server, while webhooks wait for their
    /// delays.
    Clock(clock::ClockArgs),
    /// Copies a ledger from SQLite to PostgreSQL, kills the copy several times, and compares both ledgers.
    LedgerCopy(ledger_copy::LedgerCopyArgs),
    /// Measures processor time and memory of image processing without a server, optionally together with
    /// sharp.
    Images(images::ImagesArgs),
    /// Compares the sizes of files at equal quality: encodes photographs at several qualities, and scores the
    /// results with SSIMULACRA2.
    Quality(quality::QualityArgs),
    /// Compares the quality of reductions of JPEG files with an ideal reduction of the lossless photographs, at
    /// ratios from 1.2 to 16, and with the reductions of sharp and oximg.
    Reductions(reductions::ReductionsArgs),
    /// Makes one measurement of `images` in a process of its own.
    #[command(hide = true, name = "images-ours")]
    MeasureImage(images::MeasureArgs),
}

// The load tools run on one thread and leave the other processors to the server. One thread is enough,
// because each request costs the tools only tens of microseconds.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let report = match Cli::parse().command {
        Command::Webhooks(args) => webhooks::run(&args).await?,
        Command::Redeliver(args) => redeliver::run(&args).await?,
        Command::Backlog(args) => backlog::run(&args).await?,
        Command::Isolation(args) => isolation::run(&args).await?,
        Command::Overload(args) => overload::run(&args).await?,
        Command::Receivers(args) => receivers::run(&args).await?,
        Command::Limits(args) => limits::run(&args).await?,
        Command::Origins(args) => origins::run(&args).await?,
        Command::Kill9(args) => kill9::run(&args).await?,
        Command::Cluster(args) => cluster::run(&args).await?,
        Command::Crashpoints(args) => crashpoints::run(&args).await?,
        Command::Powercut(args) => powercut::run(&args).await?,
        Command::Disk(args) => disk::run(&args).await?,
        Command::Clock(args) => clock::run(&args).await?,
        Command::LedgerCopy(args) => ledger_copy::run(&args).await?,
        Command::Images(args) => images::run(&args)?,
        Command::Quality(args) => quality::run(&args)?,
        Command::Reductions(args) => reductions::run(&args)?,
        Command::MeasureImage(args) => {
            images::measure_here(&args)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    report.print();
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
