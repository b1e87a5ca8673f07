//! Tests of group commit: waiting operations share one commit, and a failed operation does not affect the
//! other operations of the commit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use pixaven_ledger::{Error, Ledger, LedgerStats, NewRequest, Store};
use rusqlite::Connection;

use crate::fixture::{Fixture, request, sqlite, webhook};

const N_CALLERS: usize = 300;

/// Calls `Ledger::accept` for all `requests` while another connection holds the lock on the database file, so
/// that the calls wait and can share commits. Releases the lock and waits for all calls. Returns the results in
/// the order of the requests, and the number of operations and commits that the calls needed.
async fn accept_at_once(f: &Fixture, requests: Vec<NewRequest>) -> (Vec<Result<(), Error>>, LedgerStats) {
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    let before = f.ledger.stats();
    let other_process = Connection::open(path).unwrap();
    other_process.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting: Vec<_> = requests.into_iter().map(|request| queued_accept(&f.ledger, request)).collect();
    other_process.execute_batch("COMMIT").unwrap();
    let mut answers = vec![];
    for accept in &mut waiting {
        answers.push(accept.await);
    }
    let after = f.ledger.stats();
    let stats = LedgerStats {
        n_operations: after.n_operations - before.n_operations,
        n_commits: after.n_commits - before.n_commits,
        ..after
    };
    (answers, stats)
}

/// Starts to accept a request: polls the future of `Ledger::accept` once, so that the operation waits in the
/// queue of the writer. Returns the future.
fn queued_accept(ledger: &Ledger, request: NewRequest) -> Pin<Box<impl Future<Output = Result<(), Error>>>> {
    let ledger = ledger.clone();
    let mut accept = Box::pin(async move { ledger.accept(request).await });
    let polled = accept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the locked file allows no commit");
    accept
}

async fn fresh() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    Fixture::open(sqlite(directory.path()), directory).await
}

#[tokio::test]
async fn ledger_operations_of_concurrent_callers_are_combined_in_few_commits() {
    let f = fresh().await;
    let requests = (0..N_CALLERS).map(|_| request(f.account, webhook())).collect();
    let (answers, stats) = accept_at_once(&f, requests).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stats.n_operations, N_CALLERS as u64);
    // The first commit contains the operations that were in the queue when the writer began to wait for the
    // file lock. The second commit contains all other operations.
    assert!(stats.n_commits <= 2, "{} commits", stats.n_commits);
    assert_eq!(f.counts().await, [N_CALLERS as u64, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_failed_ledger_operation_does_not_roll_back_other_operations_of_the_same_commit() {
    let f = fresh().await;
    let requests: Vec<_> = (0..30).map(|_| request(f.account, webhook())).collect();
    let mut with_duplicates = requests.clone();
    with_duplicates.extend(requests.iter().take(10).cloned());
    with_duplicates.push(request(f.account + 1, webhook()));
    let (answers, stats) = accept_at_once(&f, with_duplicates).await;
    assert!(stats.n_commits <= 2, "{} commits", stats.n_commits);
    assert!(answers[..30].iter().all(Result::is_ok));
    assert!(answers[30..40].iter().all(|answer| matches!(answer, Err(Error::Exists))));
    assert!(matches!(answers[40], Err(Error::UnknownAccount(_))));
    assert_eq!(f.counts().await, [30, 0, 0, 0, 0]);
    assert_eq!(f.ledger.claim_jobs(100, 1).await.unwrap().len(), 30);
}

#[tokio::test]
async fn claiming_jobs_or_webhooks_commits_nothing_if_none_is_due() {
    let f = fresh().await;
    let before = f.ledger.stats().n_commits;
    for _ in 0..10 {
        assert!(f.ledger.claim_jobs(5, 1).await.unwrap().is_empty());
        assert!(f.ledger.claim_webhooks(5, 1).await.unwrap().is_empty());
    }
    assert_eq!(f.ledger.stats().n_commits, before);
    f.ledger.health().await.unwrap();
    assert_eq!(f.ledger.stats().n_commits, before + 1);
}

#[tokio::test]
async fn a_full_queue_of_the_ledger_refuses_new_operations_but_runs_the_queued_operations() {
    let f = fresh().await;
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    let other_process = Connection::open(path).unwrap();
    other_process.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut queued = vec![];
    let refused = loop {
        let ledger = f.ledger.clone();
        let mut health = Box::pin(async move { ledger.health().await });
        match health.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Pending => queued.push(health),
            std::task::Poll::Ready(answer) => break answer,
        }
        assert!(queued.len() < 1_000_000, "the queue never became full");
    };
    assert!(matches!(refused, Err(Error::Busy)));
    other_process.execute_batch("COMMIT").unwrap();
    for health in queued {
        health.await.unwrap();
    }
    f.ledger.health().await.unwrap();
}

#[tokio::test]
async fn the_write_ahead_log_stays_below_its_size_limit_under_constant_writes() {
    const LIMIT_BYTES: u64 = 36 << 20;
    let f = fresh().await;
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    let log = path.with_extension("db-wal");
    // All requests together are about three times as large as the limit on the size of the write-ahead log.
    for _ in 0..150 {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (ledger, mut new) = (f.ledger.clone(), request(f.account, webhook()));
            new.spec = "x".repeat(50_000);
            callers.spawn(async move { ledger.accept(new).await.unwrap() });
        }
        callers.join_all().await;
        assert!(std::fs::metadata(&log).unwrap().len() <= LIMIT_BYTES);
    }
}
