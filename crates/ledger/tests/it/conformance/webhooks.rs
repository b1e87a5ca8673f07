//! Conformance tests of sending webhooks under leases.

use pixaven_ledger::{Disposition, Error, FailureReason, Outcome, WebhookStatus};

use crate::fixture::{Fixture, LEASE_MS, START_MS, attempt, delivered, next_due_ms, only, webhook};

pub(crate) async fn the_delay_of_a_webhook_starts_when_its_request_is_processed(f: Fixture) {
    let mut delayed = webhook();
    delayed.delay_ms = 3_000;
    f.accept(delayed).await;
    f.clock.advance(1_000);
    let job = f.claim_job().await;
    let id = job.value.id;
    f.ledger.finish_job(&job, crate::fixture::job_outcome(id)).await.unwrap();
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.delay_ms, next_due_ms(&record)), (3_000, Some(START_MS + 4_000)));
    f.clock.advance(2_999);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
    f.clock.advance(1);
    assert_eq!(f.claim_webhook().await.value.id, id);
}

pub(crate) async fn webhooks_are_claimed_in_the_order_of_due_times(f: Fixture) {
    let mut ids = vec![];
    for delay_ms in [300, 100, 200] {
        let mut delayed = webhook();
        delayed.delay_ms = delay_ms;
        ids.push(f.scheduled(delayed).await);
    }
    f.clock.advance(1_000);
    let claimed = f.ledger.claim_webhooks(2, LEASE_MS).await.unwrap();
    let claimed: Vec<_> = claimed.into_iter().map(|lease| lease.value.id).collect();
    assert_eq!(claimed, [ids[1], ids[2]]);
    assert_eq!(f.claim_webhook().await.value.id, ids[0]);
}

pub(crate) async fn a_retry_is_not_claimed_before_its_due_time(f: Fixture) {
    let id = f.scheduled(webhook()).await;
    let first = f.claim_webhook().await;
    let due_ms = START_MS + 5_000;
    let refused = attempt(Outcome::Rejected, Some(500));
    f.ledger.record_attempt(&first, refused.clone(), Disposition::Retry { due_ms }).await.unwrap();
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.status, next_due_ms(&record)), (WebhookStatus::Scheduled, Some(due_ms)));
    assert_eq!(f.counts().await, [0, 1, 0, 0, 0]);

    f.clock.advance(4_999);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
    f.clock.advance(1);
    let second = f.claim_webhook().await;
    assert_eq!((second.value.id, second.attempt, second.value.n_counted_attempts), (id, 2, 1));
    f.ledger.record_attempt(&second, delivered(), Disposition::Delivered).await.unwrap();
    let attempts = f.ledger.webhook(f.account, id).await.unwrap().unwrap().attempts;
    assert_eq!(attempts.iter().map(|recorded| recorded.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&attempts[0].attempt, &attempts[1].attempt), (&refused, &delivered()));
}

pub(crate) async fn a_failed_webhook_is_not_claimed_again(f: Fixture) {
    let id = f.scheduled(webhook()).await;
    let lease = f.claim_webhook().await;
    f.clock.advance(20);
    let next = Disposition::Failed { reason: FailureReason::RetriesExhausted };
    f.ledger.record_attempt(&lease, attempt(Outcome::Timeout, None), next).await.unwrap();
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.status, record.failed_ms), (WebhookStatus::Failed, Some(START_MS + 20)));
    assert_eq!((record.failure, record.next_attempt), (Some(FailureReason::RetriesExhausted), None));
    assert_eq!(f.counts().await, [0, 0, 0, 0, 1]);
    f.clock.advance(10 * LEASE_MS);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
}

pub(crate) async fn a_webhook_that_is_returned_to_the_queue_without_being_sent_uses_up_no_attempt(
    f: Fixture,
) {
    let id = f.scheduled(webhook()).await;
    for _ in 0..3 {
        let lease = f.claim_webhook().await;
        assert_eq!(lease.attempt, 1);
        let due_ms = f.clock.now_ms() + 100;
        f.ledger.release_webhook(&lease, due_ms).await.unwrap();
        assert_eq!(f.status(id).await, WebhookStatus::Scheduled);
        assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty(), "the webhook is not due yet");
        f.clock.advance(100);
    }
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!(record.attempts, []);
    assert_eq!(f.counts().await, [0, 1, 0, 0, 0]);
}

pub(crate) async fn an_attempt_reported_under_a_lost_lease_changes_only_the_history(f: Fixture) {
    let id = f.scheduled(webhook()).await;
    let late = f.claim_webhook().await;
    f.clock.advance(LEASE_MS);
    let current = f.claim_webhook().await;
    assert_eq!((current.attempt, late.attempt), (2, 1));
    assert!(current.fence > late.fence);

    let recorded = f.ledger.record_attempt(&late, delivered(), Disposition::Delivered).await;
    assert!(matches!(recorded, Err(Error::LostLease)));
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!(record.status, WebhookStatus::Dispatched, "the holder of the current lease decides");
    assert_eq!(only(record.attempts).attempt, delivered(), "the late attempt is in the history");

    let refused = attempt(Outcome::Refused, None);
    let next = Disposition::Retry { due_ms: START_MS + 2 * LEASE_MS };
    f.ledger.record_attempt(&current, refused.clone(), next).await.unwrap();
    let attempts = f.ledger.webhook(f.account, id).await.unwrap().unwrap().attempts;
    assert_eq!((attempts[1].number, &attempts[1].attempt), (2, &refused));

    f.clock.advance(LEASE_MS);
    let third = f.claim_webhook().await;
    f.ledger.recover().await.unwrap();
    let released = f.ledger.release_webhook(&third, START_MS).await;
    assert!(matches!(released, Err(Error::LostLease)));
}

pub(crate) async fn recovery_after_a_restart_records_a_webhook_attempt_without_an_end_as_interrupted(
    f: Fixture,
) {
    let id = f.scheduled(webhook()).await;
    let _lost = f.claim_webhook().await;
    f.clock.advance(1_000);
    f.ledger.recover().await.unwrap();
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!(record.status, WebhookStatus::Scheduled);
    assert_eq!(next_due_ms(&record), Some(START_MS + 1_000), "the webhook is due at once");
    let interrupted = only(record.attempts);
    assert_eq!((interrupted.number, interrupted.attempt.outcome), (1, Outcome::Interrupted));
    assert_eq!(interrupted.attempt.started_ms, START_MS);

    let second = f.claim_webhook().await;
    assert_eq!((second.value.id, second.attempt), (id, 2));
    assert_eq!(second.value.n_counted_attempts, 0, "an interrupted attempt does not count");
}

pub(crate) async fn a_webhook_that_is_given_up_before_it_is_sent_has_no_attempt_in_its_history(f: Fixture) {
    let id = f.scheduled(webhook()).await;
    let lease = f.claim_webhook().await;
    f.ledger.abandon_webhook(&lease, FailureReason::Expired).await.unwrap();
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
    assert_eq!(record.attempts, []);
    assert_eq!(f.counts().await, [0, 0, 0, 0, 1]);
}

pub(crate) async fn the_expiry_time_of_a_webhook_is_counted_from_its_first_due_time(f: Fixture) {
    let mut expiring = webhook();
    (expiring.delay_ms, expiring.expires_ms) = (2_000, Some(500));
    f.scheduled(expiring).await;
    f.clock.advance(2_499);
    assert_eq!(f.claim_webhook().await.value.expires_at_ms, Some(START_MS + 2_500));
    f.scheduled(webhook()).await;
    assert_eq!(f.claim_webhook().await.value.expires_at_ms, None);
}
