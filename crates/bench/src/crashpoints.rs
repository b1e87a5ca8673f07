//! `crashpoints`: the promise at every single step. A server is killed as it enters its `N`th system call of a kind,
//! for every `N` that a short script of requests takes it to; then it is started again on the same directory, and
//! everything that it had told anybody must hold.
//!
//! A point is a kind of call and an `N`. `strace` counts in each thread apart, so the thread that comes to its `N`th call
//! first dies there, and all others with it: `N` goes up to the largest count of any thread, and a thread that makes fewer
//! of these calls is hit at `N` only where it is ahead. That is why calls on the ledger's files, which threads of
//! different kinds make, are kinds of their own, one for each file. The process dies before the call does anything; what
//! it looks like after the call is what the next one of the thread finds. Points in the start and in the orderly stop are
//! among them. Killed is the server's process alone, never a worker; a worker has to notice.

mod groups;
mod recovery;
mod script;
mod trial;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;

use self::groups::{GROUPS, Group};
use self::trial::{Rig, Trial};
use crate::report::{self, progress};
use crate::server::Subject;
use crate::strace;

#[derive(Args)]
pub(crate) struct CrashpointsArgs {
    /// Only every this many points of a kind.
    #[arg(long, default_value_t = 1)]
    every: u64,
    /// At most this many points, spread over all of them.
    #[arg(long)]
    limit: Option<usize>,
    /// Only the kinds of calls whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// How many servers are tried at the same time; most of their time they wait.
    #[arg(long, default_value_t = 4)]
    lanes: usize,
    #[command(flatten)]
    subject: Subject,
}

/// One moment to die at.
struct Point {
    group: &'static Group,
    n: u64,
}

/// What all points showed.
#[derive(Default, Serialize)]
struct Report {
    command: &'static str,
    points: usize,
    /// Of these points the server died at.
    killed: usize,
    /// Those that this run did not come to: it made fewer calls than the one that was counted.
    not_reached: usize,
    /// Deaths after which something that had been told did not hold.
    bad_recoveries: usize,
    accepted: usize,
    /// Deliveries beyond the first of their id, the one that was asked for not counted.
    duplicates: usize,
    /// Accepted without the client having read it.
    orphans: usize,
    calls: Vec<Calls>,
}

/// How many calls of a kind a whole run makes.
#[derive(Serialize)]
struct Calls {
    name: String,
    /// In all threads.
    calls: u64,
    /// In the thread that makes most of them: the number of points.
    points: u64,
}

/// Counts, kills, restarts, and says whether what had been told held.
pub(crate) async fn run(args: &CrashpointsArgs) -> anyhow::Result<bool> {
    ensure!(args.every > 0 && args.lanes > 0, "--every and --lanes are above zero");
    strace::ensure_there().await?;
    let rig = Arc::new(Rig::new(&args.subject).await?);
    let groups = GROUPS.iter().filter(|group| group.name().contains(&args.only));
    let clean = groups.map(|group| Point { group, n: 0 }).collect();
    let mut report = Report { command: "crashpoints", ..Report::default() };
    let mut points = Vec::new();
    for (point, trial) in in_lanes(&rig, args.lanes, clean).await? {
        ensure!(trial.problems.is_empty(), "not even an undisturbed run is good: {:?}", trial.problems);
        let (n_calls, n_points) = trial.counts;
        progress(format_args!("{:28} {n_calls:5} calls, {n_points:5} points", point.group.name()));
        report.calls.push(Calls { name: point.group.name(), calls: n_calls, points: n_points });
        points.extend((1..=n_points).step_by(args.every as usize).map(|n| Point { group: point.group, n }));
    }
    report.calls.sort_by(|a, b| a.name.cmp(&b.name));
    let points = sample(points, args.limit.unwrap_or(usize::MAX));
    report.points = points.len();
    for (point, trial) in in_lanes(&rig, args.lanes, points).await? {
        report.add(&point, &trial);
    }
    report::print(&report)?;
    Ok(report.bad_recoveries == 0 && report.killed > 0)
}

/// Tries all points, several at a time.
async fn in_lanes(
    rig: &Arc<Rig>,
    n_lanes: usize,
    points: VecDeque<Point>,
) -> anyhow::Result<Vec<(Point, Trial)>> {
    let n_points = points.len();
    let queue = Arc::new(Mutex::new(points));
    let mut lanes = JoinSet::new();
    for _ in 0..n_lanes {
        let (rig, queue) = (Arc::clone(rig), Arc::clone(&queue));
        lanes.spawn(async move {
            let lane = rig.lane().await?;
            let mut tried = Vec::new();
            loop {
                let (point, n_left) = {
                    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    (queue.pop_front(), queue.len())
                };
                let Some(point) = point else { return anyhow::Ok(tried) };
                let trial = lane.attempt(point.group, point.n).await?;
                for problem in &trial.problems {
                    progress(format_args!("{} {}: {problem}", point.group.name(), point.n));
                }
                if n_left % 100 == 0 && n_left > 0 {
                    progress(format_args!("{n_left} of {n_points} points left"));
                }
                tried.push((point, trial));
            }
        });
    }
    let mut tried = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        tried.extend(lane??);
    }
    Ok(tried)
}

/// At most `limit` of the points, at even distances.
fn sample(points: Vec<Point>, limit: usize) -> VecDeque<Point> {
    let (n, n_taken) = (points.len(), limit.min(points.len()));
    let is_taken = |at: usize| (at + 1) * n_taken / n > at * n_taken / n;
    points.into_iter().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, point)| point).collect()
}

impl Report {
    fn add(&mut self, point: &Point, trial: &Trial) {
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
    fn a_sample_is_spread_over_all_points() {
        let points = |n| (0..n).map(|n| Point { group: &GROUPS[0], n }).collect::<Vec<_>>();
        let taken = |n, limit| sample(points(n), limit).iter().map(|point| point.n).collect::<Vec<_>>();
        assert_eq!(taken(10, 3), [3, 6, 9]);
        assert_eq!(taken(3, 10), [0, 1, 2]);
        assert_eq!(taken(0, 10), [0; 0]);
    }
}
