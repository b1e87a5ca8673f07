//! Conformance tests of receivers that fail on one URL path or for some time. The tests check which webhooks
//! are sent during the failures, and how soon after the failures the remaining webhooks are sent.

use pixaven_ledger::{
    Attempt, BreakerChange, BreakerEvent, Disposition, DueWebhook, FailureReason, Lease, NewWebhook, Outcome,
    WebhookStatus,
};
use uuid::Uuid;

use super::delivery_limits::counts;
use crate::fixture::{Fixture, LEASE_MS, START_MS, attempt, delivered, only, webhook, webhook_to};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A webhook to a path of the receiver `a:443`.
fn to_path(path: &str) -> NewWebhook {
    NewWebhook { url: format!("https://a:443{path}"), ..webhook_to("a:443") }
}

fn answered(status: u16) -> Attempt {
    attempt(Outcome::Rejected, Some(status))
}

fn refused() -> Attempt {
    attempt(Outcome::Refused, None)
}

impl Fixture {
    /// Records the end of an attempt. If the attempt did not deliver the webhook, the webhook is due again
    /// after five minutes.
    async fn record(&self, lease: &Lease<DueWebhook>, ended: Attempt) -> Option<BreakerChange> {
        let ended = Attempt { started_ms: self.clock.now_ms(), ..ended };
        let next = match ended.outcome {
            Outcome::Delivered => Disposition::Delivered,
            _ => Disposition::Retry { due_ms: self.clock.now_ms() + 300_000 },
        };
        self.ledger.record_attempt(lease, ended, next).await.unwrap()
    }

    async fn schedule_to_path(&self, path: &str, n: usize) -> Vec<Uuid> {
        let mut ids = vec![];
        for _ in 0..n {
            ids.push(self.scheduled(to_path(path)).await);
        }
        ids
    }

    /// Sends all webhooks that may be sent within `duration_ms`. `answer` gives the result of each attempt.
    /// Returns the paths of the attempts, and the time from the start of the test to the last attempt.
    async fn send_for(
        &self,
        duration_ms: i64,
        answer: impl Fn(&DueWebhook) -> Attempt,
    ) -> (Vec<String>, Option<i64>) {
        let (mut paths, mut last_ms) = (vec![], None);
        let end_ms = self.clock.now_ms() + duration_ms;
        while self.clock.now_ms() <= end_ms {
            let leases = self.claim(100).await.0;
            if leases.is_empty() {
                self.clock.advance(50);
            }
            for lease in leases {
                paths.push(lease.value.url.replace("https://a:443", ""));
                last_ms = Some(self.clock.now_ms() - START_MS);
                self.record(&lease, answer(&lease.value)).await;
            }
        }
        (paths, last_ms)
    }

    /// Opens the circuit breaker of `a:443` by five failures of webhooks to the path `/fail`.
    async fn open_breaker(&self, ended: Attempt) {
        self.schedule_to_path("/fail", 5).await;
        for lease in self.claim(5).await.0 {
            self.record(&lease, ended.clone()).await;
        }
    }
}

pub(crate) async fn webhooks_to_one_path_are_delivered_within_two_seconds_while_webhooks_to_another_path_fail(
    f: Fixture,
) {
    for (status, ok) in [(500, "/ok"), (503, "/ok2"), (400, "/ok3"), (429, "/ok4")] {
        f.schedule_to_path("/fail", 30).await;
        f.clock.advance(1);
        let good = f.schedule_to_path(ok, 5).await;
        let is_good = |webhook: &DueWebhook| webhook.url.contains("/ok");
        let answer = |webhook: &DueWebhook| if is_good(webhook) { delivered() } else { answered(status) };
        f.send_for(2_000, answer).await;
        for id in good {
            assert_eq!(f.status(id).await, WebhookStatus::Delivered, "{status}");
        }
        f.clock.advance(DAY_MS);
        f.send_for(0, |_| delivered()).await;
    }
}

pub(crate) async fn a_webhook_to_another_path_is_sent_at_once_if_one_failing_path_opened_the_circuit_breaker(
    f: Fixture,
) {
    f.open_breaker(answered(503)).await;
    assert_eq!(f.claim(100).await.1, [], "the breaker pauses the failing path");
    f.schedule_to_path("/ok", 3).await;
    let probe = only(f.claim(100).await.0);
    assert_eq!(f.claim(100).await.1, [], "only one webhook at a time while the breaker is open");
    let change = f.record(&probe, delivered()).await.expect("the success closes the breaker");
    assert_eq!(change.event, BreakerEvent::Closed { down_ms: 0 });
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 2)]));
}

pub(crate) async fn after_failures_of_two_paths_every_webhook_waits_for_the_end_of_the_circuit_breaker_pause(
    f: Fixture,
) {
    f.open_breaker(answered(503)).await;
    f.schedule_to_path("/also-broken", 1).await;
    f.schedule_to_path("/ok", 5).await;
    let (paths, _) = f.send_for(0, |_| answered(503)).await;
    assert_eq!(paths.len(), 1, "one failure on another path is enough: {paths:?}");
    let (paths, last_ms) = f.send_for(1_200, |_| delivered()).await;
    assert!(!paths.is_empty() && last_ms >= Some(900), "{paths:?} at {last_ms:?}");
}

pub(crate) async fn after_refused_connections_no_webhook_is_sent_during_the_pause_of_the_circuit_breaker(
    f: Fixture,
) {
    f.open_breaker(refused()).await;
    f.schedule_to_path("/ok", 3).await;
    assert_eq!(f.claim(100).await.1, []);
    f.clock.advance(1_100);
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 1)]));
}

pub(crate) async fn the_probe_after_a_pause_is_preferably_a_webhook_to_a_path_that_has_not_failed(
    f: Fixture,
) {
    let resent = f.schedule_to_path("/ok", 1).await[0];
    let lease = only(f.claim(1).await.0);
    f.record(&lease, delivered()).await;
    f.open_breaker(answered(503)).await;
    f.schedule_to_path("/fail", 5).await;
    f.clock.advance(1);
    f.ledger.resend_webhook(f.account, resent).await.unwrap();
    assert_eq!(f.claim(100).await.1, [], "a resend waits for the end of the pause");
    f.clock.advance(1_100);
    assert_eq!(only(f.claim(100).await.0).value.id, resent);
}

pub(crate) async fn forty_webhooks_are_sent_in_the_three_and_a_half_seconds_after_an_outage_of_one_minute(
    f: Fixture,
) {
    f.schedule_to_path("/hook", 100).await;
    let (probes, _) = f.send_for(60_000, |_| refused()).await;
    assert!(probes.len() < 60, "a receiver that is down gets few probes: {}", probes.len());
    assert_eq!(f.counts().await[3], 0);
    f.send_for(3_500, |_| delivered()).await;
    assert!(f.counts().await[3] >= 40, "the receiver gets the webhooks that were not tried meanwhile");
}

pub(crate) async fn the_event_of_an_opened_or_closed_circuit_breaker_has_the_number_of_waiting_webhooks(
    f: Fixture,
) {
    f.schedule_to_path("/hook", 12).await;
    let mut changes = vec![];
    for lease in f.claim(5).await.0 {
        changes.extend(f.record(&lease, refused()).await);
    }
    let opened = only(changes);
    assert!(matches!(opened.event, BreakerEvent::Opened { pause_ms: 900..=1_100 }), "{opened:?}");
    assert_eq!(opened.n_waiting, 12);
    f.clock.advance(1_100);
    let probe = only(f.claim(100).await.0);
    let closed = f.record(&probe, delivered()).await.expect("the breaker closes");
    assert_eq!((closed.event, closed.n_waiting), (BreakerEvent::Closed { down_ms: 1_100 }, 11));
}

pub(crate) async fn a_webhook_that_an_open_circuit_breaker_held_from_the_start_gets_one_attempt_at_its_expiry(
    f: Fixture,
) {
    f.open_breaker(refused()).await;
    let held = f.scheduled(NewWebhook { expires_ms: Some(800), ..to_path("/hook") }).await;
    let patient = f.schedule_to_path("/hook", 1).await[0];
    f.clock.advance(799);
    assert_eq!(f.claim(9).await.1, [], "the breaker is open");
    f.clock.advance(1);
    let last_chance = only(f.claim(9).await.0);
    assert_eq!((last_chance.value.id, last_chance.value.expires_at_ms), (held, Some(START_MS + 800)));
    let expired = Disposition::Failed { reason: FailureReason::Expired };
    f.ledger.record_attempt(&last_chance, refused(), expired).await.unwrap();
    let record = f.ledger.webhook(f.account, held).await.unwrap().unwrap();
    assert_eq!((record.failure, record.attempts.len()), (Some(FailureReason::Expired), 1));
    assert_eq!(f.status(patient).await, WebhookStatus::Scheduled, "the pause goes on for the others");
    assert_eq!(f.claim(9).await.1, []);
}

pub(crate) async fn a_webhook_that_was_never_attempted_is_sent_at_its_expiry_even_during_a_retry_after_pause(
    f: Fixture,
) {
    let held = f.scheduled(NewWebhook { expires_ms: Some(60_000), ..to_path("/b") }).await;
    f.clock.advance(-1);
    f.schedule_to_path("/a", 1).await;
    let first = only(f.claim(1).await.0);
    assert_ne!(first.value.id, held);
    f.fail(&first, Attempt { retry_after_ms: Some(200_000), ..answered(429) }, 200_000).await;
    f.clock.advance(60_000);
    assert_eq!(f.claim(9).await.1, []);
    f.clock.advance(1);
    let lease = only(f.claim(9).await.0);
    assert_eq!(lease.value.id, held);
    f.record(&lease, delivered()).await;
    assert_eq!(f.claim(9).await.1, []);
}

pub(crate) async fn expiring_webhooks_get_their_only_attempt_one_at_a_time_while_the_circuit_breaker_is_open(
    f: Fixture,
) {
    f.open_breaker(refused()).await;
    for _ in 0..3 {
        f.scheduled(NewWebhook { expires_ms: Some(500), ..to_path("/hook") }).await;
    }
    f.clock.advance(500);
    for _ in 0..3 {
        let lease = only(f.claim(9).await.0);
        let expired = Disposition::Failed { reason: FailureReason::Expired };
        f.ledger.record_attempt(&lease, refused(), expired).await.unwrap();
    }
    assert_eq!(f.counts().await, [0, 5, 0, 0, 3]);
    assert_eq!(f.claim(9).await.1, []);
}

pub(crate) async fn a_webhook_whose_expiry_passed_while_the_server_was_stopped_is_not_sent(f: Fixture) {
    let expiring = f.scheduled(NewWebhook { expires_ms: Some(30_000), ..webhook() }).await;
    f.clock.advance(30_000 + LEASE_MS);
    assert_eq!(f.claim(9).await.1, []);
    let record = f.ledger.webhook(f.account, expiring).await.unwrap().unwrap();
    assert_eq!((record.failure, record.attempts.len()), (Some(FailureReason::Expired), 0));
}
