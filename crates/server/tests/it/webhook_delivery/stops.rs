//! Tests of running dispatchers, of stops and crashes of a dispatcher, and of jumps of the clock.

use std::time::Duration;

use pixaven_ledger::{FailureReason, Outcome, WebhookStatus};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_status};

use super::{DAY_MS, DeliveryHarness, PAYLOAD, START_MS, next_due_ms, outcomes};

#[tokio::test]
async fn a_webhook_attempt_that_a_crash_ends_is_recorded_as_interrupted_and_the_webhook_is_sent_again() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept(&receiver.url("/")).await;
    let cut_off = harness.ledger.claim_webhooks(1, 30_000).await.unwrap();
    assert_eq!(cut_off.len(), 1);
    harness.clock.advance(1_000);
    let harness = harness.crash().await;
    assert_eq!(harness.step().await, 1);
    let record = harness.record(id).await;
    assert_eq!(record.status, WebhookStatus::Delivered);
    assert_eq!(outcomes(&record), [Outcome::Interrupted, Outcome::Delivered]);
    assert_eq!(receiver.requests()[0].header("webhook-attempt"), Some("2"));
    assert_eq!(receiver.requests()[0].body, PAYLOAD.as_bytes());
}

#[tokio::test]
async fn a_running_dispatcher_sends_each_new_webhook_at_once_until_it_is_stopped() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let tasks = harness.run();
    let mut expected = Vec::new();
    for n_accepted in 1..=40 {
        expected.push(harness.accept(&receiver.url("/")).await.to_string());
        if n_accepted % 10 == 0 {
            receiver.wait_for_requests(n_accepted).await;
        }
    }
    assert!(tasks.stop(Duration::from_secs(10)).await);
    let mut ids: Vec<_> =
        receiver.requests().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected, "each webhook is sent exactly once");
    let late = harness.accept(&receiver.url("/")).await;
    assert_eq!(
        harness.record(late).await.status,
        WebhookStatus::Scheduled,
        "a stopped dispatcher sends nothing"
    );
}

#[tokio::test]
async fn interrupted_attempts_of_a_webhook_do_not_count_in_its_retry_schedule() {
    let receiver = ScriptedReceiver::start(vec![respond_status(500)]);
    let mut harness = DeliveryHarness::open().await;
    let id = harness.accept_with(&receiver.url("/"), |webhook| webhook.retry = false).await;
    for _ in 0..3 {
        assert_eq!(harness.ledger.claim_webhooks(1, 30_000).await.unwrap().len(), 1);
        harness = harness.crash().await;
    }
    assert_eq!(harness.step().await, 1);
    let record = harness.record(id).await;
    assert_eq!(record.failure.map(FailureReason::as_str), Some("retry_disabled"));
    let [cut_off @ .., last] = &outcomes(&record)[..] else { panic!("the webhook has attempts") };
    assert_eq!((cut_off, last), (&[Outcome::Interrupted; 3][..], &Outcome::Rejected));
}

#[tokio::test]
async fn a_clock_jump_does_not_start_a_second_attempt_of_a_webhook_while_its_first_attempt_is_running() {
    let receiver = ScriptedReceiver::start(vec![
        vec![Action::ReadRequest, Action::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())],
        respond_status(200),
    ]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept(&receiver.url("/")).await;
    let ((), first) = tokio::join!(
        async {
            receiver.wait_for_requests(1).await;
            harness.clock.advance(60 * DAY_MS);
            assert_eq!(harness.step().await, 1, "the expired lease is ended, and the webhook waits again");
            assert_eq!(receiver.n_connections(), 1);
        },
        harness.step()
    );
    assert_eq!(first, 1);
    assert_eq!(outcomes(&harness.record(id).await), [Outcome::Delivered], "the late attempt is recorded");
    harness.clock.advance(5_000);
    assert_eq!(harness.step().await, 1);
    assert_eq!(harness.record(id).await.status, WebhookStatus::Delivered);
}

#[tokio::test]
async fn a_stop_of_the_dispatcher_waits_for_a_running_attempt() {
    let receiver = ScriptedReceiver::start(vec![vec![
        Action::ReadRequest,
        Action::Drip(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
    ]]);
    let harness = DeliveryHarness::open().await;
    let tasks = harness.run();
    let id = harness.accept(&receiver.url("/")).await;
    receiver.wait_for_requests(1).await;
    assert!(tasks.stop(Duration::from_secs(30)).await);
    assert_eq!(outcomes(&harness.record(id).await), [Outcome::Delivered]);
}

#[tokio::test]
async fn a_stop_of_the_dispatcher_without_drain_time_records_a_running_attempt_as_interrupted() {
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let harness = DeliveryHarness::open().await;
    let tasks = harness.run();
    let id = harness.accept(&receiver.url("/")).await;
    receiver.wait_for_requests(1).await;
    assert!(tasks.stop(Duration::ZERO).await);
    let record = harness.record(id).await;
    assert_eq!((record.status, next_due_ms(&record)), (WebhookStatus::Scheduled, Some(START_MS)));
    assert_eq!(outcomes(&record), [Outcome::Interrupted]);
}
