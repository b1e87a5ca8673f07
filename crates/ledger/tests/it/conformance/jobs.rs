//! Conformance tests of accepting requests, and of processing their jobs under leases.

use bytes::Bytes;
use pixaven_ledger::{Disposition, Error, InputRef, ReleaseReason, StoredContent, WebhookStatus};
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, delivered, job_outcome, only, payload, request, webhook};

pub(crate) async fn the_webhook_of_a_request_passes_through_every_status_from_created_to_delivered(
    f: Fixture,
) {
    let id = f.accept(webhook()).await;
    assert_eq!(f.status(id).await, WebhookStatus::Created);
    assert_eq!(f.counts().await, [1, 0, 0, 0, 0]);

    f.clock.advance(10);
    let job = f.claim_job().await;
    assert_eq!((job.value.id, job.attempt, job.until_ms), (id, 1, START_MS + 10 + LEASE_MS));
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty(), "the job is leased");
    f.ledger.finish_job(&job, job_outcome(id)).await.unwrap();
    assert_eq!(f.counts().await, [0, 1, 0, 0, 0]);
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty(), "the job is finished");

    f.clock.advance(10);
    let due = f.claim_webhook().await;
    assert_eq!((due.value.id, due.attempt), (id, 1));
    assert_eq!(due.value.payload, payload(id));
    assert_eq!((due.value.created_ms, due.value.finished_ms), (START_MS, START_MS + 10));
    assert_eq!(f.status(id).await, WebhookStatus::Dispatched);
    assert_eq!(f.counts().await, [0, 0, 1, 0, 0]);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty(), "the webhook is leased");

    f.clock.advance(10);
    f.ledger.record_attempt(&due, delivered(), Disposition::Delivered).await.unwrap();
    assert_eq!(f.counts().await, [0, 0, 0, 1, 0]);
    f.clock.advance(10 * LEASE_MS);
    assert!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().is_empty(), "the webhook is delivered");

    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!(record.created_ms, START_MS);
    assert_eq!(record.scheduled_ms, Some(START_MS + 10));
    assert_eq!(record.dispatched_ms, Some(START_MS + 20));
    assert_eq!(record.delivered_ms, Some(START_MS + 30));
    assert_eq!((record.failed_ms, record.failure, record.next_attempt), (None, None, None));
    assert_eq!(record.payload, Some(payload(id)));
    assert_eq!(only(record.attempts).attempt, delivered());
    let usage = f.ledger.usage(f.account).await.unwrap();
    assert_eq!((usage.requests, usage.input_bytes, usage.output_bytes), (1, 1000, 100));
}

pub(crate) async fn an_upload_stored_in_a_database_row_is_returned_by_every_claim_of_its_job(f: Fixture) {
    let mut new = request(f.account, webhook());
    let content = StoredContent::Inline(Bytes::from_static(&[0xff, 0xd8, 0, 0xff, 0xd9]));
    new.input = InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: 5 };
    f.ledger.accept(new.clone()).await.unwrap();
    let first = f.claim_job().await;
    assert_eq!(first.value.input, new.input);
    f.ledger.release_job(&first, ReleaseReason::Stopped).await.unwrap();
    let second = f.claim_job().await;
    assert_eq!(second.value.input, new.input);
    f.ledger.finish_job(&second, job_outcome(new.id)).await.unwrap();
    assert_eq!(f.claim_webhook().await.value.payload, payload(new.id));
}

pub(crate) async fn claims_return_the_data_of_the_accepted_request_unchanged(f: Fixture) {
    let mut new = request(f.account, webhook());
    new.spec = "{\"a\":\"\u{1f98a} \\n\"}".repeat(2000);
    let content = StoredContent::File { key: "inputs/1".to_owned() };
    new.input = InputRef::Upload { content, name: String::new(), bytes: 1 << 40 };
    new.webhook.retry = false;
    new.webhook.headers =
        vec![("X-A".to_owned(), "1:2\\n\n\t".to_owned()), ("X-A".to_owned(), String::new())];
    f.ledger.accept(new.clone()).await.unwrap();

    let job = f.claim_job().await;
    assert_eq!(job.value.account, f.account);
    assert_eq!((&job.value.spec, &job.value.input), (&new.spec, &new.input));
    assert_eq!((job.value.created_ms, job.value.n_crashes), (START_MS, 0));
    f.ledger.finish_job(&job, job_outcome(new.id)).await.unwrap();

    let due = f.claim_webhook().await.value;
    assert_eq!((due.account, due.retry), (f.account, false));
    assert_eq!(
        (due.url, due.authority, due.headers),
        (new.webhook.url, new.webhook.authority, new.webhook.headers)
    );
}

pub(crate) async fn a_request_with_the_id_of_an_accepted_request_is_refused(f: Fixture) {
    let new = request(f.account, webhook());
    f.ledger.accept(new.clone()).await.unwrap();
    assert!(matches!(f.ledger.accept(new).await, Err(Error::Exists)));
    assert_eq!(f.counts().await, [1, 0, 0, 0, 0], "the refused request changed no counter");
    f.claim_job().await;
}

pub(crate) async fn a_request_of_an_unknown_account_is_refused(f: Fixture) {
    let accepted = f.ledger.accept(request(f.account + 1, webhook())).await;
    assert!(matches!(accepted, Err(Error::UnknownAccount(_))));
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty());
}

pub(crate) async fn a_claim_returns_the_jobs_that_have_been_due_longest_and_at_most_the_requested_number(
    f: Fixture,
) {
    let mut ids = vec![];
    for _ in 0..5 {
        ids.push(f.accept(webhook()).await);
        f.clock.advance(1);
    }
    let mut claimed = vec![];
    for limit in [0, 2, 2, 2] {
        let leases = f.ledger.claim_jobs(limit, LEASE_MS).await.unwrap();
        assert!(leases.len() <= limit as usize);
        claimed.extend(leases.into_iter().map(|lease| lease.value.id));
    }
    assert_eq!(claimed, ids);
}

pub(crate) async fn a_job_cannot_be_finished_under_a_lost_lease(f: Fixture) {
    let id = f.accept(webhook()).await;
    let late = f.claim_job().await;
    f.clock.advance(LEASE_MS - 1);
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty(), "the lease has not ended");
    f.clock.advance(1);
    let mut current = f.claim_job().await;
    assert!(current.fence > late.fence);
    assert_eq!(
        (current.value.id, current.value.n_crashes, current.attempt),
        (id, 1, 2),
        "the lost lease counts as a crash"
    );

    assert!(matches!(f.ledger.finish_job(&late, job_outcome(id)).await, Err(Error::LostLease)));
    assert_eq!(f.counts().await, [1, 0, 0, 0, 0]);
    assert_eq!(
        f.ledger.usage(f.account).await.unwrap().requests,
        0,
        "the outcome under the lost lease is dropped"
    );
    f.ledger.renew_job(&mut current, LEASE_MS).await.unwrap();
    f.ledger.finish_job(&current, job_outcome(id)).await.unwrap();
    assert_eq!(f.counts().await, [0, 1, 0, 0, 0]);
}

pub(crate) async fn a_renewed_lease_of_a_job_lasts_for_its_full_duration_after_the_renewal(f: Fixture) {
    let id = f.accept(webhook()).await;
    let mut lease = f.claim_job().await;
    f.clock.advance(LEASE_MS / 2);
    f.ledger.renew_job(&mut lease, LEASE_MS).await.unwrap();
    assert_eq!(lease.until_ms, START_MS + LEASE_MS / 2 + LEASE_MS);
    f.clock.advance(LEASE_MS - 1);
    assert!(f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty());
    f.clock.advance(1);
    let current = f.claim_job().await;
    assert!(matches!(f.ledger.renew_job(&mut lease, LEASE_MS).await, Err(Error::LostLease)));
    assert!(matches!(f.ledger.release_job(&lease, ReleaseReason::Crashed).await, Err(Error::LostLease)));
    f.ledger.finish_job(&current, job_outcome(id)).await.unwrap();
}

pub(crate) async fn the_release_reason_of_a_job_determines_its_due_time_and_crash_count(f: Fixture) {
    f.accept(webhook()).await;
    for (reason, n_crashes, after_ms) in [
        (ReleaseReason::Stopped, 0, 0),
        (ReleaseReason::Crashed, 1, 0),
        (ReleaseReason::Postponed { delay_ms: 500 }, 1, 500),
    ] {
        let lease = f.claim_job().await;
        f.ledger.release_job(&lease, reason).await.unwrap();
        if after_ms > 0 {
            f.clock.advance(after_ms - 1);
            assert!(
                f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().is_empty(),
                "the job is not due yet after {reason:?}"
            );
            f.clock.advance(1);
        }
        let lease = f.claim_job().await;
        assert_eq!(lease.value.n_crashes, n_crashes, "after {reason:?}");
        f.ledger.release_job(&lease, ReleaseReason::Stopped).await.unwrap();
    }
}

pub(crate) async fn recovery_after_a_restart_ends_every_lease_of_the_earlier_process(f: Fixture) {
    let sent = f.scheduled(webhook()).await;
    let processed = f.accept(webhook()).await;
    let waiting = f.accept(webhook()).await;
    let old_job = f.claim_job().await;
    let old_webhook = f.claim_webhook().await;
    assert_eq!((old_job.value.id, old_webhook.value.id), (processed, sent));

    let recovered = f.ledger.recover().await.unwrap();
    assert_eq!((recovered.n_jobs, recovered.n_webhooks), (1, 1));
    assert_eq!(f.counts().await, [2, 1, 0, 0, 0]);
    let repeated = f.ledger.recover().await.unwrap();
    assert_eq!((repeated.n_jobs, repeated.n_webhooks), (0, 0));

    let jobs = f.ledger.claim_jobs(9, LEASE_MS).await.unwrap();
    let mut crashes: Vec<_> = jobs.iter().map(|job| (job.value.id, job.value.n_crashes)).collect();
    crashes.sort_by_key(|(id, _)| *id != processed);
    assert_eq!(crashes, [(processed, 1), (waiting, 0)]);
    assert_eq!(f.claim_webhook().await.attempt, 2);
    assert!(matches!(f.ledger.finish_job(&old_job, job_outcome(processed)).await, Err(Error::LostLease)));
    let recorded = f.ledger.record_attempt(&old_webhook, delivered(), Disposition::Delivered).await;
    assert!(matches!(recorded, Err(Error::LostLease)));
}

pub(crate) async fn leased_jobs_and_waiting_jobs_count_as_unfinished(f: Fixture) {
    let finished = f.scheduled(webhook()).await;
    let held = f.accept(webhook()).await;
    let _lease = f.claim_job().await;
    let waiting = f.accept(webhook()).await;
    let unknown = Uuid::new_v4();
    let unfinished = f.ledger.unfinished_jobs(&[finished, unknown, held, waiting]).await.unwrap();
    assert_eq!(unfinished, [held, waiting]);
}
