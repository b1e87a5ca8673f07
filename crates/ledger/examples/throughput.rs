//! Measures the speed of the ledger on the disk of this machine: accepting requests for one caller, accepting
//! requests for 64 concurrent callers, and processing webhooks from acceptance to delivery.
//!
//! Usage: `cargo run --release -p pixaven-ledger --example throughput [-- DIRECTORY]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pixaven_ledger::{
    Attempt, Authority, Clock, DeliveryLimits, Disposition, InputRef, JobOutcome, Ledger, NewKey, NewRequest,
    NewWebhook, Outcome, Store, Timings, UsageDelta,
};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const N_CALLERS: usize = 64;
const N_SINGLE_ACCEPTS: usize = 1_000;
const PERIOD: Duration = Duration::from_secs(5);
const LEASE_MS: i64 = 60_000;
const N_CLAIMED: u32 = 64;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let directory = std::env::args_os().nth(1).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let path = directory.join("throughput.db");
    // The delivery limits are raised, because all webhooks go to one receiver and most would have to wait
    // under the default limits.
    let limits =
        DeliveryLimits { per_authority: N_CLAIMED, per_address: N_CLAIMED, ..DeliveryLimits::default() };
    let ledger = Ledger::open(Store::Sqlite { path }, Clock::System).await?.with_delivery_limits(limits);
    let key = NewKey {
        sha256: *b"a key that nobody has, 32 bytes.",
        prefix: String::new(),
        label: "throughput".to_owned(),
        webhook_secret: "whsec_none".to_owned(),
    };
    let account = ledger.create_key(key).await?.account;
    measure_one_caller(&ledger, account).await?;
    measure_many_callers(&ledger, account).await?;
    measure_whole_path(&ledger, account).await?;
    ledger.close().await;
    Ok(())
}

/// Measures the latency of a commit: one caller accepts requests, and waits for the commit of each request
/// before it sends the next.
async fn measure_one_caller(ledger: &Ledger, account: i64) -> Result<(), Failure> {
    let mut latencies = Vec::with_capacity(N_SINGLE_ACCEPTS);
    let cpu = cpu_seconds()?;
    for _ in 0..N_SINGLE_ACCEPTS {
        let started = Instant::now();
        ledger.accept(request(account)).await?;
        latencies.push(started.elapsed());
    }
    let cpu = cpu_seconds()? - cpu;
    latencies.sort_unstable();
    let (p50, p99) = (latencies[N_SINGLE_ACCEPTS / 2], latencies[N_SINGLE_ACCEPTS * 99 / 100]);
    println!("one accept alone: p50 {p50:?}, p99 {p99:?}, {:.0} µs CPU", cpu * 1e6 / N_SINGLE_ACCEPTS as f64);
    Ok(())
}

/// Measures the effect of group commit: many callers accept requests at the same time, and each caller waits
/// for the commit of its request before it sends the next.
async fn measure_many_callers(ledger: &Ledger, account: i64) -> Result<(), Failure> {
    let (before, cpu, started) = (ledger.stats(), cpu_seconds()?, Instant::now());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..N_CALLERS {
        let ledger = ledger.clone();
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < PERIOD {
                let sent = Instant::now();
                ledger.accept(request(account)).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller??);
    }
    latencies.sort_unstable();
    let (seconds, n) = (started.elapsed().as_secs_f64(), latencies.len());
    let (cpu, after) = (cpu_seconds()? - cpu, ledger.stats());
    println!(
        "{N_CALLERS} callers: {:.0} accepts/s, p50 {:?}, p99 {:?}, {:.0} µs CPU each, {:.1} per commit, \
         log {} pages",
        n as f64 / seconds,
        latencies[n / 2],
        latencies[n * 99 / 100],
        cpu * 1e6 / n as f64,
        n as f64 / (after.n_commits - before.n_commits) as f64,
        after.wal_pages,
    );
    Ok(())
}

/// Measures the number of webhooks per second that pass through all five steps: accept the request, claim its
/// job, finish the job, claim the webhook, and record the attempt.
async fn measure_whole_path(ledger: &Ledger, account: i64) -> Result<(), Failure> {
    drain_jobs(ledger).await?;
    drain_webhooks(ledger).await?;
    let n_done = Arc::new(AtomicU64::new(0));
    let (cpu, started) = (cpu_seconds()?, Instant::now());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..N_CALLERS {
        let (ledger, n_done) = (ledger.clone(), Arc::clone(&n_done));
        callers.spawn(async move {
            while started.elapsed() < PERIOD {
                ledger.accept(request(account)).await?;
                n_done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    while !callers.is_empty() {
        drain_jobs(ledger).await?;
        drain_webhooks(ledger).await?;
        while let Some(caller) = callers.try_join_next() {
            caller??;
        }
    }
    drain_jobs(ledger).await?;
    drain_webhooks(ledger).await?;
    let (seconds, cpu, n) =
        (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu, n_done.load(Ordering::Relaxed));
    println!(
        "whole path: {:.0} webhooks/s, {:.0} µs CPU each, log {} pages",
        n as f64 / seconds,
        cpu * 1e6 / n as f64,
        ledger.stats().wal_pages
    );
    Ok(())
}

async fn drain_jobs(ledger: &Ledger) -> Result<(), Failure> {
    loop {
        let leases = ledger.claim_jobs(N_CLAIMED, LEASE_MS).await?;
        if leases.is_empty() {
            return Ok(());
        }
        let mut finishing = tokio::task::JoinSet::new();
        for lease in leases {
            let ledger = ledger.clone();
            let usage = UsageDelta { requests: 1, input_bytes: 1, output_bytes: 1 };
            let outcome = JobOutcome { payload: "x".repeat(800), usage, result: None, redacted_spec: None };
            finishing.spawn(async move { ledger.finish_job(&lease, outcome).await });
        }
        while let Some(finished) = finishing.join_next().await {
            finished??;
        }
    }
}

async fn drain_webhooks(ledger: &Ledger) -> Result<(), Failure> {
    loop {
        let leases = ledger.claim_webhooks(N_CLAIMED, LEASE_MS).await?;
        if leases.is_empty() {
            return Ok(());
        }
        let mut recording = tokio::task::JoinSet::new();
        for lease in leases {
            let ledger = ledger.clone();
            recording
                .spawn(async move { ledger.record_attempt(&lease, attempt(), Disposition::Delivered).await });
        }
        while let Some(recorded) = recording.join_next().await {
            recorded??;
        }
    }
}

fn request(account: i64) -> NewRequest {
    NewRequest {
        id: Uuid::new_v4(),
        account,
        spec: "x".repeat(200),
        input: InputRef::Url,
        webhook: NewWebhook {
            url: "https://receiver.example/hook".to_owned(),
            authority: Authority::new("receiver.example", 443),
            delay_ms: 0,
            expires_ms: None,
            retry: true,
            headers: vec![],
        },
    }
}

fn attempt() -> Attempt {
    Attempt {
        started_ms: 0,
        duration_ms: 5,
        outcome: Outcome::Delivered,
        status: Some(200),
        address: Some("203.0.113.7:443".to_owned()),
        timings: Timings::default(),
        response: None,
        retry_after_ms: None,
    }
}

/// The processor time that this process has used, in seconds. Linux reports the fields `utime` and `stime` of
/// `/proc/self/stat` in hundredths of a second.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
