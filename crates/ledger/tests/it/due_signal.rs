//! Tests of the signals that wake the drivers when work may be due.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pixaven_ledger::DueSignal;
use tokio::time::Instant;

use crate::fixture::{Fixture, LEASE_MS, job_outcome, sqlite, webhook};

async fn fresh() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    Fixture::open(sqlite(directory.path()), directory).await
}

/// Returns whether the signal reports possible work at once, without waiting.
fn signals_now(signal: &mut DueSignal) -> bool {
    poll(pin!(signal.wait()))
}

/// Polls a future once. Returns whether the future is ready.
fn poll(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

#[tokio::test]
async fn a_newly_opened_ledger_signals_once_that_jobs_may_be_due() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    assert!(signals_now(&mut jobs), "the content of the queue is still unknown");
    assert!(!signals_now(&mut jobs), "reported work is not reported again");
    f.ledger.claim_jobs(1, LEASE_MS).await.unwrap();
    assert!(!signals_now(&mut jobs), "the queue is empty");
}

#[tokio::test]
async fn a_commit_that_adds_a_due_job_or_webhook_wakes_its_waiting_driver_at_once() {
    let f = fresh().await;
    let (mut jobs, mut webhooks) = (f.ledger.jobs_due(), f.ledger.webhooks_due());
    f.ledger.claim_jobs(1, LEASE_MS).await.unwrap();
    f.ledger.claim_webhooks(1, LEASE_MS).await.unwrap();

    let mut waiting = pin!(jobs.wait());
    assert!(!poll(waiting.as_mut()));
    let id = f.accept(webhook()).await;
    assert!(poll(waiting.as_mut()), "a job is due now");
    assert!(!signals_now(&mut webhooks), "no webhook is due");

    let mut waiting = pin!(webhooks.wait());
    assert!(!poll(waiting.as_mut()));
    let lease = f.claim_job().await;
    f.ledger.finish_job(&lease, job_outcome(id)).await.unwrap();
    assert!(poll(waiting.as_mut()));
}

#[tokio::test]
async fn the_ledger_signals_again_that_jobs_are_due_if_a_claim_did_not_take_all_due_jobs() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    f.accept(webhook()).await;
    f.accept(webhook()).await;
    f.claim_job().await;
    assert!(signals_now(&mut jobs));
    f.claim_job().await;
    assert!(!signals_now(&mut jobs));
}

#[tokio::test]
async fn a_waiting_driver_wakes_when_the_clock_reaches_the_due_time_of_a_webhook() {
    let f = fresh().await;
    let mut webhooks = f.ledger.webhooks_due();
    let mut delayed = webhook();
    delayed.delay_ms = 500;
    f.scheduled(delayed).await;
    f.ledger.claim_webhooks(1, LEASE_MS).await.unwrap();

    let mut waiting = pin!(webhooks.wait());
    assert!(!poll(waiting.as_mut()));
    f.clock.advance(499);
    assert!(!poll(waiting.as_mut()));
    f.clock.advance(1);
    assert!(poll(waiting.as_mut()));
}

#[tokio::test]
async fn a_waiting_driver_wakes_when_the_lease_of_a_job_ends() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    f.accept(webhook()).await;
    f.claim_job().await;
    let mut waiting = pin!(jobs.wait());
    assert!(!poll(waiting.as_mut()));
    f.clock.advance(LEASE_MS);
    assert!(poll(waiting.as_mut()));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_waits_for_due_jobs_wakes_after_at_most_one_second() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    f.ledger.claim_jobs(1, LEASE_MS).await.unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        jobs.wait().await;
        let slept = begun.elapsed();
        assert!(slept >= Duration::from_secs(1) && slept < Duration::from_millis(1_010), "slept {slept:?}");
    }
}
