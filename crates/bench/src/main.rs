//! Load and fault tools. They start the real server with an empty directory and look at it from outside, as its
//! users do: nothing here knows how it works, except what writes a backlog and what looks into a database that was
//! left. Each tool is a module with its arguments, its run and what makes it good.

mod api;
mod audit;
mod backlog;
mod clock;
mod crashpoints;
mod database;
mod disk;
mod images;
mod isolation;
mod job;
mod kill9;
mod load;
mod loopback;
mod origin;
mod receiver;
mod receivers;
mod redeliver;
mod report;
mod server;
mod stage;
mod stats;
mod strace;
mod usage;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Webhooks(webhooks::WebhooksArgs),
    /// Sends webhooks again that were delivered before, and measures how fast: delivery alone.
    Redeliver(redeliver::RedeliverArgs),
    /// Measures what a million webhooks that wait cost a server: its start, its memory, its answers.
    Backlog(backlog::BacklogArgs),
    /// Measures a receiver's webhooks alone, and beside a receiver that hangs and has thousands of them waiting.
    Isolation(isolation::IsolationArgs),
    /// Sends webhooks to receivers that misbehave in every way, and compares what becomes of them with what should.
    Receivers(server::Subject),
    /// Kills the server under load again and again, and counts what was lost.
    Kill9(kill9::Kill9Args),
    /// Kills the server at each of its system calls, and looks whether what it had told holds.
    Crashpoints(crashpoints::CrashpointsArgs),
    /// Lets the disk be full, refuse writes and fail to flush, and looks whether nothing is lost.
    Disk(disk::DiskArgs),
    /// Sets the server's clock forward and back, and stops it, while webhooks wait for their delays.
    Clock(clock::ClockArgs),
    /// Measures processor time and memory of single images, without a server, and of sharp beside it.
    Images(images::ImagesArgs),
    /// One measurement of `images`, in a process of its own.
    #[command(hide = true)]
    ImagesOurs(images::Ours),
}

// One thread: the tools must leave the processors to the server, and their work for one request is tens of
// microseconds.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let is_good = match Cli::parse().command {
        Command::Webhooks(args) => webhooks::run(&args).await?,
        Command::Redeliver(args) => redeliver::run(&args).await?,
        Command::Backlog(args) => backlog::run(&args).await?,
        Command::Isolation(args) => isolation::run(&args).await?,
        Command::Receivers(subject) => receivers::run(&subject).await?,
        Command::Kill9(args) => kill9::run(&args).await?,
        Command::Crashpoints(args) => crashpoints::run(&args).await?,
        Command::Disk(args) => disk::run(&args).await?,
        Command::Clock(args) => clock::run(&args).await?,
        Command::Images(args) => images::run(&args).map(|()| true)?,
        Command::ImagesOurs(args) => images::measure_here(&args).map(|()| true)?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
