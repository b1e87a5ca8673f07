//! Waking those who wait for work.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pixaven_ledger::DueSignal;
use tokio::time::Instant;

use crate::fixture::{Fixture, LEASE_MS, done, sqlite, webhook};

async fn fresh() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    Fixture::open(sqlite(directory.path()), directory).await
}

/// Whether a wait that begins now ends at once.
fn is_due(signal: &mut DueSignal) -> bool {
    poll(pin!(signal.wait()))
}

fn poll(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

#[tokio::test]
async fn an_open_ledger_has_to_be_asked_once() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    assert!(is_due(&mut jobs), "nothing is known of the queue");
    assert!(!is_due(&mut jobs), "what was reported is not reported again");
    f.ledger.claim_jobs(1, LEASE_MS).await.unwrap();
    assert!(!is_due(&mut jobs), "the queue is empty");
}

#[tokio::test]
async fn a_commit_wakes_at_once() {
    let f = fresh().await;
    let (mut jobs, mut webhooks) = (f.ledger.jobs_due(), f.ledger.webhooks_due());
    f.ledger.claim_jobs(1, LEASE_MS).await.unwrap();
    f.ledger.claim_webhooks(1, LEASE_MS).await.unwrap();

    let mut waiting = pin!(jobs.wait());
    assert!(!poll(waiting.as_mut()));
    let id = f.accept(webhook()).await;
    assert!(poll(waiting.as_mut()), "a job is due");
    assert!(!is_due(&mut webhooks), "a webhook is not");

    let mut waiting = pin!(webhooks.wait());
    assert!(!poll(waiting.as_mut()));
    let lease = f.claim_job().await;
    f.ledger.finish_job(lease, done(id)).await.unwrap();
    assert!(poll(waiting.as_mut()));
}

#[tokio::test]
async fn a_full_claim_says_that_there_is_more() {
    let f = fresh().await;
    let mut jobs = f.ledger.jobs_due();
    f.accept(webhook()).await;
    f.accept(webhook()).await;
    f.claim_job().await;
    assert!(is_due(&mut jobs));
    f.claim_job().await;
    assert!(!is_due(&mut jobs));
}

#[tokio::test]
async fn due_times_come_with_the_clock() {
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
async fn the_end_of_a_lease_is_due_too() {
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
async fn a_second_is_the_longest_sleep() {
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
