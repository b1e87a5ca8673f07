//! Conformance tests of the expiry of webhooks.

use pixaven_ledger::{Attempt, DeliveryLimits, FailureReason, NewWebhook, Outcome, WebhookStatus};

use super::delivery_limits::counts;
use crate::fixture::{Fixture, LEASE_MS, START_MS, attempt, only, webhook_to};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) async fn a_webhook_that_was_attempted_before_expires_while_its_destination_is_paused(f: Fixture) {
    let mut expiring = webhook_to("a:443");
    expiring.expires_ms = Some(30_000);
    let short = f.scheduled(expiring).await;
    let patient = f.scheduled_to("a:443", 1).await[0];
    let lease = only(f.claim(1).await.0);
    assert_eq!(lease.value.id, short);
    f.clock.advance(1_000);
    let rejected = Attempt { retry_after_ms: Some(200_000), ..attempt(Outcome::Rejected, Some(503)) };
    f.fail(&lease, rejected, 5_000).await;
    f.clock.advance(28_999);
    assert_eq!(f.claim(9).await.1, []);
    assert_eq!(f.status(short).await, WebhookStatus::Scheduled);
    f.clock.advance(1);
    assert_eq!(f.claim(9).await.1, []);
    let record = f.ledger.webhook(f.account, short).await.unwrap().unwrap();
    assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
    assert_eq!((record.attempts.len(), record.failed_ms), (1, Some(START_MS + 30_000)));
    assert_eq!(f.counts().await, [0, 1, 0, 0, 1]);
    f.clock.advance(171_000);
    assert_eq!(only(f.claim(9).await.0).value.id, patient);
}

pub(crate) async fn a_webhook_that_was_never_attempted_gets_a_new_expiry_when_the_give_up_time_is_over(
    f: Fixture,
) {
    let f =
        f.with_delivery_limits(DeliveryLimits { give_up_ms: Some(14 * DAY_MS), ..DeliveryLimits::default() });
    let untried = f.scheduled_to("a:443", 1).await[0];
    let interrupted = f.scheduled_to("b:443", 1).await[0];
    let tried = f.scheduled_to("c:443", 1).await[0];
    let ended = f.scheduled(NewWebhook { expires_ms: Some(DAY_MS), ..webhook_to("d:443") }).await;
    let dead = f.scheduled_to("e:443", 6).await;
    for lease in f.claim(100).await.0 {
        match lease.value.authority.as_str() {
            "c:443" | "e:443" if lease.value.id != dead[5] => {
                f.fail(&lease, attempt(Outcome::Refused, None), 5_000).await;
            }
            "b:443" => {}
            _ => f.ledger.release_webhook(&lease, START_MS).await.unwrap(),
        }
    }
    f.clock.advance(60 * DAY_MS);
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 1), ("b:443", 1)]));
    for id in [untried, interrupted] {
        assert_eq!(f.status(id).await, WebhookStatus::Dispatched);
    }
    for id in [tried, ended, dead[5]] {
        let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
        assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
    }
    f.ledger.recover().await.unwrap();
    let leases = f.claim(100).await.0;
    let ends_ms: Vec<_> = leases.iter().map(|lease| lease.value.expires_at_ms).collect();
    assert_eq!(ends_ms, [Some(START_MS + 74 * DAY_MS); 2], "the new expiry is `give_up_ms` from now");
}

pub(crate) async fn a_webhook_that_errors_of_this_machine_postpone_still_expires_at_its_expiry_time(
    f: Fixture,
) {
    let f = f.with_delivery_limits(DeliveryLimits { give_up_ms: Some(DAY_MS), ..DeliveryLimits::default() });
    let id = f.scheduled_to("a:443", 1).await[0];
    for _ in 0..24 {
        let lease = only(f.claim(1).await.0);
        f.ledger.release_webhook(&lease, f.clock.now_ms() + 5_000).await.unwrap();
        f.clock.advance(DAY_MS / 24);
    }
    assert_eq!(f.claim(1).await.1, []);
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
}

pub(crate) async fn a_webhook_expires_no_later_than_the_give_up_time_after_its_first_due_time(f: Fixture) {
    let f = f.with_delivery_limits(DeliveryLimits { give_up_ms: Some(DAY_MS), ..DeliveryLimits::default() });
    let long = f.scheduled(NewWebhook { expires_ms: Some(2 * DAY_MS), ..webhook_to("a:443") }).await;
    let lease = only(f.claim(1).await.0);
    assert_eq!((lease.value.id, lease.value.expires_at_ms), (long, Some(START_MS + DAY_MS)));
}

pub(crate) async fn claims_fail_all_webhooks_whose_requested_expiry_passed_while_the_server_was_stopped(
    f: Fixture,
) {
    let f = f.unlimited();
    for _ in 0..300 {
        f.scheduled(NewWebhook { expires_ms: Some(DAY_MS), ..webhook_to("a:443") }).await;
    }
    let patient = f.scheduled_to("a:443", 1).await[0];
    // The clock jumps over the expiry of the webhooks, as if the server had been stopped at that time.
    f.clock.advance(DAY_MS + LEASE_MS);
    let mut due = f.ledger.webhooks_due();
    assert_eq!(
        only(f.claim(1_000).await.0).value.id,
        patient,
        "one claim does not fail all expired webhooks"
    );
    assert_eq!(f.counts().await, [0, 44, 1, 0, 256]);
    due.wait().await;
    assert_eq!(f.claim(1_000).await.1, []);
    assert_eq!(f.counts().await, [0, 0, 1, 0, 300]);
}
