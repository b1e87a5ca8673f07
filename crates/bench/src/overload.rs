//! The tool `overload`: measures the server when it gets more work than it can do. The measurement has three
//! parts, each with a server of its own: uploads at ten times the rate that the server can process, a few
//! good requests beside many images that take seconds, and `/healthz` beside thousands of idle connections.
//! Each part measures the same server in two states, with and without the overload. The two states alternate,
//! so that other work of the machine affects both states.

mod bombs;
mod client;
mod goodput;
mod idle;

use clap::Args;
use serde::Serialize;

use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::report::Report;
use crate::request_template::{InputMode, TestImage};
use crate::server::{Build, ServerArgs};

/// The smallest allowed ratio of the images that the server processes per second of processor time under
/// overload to the images that it processes per second of processor time at the peak.
const MIN_GOODPUT: f64 = 0.95;
/// The largest allowed p99 of the time to a refusal, in milliseconds.
const MAX_REFUSAL_MS: f64 = 100.0;
/// The largest allowed ratio of the p99 latency of good requests beside the bombs (images that take seconds)
/// to the p99 latency of good requests alone.
const MAX_BOMB_RATIO: f64 = 3.0;
/// The largest allowed p99 latency of `/healthz` beside idle connections, in milliseconds.
const MAX_HEALTH_MS: f64 = 50.0;

#[derive(Args)]
pub(crate) struct OverloadArgs {
    /// The rate of uploads under overload, as a multiple of the peak rate. 0 leaves out the uploads.
    #[arg(long, default_value_t = 10.0)]
    factor: f64,
    /// The size of each upload in KiB.
    #[arg(long, default_value_t = 700)]
    body_kib: usize,
    /// The width of the resized images in pixels.
    #[arg(long, default_value_t = 720)]
    width: u32,
    /// Let the clients send `Expect: 100-continue`, and send the body only when the server asks for it.
    #[arg(long)]
    expect: bool,
    /// The number of clients that send images that take seconds. 0 leaves out these images.
    #[arg(long, default_value_t = 50)]
    bombs: usize,
    /// The number of connections that are open and send nothing. 0 leaves out the idle connections.
    #[arg(long, default_value_t = 3_000)]
    idle_connections: usize,
    /// The seconds that the server stays in a state before the next state begins.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How often the server gets into each of the two states, with and without overload.
    #[arg(long, default_value_t = 3)]
    turns: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    goodput: Option<goodput::Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bombs: Option<bombs::Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<idle::Figures>,
}

/// Runs all parts of the measurement that the arguments do not leave out.
pub(crate) async fn run(args: &OverloadArgs) -> anyhow::Result<Report> {
    let (binary, image) = (args.server.binary(Build::Optimised).await?, TestImage::documented(None)?);
    let options = EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Upload);
    let mut figures = Figures { goodput: None, bombs: None, idle: None };
    if args.factor > 0.0 {
        let environment = options.start().await?;
        figures.goodput = Some(goodput::measure(&environment, args).await?);
        stop(environment).await?;
    }
    if args.bombs > 0 {
        let environment = options.start().await?;
        figures.bombs = Some(bombs::measure(&environment, args).await?);
        stop(environment).await?;
    }
    if args.idle_connections > 0 {
        let environment = options.start().await?;
        figures.idle = Some(idle::measure(&environment, args).await?);
        stop(environment).await?;
    }
    figures.report()
}

async fn stop(environment: TestEnvironment) -> anyhow::Result<()> {
    environment.server.stop().await?;
    Ok(())
}

impl Figures {
    fn report(&self) -> anyhow::Result<Report> {
        let mut report = Report::new("overload", self)?;
        if let Some(goodput) = &self.goodput {
            let is_good = goodput.cpu_ratio.is_some_and(|ratio| ratio >= MIN_GOODPUT);
            let is_fast = goodput.refused_ms.is_none_or(|times| times.p99 <= MAX_REFUSAL_MS);
            report = report
                .require("overload costs at most 5 % of the processed images", is_good)
                .require("refusals come within 100 ms", is_fast)
                .require("every request gets a response", goodput.cut == 0);
        }
        if let Some(bombs) = &self.bombs {
            let is_close = bombs.p99_ratio.is_some_and(|ratio| ratio <= MAX_BOMB_RATIO);
            report = report
                .require("bombs at most triple the p99 of good requests", is_close)
                .require("no good request fails", bombs.failed == 0);
        }
        if let Some(idle) = &self.idle {
            let is_fast = idle.beside_ms.is_some_and(|times| times.p99 <= MAX_HEALTH_MS);
            report = report
                .require("/healthz responds within 50 ms beside idle connections", is_fast)
                .require("/healthz always responds", idle.failed == 0);
        }
        Ok(report)
    }
}
