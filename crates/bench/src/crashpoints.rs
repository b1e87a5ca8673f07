//! The tool `crashpoints`: checks durability at each system call. A server gets a short script of requests,
//! and is killed when it enters its `N`th system call of a group. The tool repeats this for each `N`. After
//! each kill, a second server starts on the same data directory, and must keep everything that the killed
//! server had acknowledged.
//!
//! A crash point is a group of system calls and a number `N`. `strace` counts the calls of each thread
//! separately. The first thread that enters its `N`th call dies, and all other threads of the process die
//! with it. `N` therefore goes up to the largest count of a single thread. A thread with fewer calls is the
//! first to enter its `N`th call only when it is ahead of the other threads. Threads with different tasks
//! write to different files of the ledger. Each of these files therefore has its own groups. The process dies
//! before the system call has an effect; the state after the call is tested by the next crash point of the
//! same thread. System calls during the start and the orderly stop of a server are crash points, too.
//! `strace` kills only the server process; its image workers must notice that the server has died, and exit.

mod call_groups;
mod recovery;
mod script;
mod trial;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;

use self::call_groups::{CALL_GROUPS, CallGroup};
use self::trial::{Trial, TrialSetup};
use crate::report::{Report, progress};
use crate::server::ServerArgs;
use crate::strace::{self, CallCounts};

#[derive(Args)]
pub(crate) struct CrashpointsArgs {
    /// Test only every Nth crash point of a group.
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// Test at most this many crash points, evenly spread over all crash points.
    #[arg(long)]
    limit: Option<usize>,
    /// Test only the groups whose names contain this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// The number of servers that run at the same time. Each server waits most of the time.
    #[arg(long, default_value_t = 4)]
    lanes: usize,
    #[command(flatten)]
    server: ServerArgs,
}

/// The moment at which a server is killed: when it enters its `n`th system call of a group. If `n` is 0, the
/// server is not killed.
struct CrashPoint {
    group: &'static CallGroup,
    n: u64,
}

#[derive(Default, Serialize)]
struct Figures {
    points: usize,
    /// Crash points at which the server was killed.
    killed: usize,
    /// Crash points that the server did not reach, because it made fewer system calls than the server whose
    /// system calls were counted before.
    not_reached: usize,
    /// Crash points after which something that the server had acknowledged was missing or wrong.
    bad_recoveries: usize,
    accepted: usize,
    /// Repeated deliveries of the same webhook, except the delivery that the script requests by a resend.
    duplicates: usize,
    /// The ids of webhooks that were delivered although the client has read no 202 response for their
    /// request.
    orphans: usize,
    calls: Vec<GroupFigures>,
}

/// The system calls of one group that a server makes when it is not killed.
#[derive(Serialize)]
struct GroupFigures {
    name: String,
    /// The number of system calls in all threads together.
    calls: u64,
    /// The largest number of system calls in a single thread, which is the number of crash points.
    points: u64,
}

/// Counts the system calls of each group, then tests a server at each crash point.
pub(crate) async fn run(args: &CrashpointsArgs) -> anyhow::Result<Report> {
    ensure!(args.every > 0 && args.lanes > 0, "--every and --lanes are above zero");
    strace::ensure_installed().await?;
    let setup = Arc::new(TrialSetup::new(&args.server).await?);
    let groups = CALL_GROUPS.iter().filter(|group| group.name().contains(&args.only));
    let undisturbed = groups.map(|group| CrashPoint { group, n: 0 }).collect();
    let mut figures = Figures::default();
    let mut points = Vec::new();
    for (CrashPoint { group, .. }, trial) in run_trials(&setup, args.lanes, undisturbed).await? {
        ensure!(trial.problems.is_empty(), "not even an undisturbed run is good: {:?}", trial.problems);
        let CallCounts { total, max_per_thread } = trial.counts;
        progress(format_args!("{:28} {total:5} calls, {max_per_thread:5} points", group.name()));
        figures.calls.push(GroupFigures { name: group.name(), calls: total, points: max_per_thread });
        points.extend((1..=max_per_thread).step_by(args.every as usize).map(|n| CrashPoint { group, n }));
    }
    figures.calls.sort_by(|a, b| a.name.cmp(&b.name));
    let points = evenly_spread(points, args.limit.unwrap_or(usize::MAX));
    figures.points = points.len();
    for (point, trial) in run_trials(&setup, args.lanes, points).await? {
        figures.add(&point, &trial);
    }
    Ok(Report::new("crashpoints", &figures)?
        .require("every acknowledgement is kept", figures.bad_recoveries == 0)
        .require("at least one server is killed", figures.killed > 0))
}

/// Runs a trial for each crash point, up to `n_parallel` at a time.
async fn run_trials(
    setup: &Arc<TrialSetup>,
    n_parallel: usize,
    points: VecDeque<CrashPoint>,
) -> anyhow::Result<Vec<(CrashPoint, Trial)>> {
    let n_points = points.len();
    let queue = Arc::new(Mutex::new(points));
    let mut runners = JoinSet::new();
    for _ in 0..n_parallel {
        let (setup, queue) = (Arc::clone(setup), Arc::clone(&queue));
        runners.spawn(async move {
            let runner = setup.start_runner().await?;
            let mut trials = Vec::new();
            loop {
                let (point, n_left) = {
                    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    (queue.pop_front(), queue.len())
                };
                let Some(point) = point else { return anyhow::Ok(trials) };
                let trial = runner.run_trial(point.group, point.n).await?;
                for problem in &trial.problems {
                    progress(format_args!("{} {}: {problem}", point.group.name(), point.n));
                }
                if n_left % 100 == 0 && n_left > 0 {
                    progress(format_args!("{n_left} of {n_points} points left"));
                }
                trials.push((point, trial));
            }
        });
    }
    let mut trials = Vec::new();
    while let Some(runner) = runners.join_next().await {
        trials.extend(runner??);
    }
    Ok(trials)
}

/// Selects at most `limit` of the crash points, evenly spread over all of them.
fn evenly_spread(points: Vec<CrashPoint>, limit: usize) -> VecDeque<CrashPoint> {
    let (n, n_taken) = (points.len(), limit.min(points.len()));
    let is_taken = |at: usize| (at + 1) * n_taken / n > at * n_taken / n;
    points.into_iter().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, point)| point).collect()
}

impl Figures {
    fn add(&mut self, point: &CrashPoint, trial: &Trial) {
        self.killed += usize::from(trial.was_killed);
        self.not_reached += usize::from(!trial.was_killed);
        self.bad_recoveries += usize::from(!trial.problems.is_empty());
        self.accepted += trial.audit.accepted;
        self.duplicates += trial.audit.duplicates;
        self.orphans += trial.audit.orphans;
        if !trial.was_killed {
            progress(format_args!("{} {}: not reached", point.group.name(), point.n));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_there_are_more_crash_points_than_the_limit_evenly_spread_crash_points_are_chosen() {
        let points = |n| (0..n).map(|n| CrashPoint { group: &CALL_GROUPS[0], n }).collect::<Vec<_>>();
        let taken =
            |n, limit| evenly_spread(points(n), limit).iter().map(|point| point.n).collect::<Vec<_>>();
        assert_eq!(taken(10, 3), [3, 6, 9]);
        assert_eq!(taken(3, 10), [0, 1, 2]);
        assert_eq!(taken(0, 10), [0; 0]);
    }
}
