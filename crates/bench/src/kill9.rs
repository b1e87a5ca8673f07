//! `kill9`: the promise under fire. A server under load is killed at random moments and started again on the same
//! directory and port; in the end every request whose 202 the client had read must have been delivered, always with
//! the same bytes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::audit::{self, Audit};
use crate::load::{self, Answers};
use crate::receiver::Receiver;
use crate::report::{self, progress};
use crate::server::{Installation, Server};
use crate::stage::{Setup, Stage};
use crate::usage;

/// A life is between nothing and this long, counted from the start of the process: some kills hit a server that is
/// still recovering from the one before.
const MAX_LIFE: Duration = Duration::from_millis(2500);

/// A worker must have noticed the end of its server after this time; its current image may take as long.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);

/// A run of several kills.
pub(crate) struct Run<'a> {
    pub(crate) setup: Setup<'a>,
    pub(crate) rounds: u32,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
    pub(crate) drain: Duration,
}

/// What the kills themselves showed.
#[derive(Default)]
struct Kills {
    n_while_starting: u32,
    workers: HashSet<u32>,
}

impl Run<'_> {
    /// Kills, restarts, drains and counts.
    pub(crate) async fn measure(&self) -> anyhow::Result<report::Kill9> {
        let stage = self.setup.start().await?;
        let Stage { installation, server, address, receiver, job, client, directory: _directory, .. } = stage;
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
        report::explain(&client, &job, &audit::lost(&answers.accepted, &receiver.deliveries())).await;
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
    ) -> report::Kill9 {
        if let Some(why) = &answers.first_rejection {
            progress(format_args!("rejected: {why}"));
        }
        let audit = Audit::of(&answers.accepted, &receiver.deliveries());
        let percent = audit.duplicates as f64 * 100.0 / audit.accepted.max(1) as f64;
        report::Kill9 {
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
