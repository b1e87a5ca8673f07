//! `kill9`: the promise under fire. A server under load is killed at random moments and started again on the same
//! directory and port; in the end every request whose 202 the client had read must have been delivered, always with
//! the same bytes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::audit::{self, Audit};
use crate::job::{Image, Way};
use crate::load::{self, Answers};
use crate::receiver::Receiver;
use crate::report::{self, progress};
use crate::server::{Build, Installation, Server, Subject};
use crate::stage::{Setup, Stage};
use crate::usage;

/// A life is between nothing and this long, counted from the start of the process: some kills hit a server that is
/// still recovering from the one before.
const MAX_LIFE: Duration = Duration::from_millis(2500);

/// A worker must have noticed the end of its server after this time; its current image may take as long.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Kill9Args {
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
    /// The image to process instead of a painted one of 550×412 pixels.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for the next webhook after the load, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 60.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
struct Report {
    command: &'static str,
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
    /// Kills that hit a server before it listened.
    killed_while_starting: u32,
    /// Workers that went on running after their server was killed.
    workers_left: usize,
    /// From the last kill to the last webhook that was owed.
    drain_s: f64,
}

/// Kills, and says whether everything came, always alike.
pub(crate) async fn run(args: &Kill9Args) -> anyhow::Result<bool> {
    ensure!(args.rate > 0.0, "--rate is above zero");
    let binary = args.subject.binary(Build::Optimised).await?;
    let image = Image::documented(args.image.as_deref())?;
    let run = Run {
        setup: Setup::of(&args.subject, &binary, &image, args.way),
        rounds: args.rounds,
        rate: args.rate,
        seed: args.seed,
        drain: Duration::from_secs_f64(args.drain_seconds),
    };
    let report = run.measure().await?;
    report::print(&report)?;
    Ok(report.audit.lost + report.audit.altered == 0)
}

/// A run of several kills.
struct Run<'a> {
    setup: Setup<'a>,
    rounds: u32,
    rate: f64,
    seed: u64,
    drain: Duration,
}

/// What the kills themselves showed.
#[derive(Default)]
struct Kills {
    n_while_starting: u32,
    workers: HashSet<u32>,
}

impl Run<'_> {
    /// Kills, restarts, drains and counts.
    async fn measure(&self) -> anyhow::Result<Report> {
        let stage = self.setup.start().await?;
        let Stage {
            installation, server, address, receiver, job, client, api, directory: _directory, ..
        } = stage;
        let (stop_load, stopped) = oneshot::channel();
        let load = load::run(&client, &job, self.rate, async {
            // A sender that was dropped stops the load, too.
            let _dropped = stopped.await;
        });
        let kills = async {
            let kills = self.kill_and_restart(&installation, server, address.port()).await;
            let _load_ended = stop_load.send(());
            kills
        };
        let (answers, kills) = tokio::join!(load, kills);
        let (server, kills) = kills?;

        let drain = Instant::now();
        receiver.wait_for(&answers.accepted, self.drain).await;
        let drain = drain.elapsed();
        report::explain(&api, &audit::lost(&answers.accepted, &receiver.deliveries())).await;
        server.stop().await?;
        Ok(self.report(&answers, &receiver, &kills, drain, workers_left(&kills.workers).await))
    }

    /// All rounds. Returns the last server, which is ready and not killed.
    async fn kill_and_restart(
        &self,
        installation: &Installation,
        mut server: Server,
        port: u16,
    ) -> anyhow::Result<(Server, Kills)> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut kills = Kills::default();
        let mut starting = false;
        for round in 1..=self.rounds {
            let life = MAX_LIFE.mul_f64(random.f64());
            let end = server.since + life;
            if starting {
                let listening = tokio::time::timeout_at(end.into(), server.listening()).await;
                match listening {
                    Ok(listening) => drop(listening?),
                    Err(_too_early) => kills.n_while_starting += 1,
                }
            }
            tokio::time::sleep_until(end.into()).await;
            anyhow::ensure!(!server.has_ended(), "the server ended by itself:\n{}", installation.log_tail());
            kills.workers.extend(usage::child_ids(server.pid()));
            server.kill().await?;
            progress(format_args!("round {round:3}: killed after {:4} ms", life.as_millis()));
            server = installation.spawn(port)?;
            starting = true;
        }
        server.listening().await?;
        Ok((server, kills))
    }

    fn report(
        &self,
        answers: &Answers,
        receiver: &Receiver,
        kills: &Kills,
        drain: Duration,
        workers_left: usize,
    ) -> Report {
        if let Some(why) = &answers.first_rejection {
            progress(format_args!("rejected: {why}"));
        }
        let audit = Audit::of(&answers.accepted, &receiver.deliveries());
        let percent = audit.duplicates as f64 * 100.0 / audit.accepted.max(1) as f64;
        Report {
            command: "kill9",
            rounds: self.rounds,
            rate: self.rate,
            seed: self.seed,
            sent: answers.n_sent(),
            audit,
            refused: answers.n_refused,
            rejected: answers.n_rejected,
            cut: answers.n_cut,
            duplicate_percent: (percent * 100.0).round() / 100.0,
            killed_while_starting: kills.n_while_starting,
            workers_left,
            drain_s: (drain.as_secs_f64() * 100.0).round() / 100.0,
        }
    }
}

/// How many of the workers of killed servers are still running after a reasonable time.
async fn workers_left(workers: &HashSet<u32>) -> usize {
    let patience = Instant::now() + WORKER_PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        let n_running = workers.iter().filter(|worker| usage::is_running(**worker)).count();
        if n_running == 0 || Instant::now() > patience {
            return n_running;
        }
        ticks.tick().await;
    }
}
