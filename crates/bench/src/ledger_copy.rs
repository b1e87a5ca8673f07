//! The tool `ledger-copy`: fills an SQLite ledger with webhooks in all states, and copies it to PostgreSQL with
//! `pixaven ledger copy`. The tool kills the copy several times and runs it again. In the end, the command
//! must have found the same counts and digests in both databases, both ledgers must be sound, and every
//! pending webhook must be claimed once from the new ledger. The tool starts a PostgreSQL server of its own.

mod fill;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use pixaven_ledger::{Clock, Disposition, Ledger, Store, check_ledger};
use pixaven_testkit::postgres::{Flush, new_cluster};
use serde::Serialize;
use tokio::process::Command;

use self::fill::{delivered, fill, job_done, unlimited};
use crate::report::{Report, progress};
use crate::server::{Build, ServerArgs, temporary_directory};

/// The time of a copy before it is killed, in milliseconds, if it has not ended before.
const KILL_AFTER_MS: std::ops::RangeInclusive<u64> = 100..=1_000;

/// All retries of the filled ledger are due by then.
const LATER_MS: i64 = 24 * 3_600_000;

const LEASE_MS: i64 = 600_000;

#[derive(Args)]
pub(crate) struct LedgerCopyArgs {
    /// Webhooks in the ledger.
    #[arg(long, default_value_t = 100_000)]
    webhooks: u32,
    /// How often the copy is killed, unless it ends before.
    #[arg(long, default_value_t = 5)]
    kills: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Figures {
    webhooks: u32,
    /// Webhooks that were not delivered and had not failed.
    pending: u64,
    /// Copies that were killed.
    kills: u32,
    /// Kills after which the new ledger was unfinished.
    kills_in_the_middle: u32,
    rows: u64,
    /// The run time of all copies together, in seconds.
    copy_s: f64,
    /// The run time of a copy that finds nothing to do, in seconds.
    compare_s: f64,
    check_sqlite_s: f64,
    check_postgres_s: f64,
    violations: u64,
    /// Webhooks that were claimed from the new ledger.
    claimed: u64,
}

pub(crate) async fn run(args: &LedgerCopyArgs) -> anyhow::Result<Report> {
    let binary = args.server.binary(Build::SameProfile).await?;
    let directory = temporary_directory(args.server.keep)?;
    let cluster = tokio::task::spawn_blocking(|| new_cluster(Flush::Always)).await?;
    let cluster = cluster.context("this tool needs PostgreSQL: initdb was not found")?;
    let to = cluster.create_database("pixaven");
    let from = directory.path().join("pixaven.db");
    progress(format_args!("filling the ledger with {} webhooks", args.webhooks));
    let pending = fill(&from, args.webhooks).await?;
    let copy = CopyCommand { binary, from: from.clone(), to: to.clone() };

    let (mut kills, mut kills_in_the_middle, mut copy_s) = (0, 0, 0.0);
    let report = loop {
        let started = Instant::now();
        let ended = copy.run(kills < args.kills).await?;
        copy_s += started.elapsed().as_secs_f64();
        match ended {
            Some(report) => break report,
            None => kills += 1,
        }
        let store = Store::Postgres { url: to.clone() };
        match Ledger::open(store, Clock::System).await {
            Err(pixaven_ledger::Error::UnfinishedCopy) => kills_in_the_middle += 1,
            opened => opened?.close().await,
        }
    };
    progress(&report);
    let started = Instant::now();
    let again = copy.run(false).await?.unwrap_or_default();
    let compare_s = started.elapsed().as_secs_f64();
    ensure!(again.contains("was copied before"), "the second copy found something to do: {again}");

    let (check_sqlite_s, in_sqlite) = check(Store::Sqlite { path: from }).await?;
    let (check_postgres_s, in_postgres) = check(Store::Postgres { url: to.clone() }).await?;
    let claimed = deliver_pending(&to).await?;
    let figures = Figures {
        webhooks: args.webhooks,
        pending,
        kills,
        kills_in_the_middle,
        rows: compared_rows(&report),
        copy_s,
        compare_s,
        check_sqlite_s,
        check_postgres_s,
        violations: in_sqlite + in_postgres,
        claimed,
    };
    Ok(Report::new("ledger-copy", &figures)?
        .require("the copy was killed in the middle", kills_in_the_middle > 0 || args.kills == 0)
        .require("both ledgers are sound", figures.violations == 0)
        .require("every pending webhook is claimed from the new ledger", claimed == pending))
}

/// The command `pixaven ledger copy` with its arguments.
struct CopyCommand {
    binary: PathBuf,
    from: PathBuf,
    to: String,
}

impl CopyCommand {
    /// Runs the command, and kills it after a random time if `is_killed` is true. Returns its output, or
    /// `None` if it was killed.
    async fn run(&self, is_killed: bool) -> anyhow::Result<Option<String>> {
        let from = format!("sqlite:{}", self.from.display());
        let mut command = Command::new(&self.binary);
        command.args(["ledger", "copy", "--from", &from, "--to", &self.to]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let wait =
            if is_killed { Duration::from_millis(fastrand::u64(KILL_AFTER_MS)) } else { Duration::MAX };
        // A child that is dropped is killed.
        let Ok(output) = tokio::time::timeout(wait, child.wait_with_output()).await else { return Ok(None) };
        let output = output?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "the copy failed: {text}");
        Ok(Some(text))
    }
}

/// The sum of the rows that the command has compared.
fn compared_rows(report: &str) -> u64 {
    let rows = report.lines().filter_map(|line| line.strip_prefix("compared")?.split_whitespace().nth(1));
    rows.filter_map(|n| n.parse::<u64>().ok()).sum()
}

/// Checks a ledger. Returns the run time in seconds and the number of violations.
async fn check(store: Store) -> anyhow::Result<(f64, u64)> {
    let started = Instant::now();
    let n_violations = check_ledger(store, |violation| progress(violation.text)).await?;
    Ok((started.elapsed().as_secs_f64(), n_violations))
}

/// Works on the new ledger as a server would, until nothing is pending. Returns the number of delivered
/// webhooks.
async fn deliver_pending(url: &str) -> anyhow::Result<u64> {
    let clock = Clock::manual(Clock::System.now_ms() + LATER_MS);
    let ledger = Ledger::open(Store::Postgres { url: url.to_owned() }, clock).await?;
    let ledger = ledger.with_delivery_limits(unlimited());
    let mut n_delivered = 0;
    loop {
        let jobs = ledger.claim_jobs(fill::N_PER_COMMIT, LEASE_MS).await?;
        let webhooks = ledger.claim_webhooks(fill::N_PER_COMMIT, LEASE_MS).await?;
        if jobs.is_empty() && webhooks.is_empty() {
            break;
        }
        futures_util::future::try_join_all(jobs.into_iter().map(|job| {
            let (ledger, done) = (&ledger, job_done(job.value.id));
            async move { ledger.finish_job(&job, done).await }
        }))
        .await?;
        n_delivered += webhooks.len() as u64;
        let recorded = webhooks
            .iter()
            .map(|webhook| ledger.record_attempt(webhook, delivered(), Disposition::Delivered));
        futures_util::future::try_join_all(recorded).await?;
    }
    ledger.close().await;
    Ok(n_delivered)
}
