//! The tool `overload`: measures what the server does when it has more to do than it can. It has three parts,
//! each with a server of its own: uploads at ten times the rate that the server can process, a few good
//! requests beside many images that take seconds, and `/healthz` beside thousands of idle connections. Each
//! part compares two states of the same server, which take turns, so that other work of the machine affects
//! both.

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

/// The smallest allowed ratio of two numbers of processed images per second of the server's processor time: under
/// overload, and at the peak.
const MIN_GOODPUT: f64 = 0.95;
/// The largest allowed p99 of the time to a refusal, in milliseconds.
const MAX_REFUSAL_MS: f64 = 100.0;
/// The largest allowed ratio of two p99 latencies of good requests: beside the bombs, and alone.
const MAX_BOMB_RATIO: f64 = 3.0;
/// The largest allowed p99 latency of `/healthz` beside idle connections, in milliseconds.
const MAX_HEALTH_MS: f64 = 50.0;

#[derive(Args)]
pub(crate) struct OverloadArgs {
    /// How many times the peak rate is sent. 0 leaves this part out.
    #[arg(long, default_value_t = 10.0)]
    factor: f64,
    /// The size of each upload in KiB.
    #[arg(long, default_value_t = 700)]
    body_kib: usize,
    /// Let the clients send `Expect: 100-continue` and wait with the body.
    #[arg(long)]
    expect: bool,
    /// How many images that take seconds are always waiting. 0 leaves this part out.
    #[arg(long, default_value_t = 50)]
    bombs: usize,
    /// How many connections are open and send nothing. 0 leaves this part out.
    #[arg(long, default_value_t = 3_000)]
    idle_connections: usize,
    /// The seconds of each turn.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How often each of the two states has its turn.
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

/// Measures all parts that are not left out.
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
