//! The tool `kill9`: checks durability under load. The tool kills a server under load at random moments, and
//! each time starts it again on the same data directory and port. A request is accepted if the client has
//! read its whole 202 response. At the end, the webhook of every accepted request must have been delivered,
//! and all deliveries of a webhook must have the same body.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use pixaven_testkit::process;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::audit::{self, Audit};
use crate::environment::{EnvironmentOptions, TestEnvironment};
use crate::load::{self, LoadResult};
use crate::report::{self, Report, progress};
use crate::request_template::{InputMode, TestImage};
use crate::resource_usage::hundredths;
use crate::server::{Build, Installation, Server, ServerArgs};
use crate::webhook_receiver::WebhookReceiver;

/// The longest time that a server runs before it is killed. The time is random, begins with the start of the
/// process, and may be zero, so that some servers are killed while they still recover from the previous kill.
const MAX_LIFETIME: Duration = Duration::from_millis(2500);

/// The time limit within which an image worker must exit after its server was killed.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Kill9Args {
    /// The number of kills.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Requests per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// The seed of the random moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the server gets the image of a request.
    #[arg(long = "way", value_enum, default_value = "mix")]
    input: InputMode,
    /// A file with the image to process, instead of a generated image of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Seconds without a new webhook after the load, after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    rounds: u32,
    rate: f64,
    seed: u64,
    sent: usize,
    #[serde(flatten)]
    audit: Audit,
    refused: usize,
    rejected: usize,
    cut: usize,
    duplicate_percent: f64,
    /// The number of servers that were killed before they listened.
    killed_while_starting: u32,
    /// The number of image workers that still ran some time after their server was killed.
    workers_left: usize,
    /// Seconds from the end of the load until all accepted webhooks were delivered, or until the tool stopped
    /// waiting.
    drain_s: f64,
}

/// Kills the server under load. The report requires that no accepted webhook is lost or altered.
pub(crate) async fn run(args: &Kill9Args) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0, "--rate is above zero");
    let binary = args.server.binary(Build::Optimised).await?;
    let image = TestImage::documented(args.image.as_deref())?;
    let run = Run {
        options: EnvironmentOptions::new(&args.server, &binary, &image, args.input),
        rounds: args.rounds,
        rate: args.rate,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let figures = run.measure().await?;
    Ok(Report::new("kill9", &figures)?
        .require("no accepted webhook is lost", figures.audit.lost == 0)
        .require("every delivery of a webhook has the same body", figures.audit.altered == 0))
}

struct Run<'a> {
    options: EnvironmentOptions<'a>,
    rounds: u32,
    rate: f64,
    seed: u64,
    drain: Duration,
}

/// Facts about the killed servers that the report needs.
#[derive(Default)]
struct Kills {
    n_while_starting: u32,
    /// The process ids of the image workers of all killed servers.
    workers: HashSet<u32>,
}

impl Run<'_> {
    /// Kills and restarts the server under load, waits for the missing webhooks, and computes the figures.
    async fn measure(&self) -> anyhow::Result<Figures> {
        let environment = self.options.start().await?;
        let TestEnvironment { installation, server, address, receiver, template, http, api, .. } =
            environment;
        let (stop_load, load_stopped) = oneshot::channel();
        let load = load::run(&http, &template, self.rate, async {
            // The load stops when it receives the message of this channel, or when the sender of the channel
            // is dropped.
            let _dropped = load_stopped.await;
        });
        let kills = async {
            let kills = self.kill_and_restart(&installation, server, address.port()).await;
            let _load_ended = stop_load.send(());
            kills
        };
        let (result, kills) = tokio::join!(load, kills);
        let (server, kills) = kills?;

        let drain = Instant::now();
        receiver.wait_for(&result.accepted, self.drain).await;
        let drain = drain.elapsed();
        report::explain_lost(&api, &audit::lost_ids(&result.accepted, &receiver.deliveries())).await;
        server.stop().await?;
        Ok(self.figures(&result, &receiver, &kills, drain, count_workers_left(&kills.workers).await))
    }

    /// Kills and restarts the server once per round. Returns the server of the last round, which listens on
    /// its port.
    async fn kill_and_restart(
        &self,
        installation: &Installation,
        mut server: Server,
        port: u16,
    ) -> anyhow::Result<(Server, Kills)> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut kills = Kills::default();
        let mut is_starting = false;
        for round in 1..=self.rounds {
            let lifetime = MAX_LIFETIME.mul_f64(random.f64());
            let end = server.started_at + lifetime;
            if is_starting {
                match tokio::time::timeout_at(end.into(), server.wait_until_listening()).await {
                    Ok(listening) => drop(listening?),
                    Err(_elapsed) => kills.n_while_starting += 1,
                }
            }
            tokio::time::sleep_until(end.into()).await;
            ensure!(!server.has_exited(), "the server ended by itself:\n{}", installation.log_tail());
            kills.workers.extend(process::children(server.pid()).into_keys());
            server.kill().await?;
            progress(format_args!("round {round:3}: killed after {:4} ms", lifetime.as_millis()));
            server = installation.spawn(port)?;
            is_starting = true;
        }
        server.wait_until_listening().await?;
        Ok((server, kills))
    }

    fn figures(
        &self,
        result: &LoadResult,
        receiver: &WebhookReceiver,
        kills: &Kills,
        drain: Duration,
        workers_left: usize,
    ) -> Figures {
        if let Some(reason) = &result.first_rejection {
            progress(format_args!("rejected: {reason}"));
        }
        let audit = Audit::new(&result.accepted, &receiver.deliveries());
        let duplicate_percent = audit.duplicates as f64 * 100.0 / audit.accepted.max(1) as f64;
        Figures {
            rounds: self.rounds,
            rate: self.rate,
            seed: self.seed,
            sent: result.n_sent(),
            audit,
            refused: result.n_refused,
            rejected: result.n_rejected,
            cut: result.n_cut,
            duplicate_percent: hundredths(duplicate_percent),
            killed_while_starting: kills.n_while_starting,
            workers_left,
            drain_s: hundredths(drain.as_secs_f64()),
        }
    }
}

/// Waits until all image workers of killed servers have exited, but at most [`WORKER_TIMEOUT`]. Returns how
/// many of them still run.
async fn count_workers_left(workers: &HashSet<u32>) -> usize {
    let end = Instant::now() + WORKER_TIMEOUT;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        let n_running = workers.iter().filter(|worker| process::is_running(**worker)).count();
        if n_running == 0 || Instant::now() > end {
            return n_running;
        }
        ticks.tick().await;
    }
}
