//! Tests of failed attempts: the retry schedule, the header `Retry-After`, the circuit breaker, and webhooks
//! that become `failed` before the schedule ends.

use pixaven_ledger::{DueReason, FailureReason, NewWebhook, Outcome, WebhookStatus};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond, respond_status};

use super::{DAY_MS, DeliveryHarness, LEASE_MS, PAYLOAD, START_MS, check_signature, next_due_ms, outcomes};

#[tokio::test]
async fn an_undelivered_webhook_is_retried_by_the_retry_schedule_with_the_same_payload() {
    let receiver =
        ScriptedReceiver::start(vec![respond_status(500), vec![Action::ReadRequest], respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept(&receiver.url("/")).await;
    let mut timestamps = Vec::new();
    for (attempt, pause_ms, jitter_ms) in [(1, 0, 0), (2, 5_000, 0), (3, 300_000, 60_000)] {
        if attempt > 1 {
            harness.clock.advance(pause_ms - jitter_ms - 1);
            assert_eq!(harness.step().await, 0, "attempt {attempt} does not come early");
            harness.clock.advance(2 * jitter_ms + 1);
        }
        assert_eq!(harness.step().await, 1, "attempt {attempt} does not come late");
        let request = receiver.requests().pop().unwrap();
        timestamps.push(check_signature(&request, harness.clock.now_ms()));
        assert_eq!(request.header("webhook-attempt"), Some(attempt.to_string().as_str()));
        assert_eq!(request.header("webhook-id"), Some(id.to_string().as_str()));
        assert_eq!(request.body, PAYLOAD.as_bytes());
    }
    assert!(timestamps.is_sorted_by(|earlier, later| earlier < later), "each attempt has a new timestamp");
    let record = harness.record(id).await;
    assert_eq!(record.status, WebhookStatus::Delivered);
    assert_eq!(outcomes(&record), [Outcome::Rejected, Outcome::Protocol, Outcome::Delivered]);
}

#[tokio::test]
async fn a_webhook_becomes_failed_after_ten_failed_attempts() {
    let receiver = ScriptedReceiver::start(vec![respond_status(503)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept(&receiver.url("/")).await;
    for _ in 0..10 {
        assert_eq!(harness.step().await, 1);
        harness.clock.advance(2 * DAY_MS);
    }
    assert_eq!(harness.step().await, 0);
    assert_eq!(receiver.requests().len(), 10);
    let record = harness.record(id).await;
    assert_eq!(
        (record.status, record.failure.map(FailureReason::as_str)),
        (WebhookStatus::Failed, Some("retries_exhausted"))
    );
    assert_eq!(outcomes(&record), [Outcome::Rejected; 10]);
}

#[tokio::test]
async fn a_webhook_that_becomes_failed_before_its_retry_schedule_ends_records_the_failure_reason() {
    let harness = DeliveryHarness::open().await;
    for (name, script, retry, expires_ms, expected) in [
        ("gone", respond_status(410), true, None, "gone"),
        ("one attempt only", respond_status(500), false, None, "retry_disabled"),
        ("no time for another attempt", respond_status(500), true, Some(5_000), "expired"),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let change = |webhook: &mut NewWebhook| (webhook.retry, webhook.expires_ms) = (retry, expires_ms);
        let id = harness.accept_with(&receiver.url("/"), change).await;
        assert_eq!(harness.step().await, 1, "{name}");
        let record = harness.record(id).await;
        assert_eq!(
            (record.status, record.failure.map(FailureReason::as_str)),
            (WebhookStatus::Failed, Some(expected)),
            "{name}"
        );
        assert_eq!(outcomes(&record), [Outcome::Rejected], "{name}");
    }
}

#[tokio::test]
async fn a_webhook_that_expired_while_the_server_was_stopped_is_not_sent() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept_with(&receiver.url("/"), |webhook| webhook.expires_ms = Some(60_000)).await;
    // The clock moves to one lease after the expiry, as if the server had been stopped at the expiry.
    harness.clock.advance(60_000 + LEASE_MS);
    assert_eq!(harness.step().await, 0);
    let record = harness.record(id).await;
    assert_eq!(
        (record.status, record.failure.map(FailureReason::as_str)),
        (WebhookStatus::Failed, Some("expired"))
    );
    assert_eq!((receiver.n_connections(), record.attempts.len()), (0, 0));
}

#[tokio::test]
async fn the_response_header_retry_after_postpones_the_next_attempt_of_a_webhook() {
    let harness = DeliveryHarness::open().await;
    for (retry_after, expected_ms) in
        [("60", 60_000), ("Sat, 10 Jan 2026 11:58:04 GMT", 59_678), ("soon", 5_000)]
    {
        let head = format!("HTTP/1.1 429 Busy\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
        let receiver = ScriptedReceiver::start(vec![respond(head)]);
        let id = harness.accept(&receiver.url("/")).await;
        assert_eq!(harness.step().await, 1);
        let record = harness.record(id).await;
        assert_eq!(record.status, WebhookStatus::Scheduled);
        assert_eq!(next_due_ms(&record), Some(START_MS + expected_ms), "{retry_after}");
    }
}

#[tokio::test]
async fn a_retry_after_header_shorter_than_the_scheduled_pause_does_not_change_the_due_time() {
    let harness = DeliveryHarness::open().await;
    for (retry_after, expected_ms, why) in
        [(4, 5_000, DueReason::Retry), (5, 5_000, DueReason::RetryAfter), (6, 6_000, DueReason::RetryAfter)]
    {
        let head = format!("HTTP/1.1 429 Busy\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
        let receiver = ScriptedReceiver::start(vec![respond(head)]);
        let id = harness.accept(&receiver.url("/")).await;
        assert_eq!(harness.step().await, 1);
        let next = harness.record(id).await.next_attempt.expect("the webhook waits for its next attempt");
        assert_eq!((next.due_ms, next.due_reason), (START_MS + expected_ms, why), "{retry_after}");
    }
}

#[tokio::test]
async fn a_webhook_attempt_to_a_forbidden_address_ends_with_the_outcome_blocked_address() {
    let receiver = ScriptedReceiver::start_on("127.0.0.2:0", vec![respond_status(200)]);
    let harness = DeliveryHarness::open().await;
    let id = harness.accept(&receiver.url("/")).await;
    assert_eq!(harness.step().await, 1);
    let record = harness.record(id).await;
    assert_eq!((record.status, outcomes(&record)), (WebhookStatus::Scheduled, vec![Outcome::BlockedAddress]));
    assert_eq!(receiver.n_connections(), 0);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_signed_is_not_sent_and_uses_up_no_attempt() {
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let harness = DeliveryHarness::with_secret("not a secret").await;
    let id = harness.accept(&receiver.url("/")).await;
    assert_eq!(harness.step().await, 1);
    let record = harness.record(id).await;
    assert_eq!(record.status, WebhookStatus::Scheduled);
    let pause_ms = next_due_ms(&record).expect("the webhook is due again") - START_MS;
    assert!((1_000..=2_000).contains(&pause_ms), "{pause_ms}");
    assert_eq!(
        (receiver.n_connections(), record.attempts.len()),
        (0, 0),
        "a webhook without a signature is not sent"
    );
}

#[tokio::test]
async fn a_failing_receiver_opens_the_circuit_breaker_and_gets_all_webhooks_after_a_successful_probe() {
    let receiver =
        ScriptedReceiver::start([vec![respond_status(503); 8], vec![respond_status(200)]].concat());
    let harness = DeliveryHarness::open().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(harness.accept_with(&receiver.url("/"), |webhook| webhook.expires_ms = Some(60_000)).await);
    }
    assert_eq!(harness.step().await, 8);
    assert_eq!(harness.step().await, 0, "the failures have opened the circuit breaker");
    harness.clock.advance(5_000);
    let mut n_sent = 8;
    while n_sent < 12 + 8 {
        let n = harness.step().await;
        assert!(n > 0, "no webhook was due after {n_sent} attempts");
        n_sent += n;
    }
    for id in ids {
        assert_eq!(harness.record(id).await.status, WebhookStatus::Delivered);
    }
}
