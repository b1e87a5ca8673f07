//! The tool `isolation`: measures whether a hanging receiver with thousands of waiting webhooks delays the
//! webhooks of another receiver. Two servers run side by side: only one of them has webhooks that wait for
//! the hanging receiver. The tool sends the same load to the two servers alternately, so that other work of
//! the machine affects both.

mod silent_names;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use hyper::StatusCode;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::audit::{self, Audit};
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::http_client::HttpClient;
use crate::load;
use crate::percentiles::Percentiles;
use crate::report::{Report, progress};
use crate::request_template::{InputMode, RequestTemplate, TestImage};
use crate::resource_usage::hundredths;
use crate::server::{Build, ServerArgs};

/// The largest allowed ratio of two p99 delivery times: the time of the server with the backlog divided by
/// the time of the server without it.
const MAX_RATIO: f64 = 2.0;

/// Seconds of load on each server before the measurement begins.
const WARM_UP_S: f64 = 2.0;

/// The number of periods of load on each server. The periods of the two servers alternate.
const N_TURNS: u32 = 10;

/// How many requests of the backlog are sent at the same time.
const N_FILLERS: usize = 16;

/// The time limit within which the server must process the images of all requests of the backlog.
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct IsolationArgs {
    /// The number of webhooks that wait for the hanging receiver.
    #[arg(long, default_value_t = 10_000)]
    pending: usize,
    /// The number of webhooks to host names whose name server is silent. These webhooks replace the webhooks
    /// that wait for the hanging receiver. Before each period of load, this number of webhooks goes to new
    /// names.
    #[arg(long, default_value_t = 0, conflicts_with = "pending")]
    silent_names: usize,
    /// The number of webhooks per second to the healthy receiver.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Seconds of load on each server, as the sum of all its turns.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Seconds without a new webhook after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 15.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    rate: f64,
    /// The number of webhooks that wait for the hanging receiver, before and after the measurement.
    pending: (u64, u64),
    /// The figures of the server without the backlog.
    alone: SideFigures,
    /// The figures of the server with the backlog.
    beside: SideFigures,
    /// The ratio of two p50 delivery times: the time of the server with the backlog divided by the time of
    /// the server without the backlog.
    p50_ratio: Option<f64>,
    p99_ratio: Option<f64>,
}

/// The figures of one of the two servers.
#[derive(Debug, Clone, Serialize)]
struct SideFigures {
    #[serde(flatten)]
    audit: Audit,
    /// The number of requests that the server did not accept.
    refused: usize,
    /// For each request, the milliseconds from the end of its 202 response to the arrival of its webhook.
    delivery_ms: Option<Percentiles>,
}

/// Sends load to the two servers alternately, and compares their delivery times.
pub(crate) async fn run(args: &IsolationArgs) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let (binary, image) = (args.server.binary(Build::Optimised).await?, TestImage::noop()?);
    let names = silent_names::start_name_server();
    let mut settings = args.server.settings.clone();
    if args.silent_names > 0 {
        settings.push(format!("network.name_servers={}", names.setting()));
    }
    let options = EnvironmentOptions::new(&args.server, &binary, &image, InputMode::Fetch);
    let run = Run {
        options: EnvironmentOptions { settings: &settings, ..options },
        n_pending: args.pending,
        n_silent_names: args.silent_names,
        rate: args.rate,
        seconds: args.seconds,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    run.measure().await?.report()
}

struct Run<'a> {
    options: EnvironmentOptions<'a>,
    /// The number of webhooks that wait for the hanging receiver.
    n_pending: usize,
    /// The number of silent names in each period of load, or 0 for the hanging receiver.
    n_silent_names: usize,
    /// Webhooks per second to the healthy receiver.
    rate: f64,
    /// Seconds of load on each server, as the sum of all its periods of load.
    seconds: f64,
    drain: Duration,
}

/// One of the two servers, and what happened to the requests that were sent to it.
struct Side {
    environment: TestEnvironment,
    accepted: HashMap<Uuid, Instant>,
    n_refused: usize,
}

impl Run<'_> {
    /// Gives one server a backlog, then sends load to the two servers alternately.
    async fn measure(&self) -> anyhow::Result<Figures> {
        let (mut alone, mut beside) = (self.start().await?, self.start().await?);
        let n_pending = match self.n_silent_names {
            0 => self.fill_with_hanging(&beside).await?,
            n => {
                for side in [&mut alone, &mut beside] {
                    silent_names::name_the_receiver(side, self.options.image);
                }
                n as u64
            }
        };
        for side in [&mut alone, &mut beside] {
            self.load(side, WARM_UP_S).await;
            side.accepted.clear();
        }
        for turn in 1..=N_TURNS {
            self.load(&mut alone, self.seconds / f64::from(N_TURNS)).await;
            if self.n_silent_names > 0 {
                let environment = &beside.environment;
                silent_names::fill(environment, self.options.image, turn, self.n_silent_names).await?;
            }
            self.load(&mut beside, self.seconds / f64::from(N_TURNS)).await;
            let p99 = |side: &Side| side.figures().delivery_ms.map_or(f64::NAN, |times| times.p99);
            let (alone, beside) = (p99(&alone), p99(&beside));
            progress(format_args!("turn {turn:2}: p99 {alone} ms alone, {beside} ms beside them"));
        }
        let pending = (n_pending, n_webhooks_in(&beside.environment, "scheduled,dispatched").await?);
        let figures = Figures::new(self.rate, pending, alone.figures(), beside.figures());
        alone.environment.server.stop().await?;
        beside.environment.server.stop().await?;
        Ok(figures)
    }

    /// Sends the webhooks to the hanging receiver. Returns how many of them wait.
    async fn fill_with_hanging(&self, side: &Side) -> anyhow::Result<u64> {
        let hanging = ScriptedReceiver::start(vec![vec![Action::Hang]]);
        let webhook = json!({ "url": hanging.url("/").as_str() });
        let template = side.environment.template_for(self.options.image, webhook);
        fill(&side.environment.http, &template, self.n_pending).await?;
        let n_pending = wait_until_processed(&side.environment).await?;
        progress(format_args!("{n_pending} webhooks wait for a receiver that hangs"));
        Ok(n_pending)
    }

    async fn start(&self) -> anyhow::Result<Side> {
        let environment = self.options.start().await?;
        Ok(Side { environment, accepted: HashMap::new(), n_refused: 0 })
    }

    /// Sends a steady load to one server, and waits until the healthy receiver has all webhooks of this load.
    async fn load(&self, side: &mut Side, seconds: f64) {
        let TestEnvironment { http, template, receiver, .. } = &side.environment;
        let end = tokio::time::sleep(Duration::from_secs_f64(seconds));
        let result = load::run(http, template, self.rate, end).await;
        receiver.wait_for(&result.accepted, self.drain).await;
        side.n_refused += result.n_refused + result.n_rejected + result.n_cut;
        side.accepted.extend(result.accepted);
    }
}

impl Side {
    fn figures(&self) -> SideFigures {
        let deliveries = self.environment.receiver.deliveries_of(&self.accepted);
        SideFigures {
            audit: Audit::new(&self.accepted, &deliveries),
            refused: self.n_refused,
            delivery_ms: Percentiles::of(audit::delivery_times(&self.accepted, &deliveries)),
        }
    }
}

impl Figures {
    fn new(rate: f64, pending: (u64, u64), alone: SideFigures, beside: SideFigures) -> Self {
        let ratio = |percentile: fn(Percentiles) -> f64| {
            let (beside, alone) = (beside.delivery_ms.map(percentile)?, alone.delivery_ms.map(percentile)?);
            Some(hundredths(beside / alone))
        };
        let (p50_ratio, p99_ratio) = (ratio(|times| times.p50), ratio(|times| times.p99));
        Self { rate, pending, alone, beside, p50_ratio, p99_ratio }
    }

    fn report(&self) -> anyhow::Result<Report> {
        let n_missing = |side: &SideFigures| side.audit.lost + side.audit.failed + side.refused;
        let is_close = self.p99_ratio.is_some_and(|ratio| ratio <= MAX_RATIO);
        Ok(Report::new("isolation", self)?
            .require("the backlog at most doubles the p99 of the other receiver", is_close)
            .require(
                "every request is accepted and delivered",
                n_missing(&self.alone) + n_missing(&self.beside) == 0,
            ))
    }
}

/// Waits until the server has processed the images of all requests. Returns the number of webhooks that are
/// then not delivered yet.
async fn wait_until_processed(environment: &TestEnvironment) -> anyhow::Result<u64> {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    while n_webhooks_in(environment, "created").await? > 0 {
        ensure!(start.elapsed() < BACKLOG_TIMEOUT, "the backlog is still being processed");
        ticks.tick().await;
    }
    n_webhooks_in(environment, "scheduled,dispatched").await
}

/// Sends `n` requests, of which up to [`N_FILLERS`] are in flight at the same time.
async fn fill(http: &Arc<HttpClient>, template: &Arc<RequestTemplate>, n: usize) -> anyhow::Result<()> {
    let mut fillers = JoinSet::new();
    for filler in 0..N_FILLERS {
        let (http, template) = (Arc::clone(http), Arc::clone(template));
        fillers.spawn(async move {
            for n in (filler..n).step_by(N_FILLERS) {
                let (status, body) = http.send(template.request(n as u64)).await?;
                ensure!(status == StatusCode::ACCEPTED, "{status}: {}", String::from_utf8_lossy(&body));
            }
            Ok(())
        });
    }
    fillers.join_all().await.into_iter().collect()
}

/// Counts the webhooks that have one of the given statuses. `statuses` is a list separated by commas.
async fn n_webhooks_in(environment: &TestEnvironment, statuses: &str) -> anyhow::Result<u64> {
    let response = environment.api.get(&format!("/1.0/webhooks?limit=1&status={statuses}")).await?;
    response.ensure(StatusCode::OK)?;
    response.json["total"].as_u64().with_context(|| format!("a list without a total: {}", response.json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(p99: f64, lost: usize) -> SideFigures {
        let audit = Audit { accepted: 9, delivered: 9, lost, ..Audit::default() };
        SideFigures { audit, refused: 0, delivery_ms: Some(Percentiles { p50: 1.0, p99, max: 99.0 }) }
    }

    fn passes(beside: SideFigures) -> bool {
        Figures::new(100.0, (1, 1), side(4.0, 0), beside).report().unwrap().passed()
    }

    #[test]
    fn the_isolation_benchmark_passes_if_the_p99_delivery_time_at_most_doubles_and_no_webhook_is_lost() {
        for (beside_ms, lost, expected) in [(8.0, 0, true), (8.1, 0, false), (4.0, 1, false)] {
            assert_eq!(passes(side(beside_ms, lost)), expected, "{beside_ms} ms, {lost} lost");
        }
        let without_deliveries = SideFigures { delivery_ms: None, ..side(4.0, 0) };
        assert!(!passes(without_deliveries));
    }
}
