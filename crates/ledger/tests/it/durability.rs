//! Tests that accepted requests survive the death of the process. A child process, which runs this test
//! program again, accepts requests until the test kills the child process.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pixaven_ledger::{Clock, Ledger, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, key, request, sqlite, webhook};

/// The environment variable that contains the ledger's directory for the child process.
const DIRECTORY: &str = "PIXAVEN_TEST_DIRECTORY";

const N_CALLERS: usize = 8;

#[tokio::test]
async fn accepted_requests_survive_when_the_process_is_killed() {
    for n_before_kill in [1, 50, 200] {
        let directory = tempfile::tempdir().unwrap();
        let accepted = kill_after(n_before_kill, directory.path().to_owned());
        assert!(accepted.len() >= n_before_kill);

        let store = sqlite(directory.path());
        let ledger = Ledger::open(store, Clock::manual(START_MS)).await.unwrap();
        ledger.recover().await.unwrap();
        let mut jobs = vec![];
        loop {
            let leases = ledger.claim_jobs(1_000, LEASE_MS).await.unwrap();
            if leases.is_empty() {
                break;
            }
            jobs.extend(leases.into_iter().map(|lease| lease.value.id));
        }
        let lost: Vec<_> = accepted.iter().filter(|id| !jobs.contains(id)).collect();
        assert!(lost.is_empty(), "{} of {} lost", lost.len(), accepted.len());
        let account = ledger.account_by_key([0; 32]).await.unwrap().unwrap().id;
        let created = ledger.usage(account).await.unwrap().webhooks[0].1;
        assert_eq!(created, jobs.len() as u64, "the counters were committed together with the rows");
    }
}

/// Starts the child process, and kills it after it has accepted `n` requests. Returns the ids of all requests
/// that the child process reported as accepted.
fn kill_after(n: usize, directory: PathBuf) -> Vec<Uuid> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "durability::the_child_process_accepts_requests_until_the_child_process_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut accepted = vec![];
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The last line of the output may be incomplete, because the child process was killed. An incomplete
        // line does not count.
        let line = line.unwrap();
        accepted.extend(line.strip_prefix("accepted ").and_then(|id| Uuid::parse_str(id).ok()));
        if accepted.len() == n {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs only as the child process that the test of killed processes starts"]
async fn the_child_process_accepts_requests_until_the_child_process_is_killed() {
    let directory =
        PathBuf::from(std::env::var_os(DIRECTORY).expect("the parent process passes the directory"));
    let store = Store::Sqlite { path: directory.join("ledger.db") };
    let ledger = Ledger::open(store, Clock::manual(START_MS)).await.unwrap();
    let account = ledger.create_key(key(0)).await.unwrap().account;
    // The test harness has printed the name of this test without a line break. The line break that is written
    // here ends the line of the harness, so that every report is a line of its own.
    writeln!(std::io::stdout()).unwrap();
    let mut callers = JoinSet::<()>::new();
    for _ in 0..N_CALLERS {
        let ledger = ledger.clone();
        callers.spawn(async move {
            loop {
                let new = request(account, webhook());
                let id = new.id;
                ledger.accept(new).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "accepted {id}").unwrap();
                out.flush().unwrap();
            }
        });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn a_ledger_that_is_dropped_without_being_closed_loses_no_commit() {
    let directory = tempfile::tempdir().unwrap();
    let id = {
        let f = Fixture::open(sqlite(directory.path()), ()).await;
        f.scheduled(webhook()).await
    };
    let ledger = Ledger::open(sqlite(directory.path()), Clock::manual(START_MS)).await.unwrap();
    let leases = ledger.claim_webhooks(9, LEASE_MS).await.unwrap();
    assert_eq!(leases.iter().map(|lease| lease.value.id).collect::<Vec<_>>(), [id]);
}
