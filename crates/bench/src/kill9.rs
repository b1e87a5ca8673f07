//! `kill9`: durability under load. A server under load is killed at random moments, and started again on the
//! same directory and port. In the end every request whose 202 the client has read must have been delivered,
//! always with the same body.

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

/// Each server lives for a random time from zero to this, counted from the start of its process. Some servers
/// are killed while they still recover from the kill before.
const MAX_LIFETIME: Duration = Duration::from_millis(2500);

/// A worker that still runs this long after its server was killed has failed to notice.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Kill9Args {
    /// How often the server is killed.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Requests per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// The seed of the random moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the image reaches the server.
    #[arg(long = "way", value_enum, default_value = "mix")]
    input: InputMode,
    /// The image to process instead of a generated one of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
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
    /// Servers that were killed before they listened.
    killed_while_starting: u32,
    /// Workers that still ran after their server was killed.
    workers_left: usize,
    /// From the last kill to the arrival of the last missing webhook.
    drain_s: f64,
}

/// Kills the server under load, and requires that nothing accepted is lost or altered.
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

/// What the tool observed when it killed servers.
#[derive(Default)]
struct Kills {
    n_while_starting: u32,
    /// The process ids of the workers of all killed servers.
    workers: HashSet<u32>,
}

impl Run<'_> {
    /// Kills and restarts under load, waits for the missing webhooks, and counts.
    async fn measure(&self) -> anyhow::Result<Figures> {
        let environment = self.options.start().await?;
        let TestEnvironment { installation, server, address, receiver, template, http, api, .. } =
            environment;
        let (stop_load, load_stopped) = oneshot::channel();
        let load = load::run(&http, &template, self.rate, async {
            // A dropped sender stops the load, too.
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

    /// Does all rounds. Returns the server that was started after the last kill, and that listens.
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

/// Waits until no worker of a killed server runs, but at most [`WORKER_TIMEOUT`]. Returns how many still run.
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
