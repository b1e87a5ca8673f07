//! Conformance tests of the actions of users: resending and cancelling webhooks, rotating signing secrets,
//! and waiting for the end of a request.

use bytes::Bytes;
use pixaven_ledger::{
    Disposition, DueReason, Error, FailureReason, InputRef, Outcome, Secret, StoredContent, WebhookQuery,
    WebhookStatus,
};
use uuid::Uuid;

use crate::fixture::{
    Fixture, LEASE_MS, START_MS, all_webhooks, attempt, delivered, job_outcome, only, request, webhook,
};

impl Fixture {
    async fn resend(&self, id: Uuid) -> Result<Option<WebhookStatus>, Error> {
        self.ledger.resend_webhook(self.account, id).await
    }

    async fn cancel(&self, id: Uuid) -> Result<bool, Error> {
        self.ledger.cancel_webhook(self.account, id).await
    }
}

pub(crate) async fn a_resend_restarts_the_retry_schedule_and_the_expiry_of_an_ended_webhook(f: Fixture) {
    let mut expiring = webhook();
    expiring.expires_ms = Some(60_000);
    let id = f.scheduled(expiring).await;
    let failed = Disposition::Failed { reason: FailureReason::Gone };
    f.ledger
        .record_attempt(&f.claim_webhook().await, attempt(Outcome::Rejected, Some(410)), failed)
        .await
        .unwrap();
    f.clock.advance(500_000);
    assert_eq!(f.resend(id).await.unwrap(), Some(WebhookStatus::Scheduled));
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    let ended = (record.failed_ms, record.failure, record.delivered_ms);
    assert_eq!((record.status, ended), (WebhookStatus::Scheduled, (None, None, None)));
    assert_eq!(
        record.next_attempt.map(|next| (next.due_ms, next.due_reason)),
        Some((START_MS + 500_000, DueReason::Resend))
    );
    assert_eq!(f.counts().await, [0, 1, 0, 0, 0]);

    let second = f.claim_webhook().await;
    assert_eq!((second.attempt, second.value.n_counted_attempts, second.value.is_retry), (2, 0, true));
    assert_eq!(second.value.expires_at_ms, Some(START_MS + 560_000), "the expiry starts again at the resend");
    assert_eq!(
        f.resend(id).await.unwrap(),
        Some(WebhookStatus::Dispatched),
        "a webhook that is being sent stays as it is"
    );
    f.ledger.record_attempt(&second, delivered(), Disposition::Delivered).await.unwrap();
    assert_eq!(
        f.resend(id).await.unwrap(),
        Some(WebhookStatus::Scheduled),
        "a webhook can be resent several times"
    );
    assert_eq!(f.claim_webhook().await.attempt, 3);
    assert_eq!(f.resend(Uuid::new_v4()).await.unwrap(), None);
    assert_eq!(
        f.ledger.resend_webhook(f.account + 1, id).await.unwrap(),
        None,
        "the webhook of another account is not found"
    );
}

pub(crate) async fn a_resend_makes_a_waiting_webhook_due_now(f: Fixture) {
    let mut delayed = webhook();
    delayed.delay_ms = 600_000;
    let id = f.scheduled(delayed).await;
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
    f.resend(id).await.unwrap();
    let lease = f.claim_webhook().await;
    assert_eq!((lease.value.id, lease.attempt, lease.value.is_retry), (id, 1, false));
    let unfinished = f.accept(webhook()).await;
    assert!(matches!(f.resend(unfinished).await, Err(Error::WrongStatus(WebhookStatus::Created))));
}

pub(crate) async fn a_cancelled_webhook_becomes_failed_and_the_lease_of_its_job_ends(f: Fixture) {
    let waiting = f.scheduled(webhook()).await;
    let created = f.accept(webhook()).await;
    let job = f.claim_job().await;
    assert!(f.cancel(waiting).await.unwrap() && f.cancel(created).await.unwrap());
    assert!(matches!(f.ledger.finish_job(&job, job_outcome(created)).await, Err(Error::LostLease)));
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty());
    for id in [waiting, created] {
        let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
        assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Cancelled)));
        assert!(matches!(f.cancel(id).await, Err(Error::WrongStatus(WebhookStatus::Failed))));
    }
    assert_eq!(f.counts().await, [0, 0, 0, 0, 2]);
    assert!(
        matches!(f.resend(created).await, Err(Error::WrongStatus(WebhookStatus::Failed))),
        "the cancelled request has no payload"
    );
    f.resend(waiting).await.unwrap();
    let lease = f.claim_webhook().await;
    assert!(matches!(f.cancel(waiting).await, Err(Error::WrongStatus(WebhookStatus::Dispatched))));
    f.ledger.record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
    assert!(!f.cancel(Uuid::new_v4()).await.unwrap());
}

/// This test relies on SQLite, which reuses the sequence number of a deleted request. If the ledger kept the
/// input of the first request, inserting the input of the second request would fail.
pub(crate) async fn cancelling_a_request_deletes_its_stored_input(f: Fixture) {
    for _ in 0..2 {
        let mut new = request(f.account, webhook());
        let content = StoredContent::Inline(Bytes::from_static(b"a picture"));
        new.input = InputRef::Upload { content, name: String::new(), bytes: 9 };
        f.ledger.accept(new.clone()).await.unwrap();
        assert!(f.cancel(new.id).await.unwrap());
        f.clock.advance(1);
        assert_eq!(f.ledger.sweep_history(f.clock.now_ms(), 9).await.unwrap(), 1);
    }
}

pub(crate) async fn the_late_report_of_an_attempt_is_recorded_for_this_attempt_even_after_a_resend(
    f: Fixture,
) {
    let id = f.scheduled(webhook()).await;
    let late = f.claim_webhook().await;
    f.clock.advance(LEASE_MS);
    let second = f.claim_webhook().await;
    f.ledger.record_attempt(&second, delivered(), Disposition::Delivered).await.unwrap();
    f.resend(id).await.unwrap();
    let third = f.claim_webhook().await;
    assert!(third.fence > second.fence);
    let refused = attempt(Outcome::Refused, None);
    let recorded = f.ledger.record_attempt(&late, refused, Disposition::Delivered).await;
    assert!(matches!(recorded, Err(Error::LostLease)));
    let attempts = f.ledger.webhook(f.account, id).await.unwrap().unwrap().attempts;
    let outcomes: Vec<_> =
        attempts.iter().map(|recorded| (recorded.number, recorded.attempt.outcome)).collect();
    assert_eq!(outcomes, [(1, Outcome::Refused), (2, Outcome::Delivered)]);
}

pub(crate) async fn a_rotated_signing_secret_stays_active_for_the_overlap_time(f: Fixture) {
    let active = async || -> Vec<String> {
        let account = f.ledger.account(f.account).await.unwrap().unwrap();
        account.webhook_secrets.iter().map(|secret| secret.expose().to_owned()).collect()
    };
    assert_eq!(active().await, ["whsec_first"]);
    let rotated = f.ledger.rotate_secret(f.account, Secret::from("whsec_second"), 10_000).await.unwrap();
    let retirements: Vec<_> = rotated.iter().map(|info| info.retires_ms).collect();
    assert_eq!(retirements, [None, Some(START_MS + 10_000)]);
    f.clock.advance(9_999);
    assert_eq!(active().await, ["whsec_second", "whsec_first"]);
    f.clock.advance(1);
    assert_eq!(active().await, ["whsec_second"]);
    f.ledger.rotate_secret(f.account, Secret::from("whsec_third"), 5_000).await.unwrap();
    f.ledger.rotate_secret(f.account, Secret::from("whsec_fourth"), 0).await.unwrap();
    assert_eq!(active().await, ["whsec_fourth"], "a rotation without overlap retires all earlier secrets");
    let unknown = f.ledger.rotate_secret(f.account + 1, Secret::from("x"), 0).await;
    assert!(matches!(unknown, Err(Error::UnknownAccount(_))));
}

pub(crate) async fn a_task_that_waits_for_a_request_wakes_when_the_request_ends(f: Fixture) {
    let id = f.accept(webhook()).await;
    let waiter = f.ledger.completion_of(id);
    let completed = waiter.completed();
    let lease = only(f.ledger.claim_jobs(1, LEASE_MS).await.unwrap());
    f.ledger.finish_job(&lease, job_outcome(id)).await.unwrap();
    completed.await;
    let (dropped, waiter) = (f.ledger.completion_of(id), f.ledger.completion_of(id));
    let completed = waiter.completed();
    drop(dropped);
    f.cancel(id).await.unwrap();
    completed.await;
}

/// Builds a query for all failed webhooks of the account.
fn failed_webhooks(f: &Fixture) -> WebhookQuery {
    WebhookQuery { statuses: vec![WebhookStatus::Failed], limit: 0, ..all_webhooks(f.account) }
}

/// Accepts `n` requests and makes each of their webhooks fail.
async fn add_failed(f: &Fixture, n: usize) {
    for _ in 0..n {
        f.scheduled(webhook()).await;
        let gone = Disposition::Failed { reason: FailureReason::Gone };
        let lease = f.claim_webhook().await;
        f.ledger.record_attempt(&lease, attempt(Outcome::Rejected, Some(410)), gone).await.unwrap();
    }
}

pub(crate) async fn a_bulk_resend_does_not_exceed_its_limit_of_webhooks_per_second(f: Fixture) {
    let f = f.unlimited();
    add_failed(&f, 25).await;
    f.scheduled(webhook()).await;
    f.ledger.record_attempt(&f.claim_webhook().await, delivered(), Disposition::Delivered).await.unwrap();
    assert_eq!(f.ledger.count_webhooks(failed_webhooks(&f)).await.unwrap(), 25);
    f.clock.advance(1);
    let bulk = f.ledger.start_bulk_resend(failed_webhooks(&f), Some(100)).await.unwrap();
    assert_eq!((bulk.n_matched, bulk.n_resent, bulk.ended_ms), (25, 0, None));
    // The bulk resend must not resend webhooks that fail after its start.
    add_failed(&f, 3).await;
    let mut n_failed = f.counts().await[4];
    assert_eq!(n_failed, 28 - 10, "the first step has resent ten webhooks");
    for (wait_ms, expected) in [(99, 18), (1, 8), (99, 8), (1, 3)] {
        f.clock.advance(wait_ms);
        for lease in f.ledger.claim_webhooks(100, LEASE_MS).await.unwrap() {
            assert!(lease.value.is_retry);
            f.ledger.record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
        }
        n_failed = f.counts().await[4];
        assert_eq!(n_failed, expected);
    }
    let bulk = f.ledger.bulk_resend(f.account, bulk.seq).await.unwrap().unwrap();
    assert_eq!((bulk.n_resent, bulk.n_skipped, bulk.ended_ms), (25, 0, Some(START_MS + 201)));
    assert_eq!(f.ledger.bulk_resend(f.account + 1, bulk.seq).await.unwrap(), None);
}

pub(crate) async fn a_bulk_resend_continues_after_recovery_and_can_be_stopped(f: Fixture) {
    let f = f.unlimited();
    add_failed(&f, 5).await;
    f.clock.advance(1);
    let bulk = f.ledger.start_bulk_resend(failed_webhooks(&f), Some(1)).await.unwrap();
    assert_eq!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().len(), 1);
    f.ledger.recover().await.unwrap();
    f.clock.advance(1_000);
    assert_eq!(
        f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().len(),
        2,
        "the interrupted webhook and the next one"
    );
    let stopped = f.ledger.stop_bulk_resend(f.account, bulk.seq).await.unwrap().unwrap();
    assert_eq!((stopped.n_resent, stopped.ended_ms), (2, Some(START_MS + 1_001)));
    f.clock.advance(10_000);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty());
    let everything = WebhookQuery { statuses: vec![], ..failed_webhooks(&f) };
    let bulk = f.ledger.start_bulk_resend(everything, None).await.unwrap();
    let mut n_claimed = 0;
    while f.ledger.bulk_resend(f.account, bulk.seq).await.unwrap().unwrap().ended_ms.is_none() {
        n_claimed += f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().len();
    }
    let bulk = f.ledger.bulk_resend(f.account, bulk.seq).await.unwrap().unwrap();
    assert_eq!(
        (n_claimed, bulk.n_matched, bulk.n_resent, bulk.n_skipped),
        (3, 5, 3, 2),
        "two webhooks are being sent"
    );
}
