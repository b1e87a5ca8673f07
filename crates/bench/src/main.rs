//! Load and fault tools. Each tool starts the real server with an empty directory, and measures or checks it
//! from outside, as its users see it. Only two modules know the inside of the server:
//! `backlog` writes to the ledger of a stopped server, and `integrity` checks its database.

mod api_client;
mod audit;
mod backlog;
mod clock;
mod crashpoints;
mod disk;
mod environment;
mod http_client;
mod images;
mod integrity;
mod isolation;
mod kill9;
mod load;
mod percentiles;
mod receivers;
mod redeliver;
mod report;
mod request_template;
mod resource_usage;
mod server;
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
    /// Resends webhooks that were already delivered, and measures the rate: delivery alone.
    Redeliver(redeliver::RedeliverArgs),
    /// Measures what a million waiting webhooks cost a server: start time, memory, response times.
    Backlog(backlog::BacklogArgs),
    /// Compares the delivery times of a receiver alone and beside a hanging receiver with thousands of
    /// webhooks.
    Isolation(isolation::IsolationArgs),
    /// Sends webhooks to receivers that misbehave in every way, and compares the history with the
    /// documentation.
    Receivers(server::ServerArgs),
    /// Kills the server under load again and again, and counts what was lost.
    Kill9(kill9::Kill9Args),
    /// Kills the server at each of its system calls, and checks that it keeps what it had acknowledged.
    Crashpoints(crashpoints::CrashpointsArgs),
    /// Makes the disk full, refuse writes and fail to flush, and checks that nothing accepted is lost.
    Disk(disk::DiskArgs),
    /// Sets the server's clock forward and back, and restarts the server, while webhooks wait for their
    /// delays.
    Clock(clock::ClockArgs),
    /// Measures processor time and memory of single images without a server, optionally beside sharp.
    Images(images::ImagesArgs),
    /// One measurement of `images`, in a process of its own.
    #[command(hide = true, name = "images-ours")]
    MeasureImage(images::MeasureArgs),
}

// One thread leaves the processors to the server: the tools need only tens of microseconds for each request.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let report = match Cli::parse().command {
        Command::Webhooks(args) => webhooks::run(&args).await?,
        Command::Redeliver(args) => redeliver::run(&args).await?,
        Command::Backlog(args) => backlog::run(&args).await?,
        Command::Isolation(args) => isolation::run(&args).await?,
        Command::Receivers(args) => receivers::run(&args).await?,
        Command::Kill9(args) => kill9::run(&args).await?,
        Command::Crashpoints(args) => crashpoints::run(&args).await?,
        Command::Disk(args) => disk::run(&args).await?,
        Command::Clock(args) => clock::run(&args).await?,
        Command::Images(args) => images::run(&args)?,
        Command::MeasureImage(args) => {
            images::measure_here(&args)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    report.print();
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
