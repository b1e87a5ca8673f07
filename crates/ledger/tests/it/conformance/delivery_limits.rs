//! Who is sent to when not everybody can be.

use pixaven_ledger::{
    Attempt, DeliveryLimits, Disposition, DueReason, DueWebhook, FailureReason, Lease, NewWebhook, Outcome,
    SendCapacity, WebhookStatus,
};
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, attempt, delivered, one, webhook_to};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Fixture {
    async fn scheduled_to(&self, authority: &str, n: usize) -> Vec<Uuid> {
        let mut ids = vec![];
        for _ in 0..n {
            ids.push(self.scheduled(webhook_to(authority)).await);
        }
        ids
    }

    /// Claims with this much room; says how many went to each authority, in the order of their names.
    async fn claim(&self, room: impl Into<SendCapacity>) -> (Vec<Lease<DueWebhook>>, Vec<(String, usize)>) {
        let leases = self.ledger.claim_webhooks(room, LEASE_MS).await.unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for lease in &leases {
            *counts.entry(lease.value.authority.to_string()).or_default() += 1;
        }
        (leases, counts.into_iter().collect())
    }

    async fn fail(&self, lease: &Lease<DueWebhook>, attempt: Attempt, after_ms: i64) {
        let next = Disposition::Retry { due_ms: self.clock.now_ms() + after_ms };
        self.ledger.record_attempt(lease, attempt, next).await.unwrap();
    }

    async fn deliver(&self, lease: &Lease<DueWebhook>) {
        self.ledger.record_attempt(lease, delivered(), Disposition::Delivered).await.unwrap();
    }

    async fn next(&self, id: Uuid) -> (i64, DueReason) {
        let next = self.ledger.webhook(self.account, id).await.unwrap().unwrap().next_attempt;
        next.map(|next| (next.due_ms - START_MS, next.due_reason)).expect("it is scheduled")
    }
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(authority, n)| ((*authority).to_owned(), *n)).collect()
}

fn at(address: &str, attempt: Attempt) -> Attempt {
    Attempt { address: Some(address.to_owned()), ..attempt }
}

pub(crate) async fn a_saturated_authority_is_left_out(f: Fixture) {
    f.scheduled_to("a:443", 20).await;
    let (leases, claimed) = f.claim(100).await;
    assert_eq!(claimed, counts(&[("a:443", 8)]));
    assert_eq!(f.claim(100).await.1, []);
    f.scheduled_to("b:443", 1).await;
    assert_eq!(f.claim(100).await.1, counts(&[("b:443", 1)]));
    f.deliver(&leases[0]).await;
    f.fail(&leases[1], attempt(Outcome::Rejected, Some(404)), 1_000).await;
    f.ledger.release_webhook(&leases[2], START_MS + 1_000).await.unwrap();
    f.ledger.abandon_webhook(&leases[3], FailureReason::Gone).await.unwrap();
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 4)]), "one for each that ended");
    f.fail(&leases[4], attempt(Outcome::Timeout, None), 1_000).await;
    assert_eq!(f.claim(100).await.1, [], "a timeout halves what it may have");
}

pub(crate) async fn a_backlog_delays_nobody_else(f: Fixture) {
    f.scheduled_to("dead:443", 200).await;
    f.clock.advance(60_000);
    let (_dead, claimed) = f.claim(4).await;
    assert_eq!(claimed, counts(&[("dead:443", 4)]));
    f.scheduled_to("healthy:443", 4).await;
    // Whoever waited longest comes first, then one each.
    f.clock.advance(1);
    let (leases, claimed) = f.claim(2).await;
    assert_eq!(claimed, counts(&[("dead:443", 1), ("healthy:443", 1)]));
    assert_eq!(leases[0].value.authority.as_str(), "dead:443", "the longest due is handed out first");
    assert_eq!(f.claim(100).await.1, counts(&[("dead:443", 3), ("healthy:443", 3)]));
}

pub(crate) async fn room_is_kept_for_first_attempts(f: Fixture) {
    let f = f.unlimited();
    let mut due = f.ledger.webhooks_due();
    f.scheduled_to("a:443", 10).await;
    for lease in f.claim(10).await.0 {
        assert!(!lease.value.is_retry);
        f.fail(&lease, attempt(Outcome::Rejected, Some(500)), 0).await;
    }
    f.clock.advance(1_000);
    f.scheduled_to("b:443", 10).await;
    let (leases, claimed) = f.claim(SendCapacity { n_total: 6, n_retries: 2 }).await;
    assert_eq!(claimed, counts(&[("a:443", 2), ("b:443", 4)]));
    assert_eq!(leases.iter().filter(|lease| lease.value.is_retry).count(), 2);
    assert_eq!(f.claim(SendCapacity { n_total: 9, n_retries: 0 }).await.1, counts(&[("b:443", 6)]));
    due.wait().await;
    // What there is no room for is not reported as due again and again.
    tokio::select! {
        biased;
        () = due.wait() => panic!("a retry is reported"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
}

pub(crate) async fn the_breaker_lets_one_through_at_a_time(f: Fixture) {
    let ids = f.scheduled_to("a:443", 40).await;
    let (leases, _) = f.claim(5).await;
    for lease in &leases {
        f.fail(lease, attempt(Outcome::Refused, None), 1_000).await;
    }
    assert_eq!(f.claim(100).await.1, []);
    assert_eq!(f.next(ids[0]).await, (5_000, DueReason::Breaker));
    assert_eq!(f.next(ids[39]).await, (5_000, DueReason::Breaker));
    f.clock.advance(4_999);
    assert_eq!(f.claim(100).await.1, []);
    f.clock.advance(1);
    let probe = one(f.claim(100).await.0);
    f.clock.advance(50_000);
    assert_eq!(f.claim(100).await.1, [], "a single probe");
    f.fail(&probe, attempt(Outcome::Refused, None), 300_000).await;
    f.clock.advance(9_999);
    assert_eq!(f.claim(100).await.1, [], "it is left alone for twice as long");
    f.clock.advance(1);
    let mut under_way = f.claim(100).await.0;
    assert_eq!(under_way.len(), 1);
    for expected in [2, 3, 4] {
        f.deliver(&under_way.pop().unwrap()).await;
        under_way.extend(f.claim(100).await.0);
        assert_eq!(under_way.len(), expected, "a slow start");
    }
}

pub(crate) async fn what_a_receiver_asks_for_holds_for_its_authority(f: Fixture) {
    let ids = f.scheduled_to("a:443", 2).await;
    let lease = one(f.claim(1).await.0);
    let asks = Attempt { retry_after_ms: Some(60_000), ..attempt(Outcome::Rejected, Some(429)) };
    f.fail(&lease, asks.clone(), 60_000).await;
    assert_eq!(f.next(ids[0]).await, (60_000, DueReason::RetryAfter));
    assert_eq!(f.next(ids[1]).await, (60_000, DueReason::RetryAfter), "it was due before");
    f.clock.advance(59_999);
    assert_eq!(f.claim(100).await.1, []);
    f.clock.advance(1);
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 2)]));
    let record = f.ledger.webhook(f.account, ids[0]).await.unwrap().unwrap();
    assert_eq!(record.attempts[0].attempt, asks);
}

pub(crate) async fn time_runs_out_while_nothing_is_sent(f: Fixture) {
    let mut expiring = webhook_to("a:443");
    expiring.expires_ms = Some(30_000);
    let short = f.scheduled(expiring).await;
    let patient = f.scheduled_to("a:443", 1).await[0];
    let lease = one(f.claim(1).await.0);
    assert_eq!(lease.value.id, short);
    f.clock.advance(1_000);
    let asks = Attempt { retry_after_ms: Some(200_000), ..attempt(Outcome::Rejected, Some(503)) };
    f.fail(&lease, asks, 5_000).await;
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
    assert_eq!(one(f.claim(9).await.0).value.id, patient);
}

pub(crate) async fn what_nobody_tried_is_owed_however_late_it_is(f: Fixture) {
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
    let again = f.claim(100).await.0;
    let ends_ms: Vec<_> = again.iter().map(|lease| lease.value.expires_at_ms).collect();
    assert_eq!(ends_ms, [Some(START_MS + 74 * DAY_MS); 2], "from now on their time runs as if they were new");
}

pub(crate) async fn what_this_machine_cannot_send_is_not_tried_for_ever(f: Fixture) {
    let f = f.with_delivery_limits(DeliveryLimits { give_up_ms: Some(DAY_MS), ..DeliveryLimits::default() });
    let id = f.scheduled_to("a:443", 1).await[0];
    for _ in 0..24 {
        let lease = one(f.claim(1).await.0);
        f.ledger.release_webhook(&lease, f.clock.now_ms() + 5_000).await.unwrap();
        f.clock.advance(DAY_MS / 24);
    }
    assert_eq!(f.claim(1).await.1, []);
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
}

pub(crate) async fn a_request_gets_no_more_time_than_any(f: Fixture) {
    let f = f.with_delivery_limits(DeliveryLimits { give_up_ms: Some(DAY_MS), ..DeliveryLimits::default() });
    let long = f.scheduled(NewWebhook { expires_ms: Some(2 * DAY_MS), ..webhook_to("a:443") }).await;
    let lease = one(f.claim(1).await.0);
    assert_eq!((lease.value.id, lease.value.expires_at_ms), (long, Some(START_MS + DAY_MS)));
}

pub(crate) async fn nothing_is_claimed_whose_time_is_over(f: Fixture) {
    let f = f.unlimited();
    for _ in 0..300 {
        f.scheduled(NewWebhook { expires_ms: Some(DAY_MS), ..webhook_to("a:443") }).await;
    }
    let patient = f.scheduled_to("a:443", 1).await[0];
    f.clock.advance(DAY_MS);
    let mut due = f.ledger.webhooks_due();
    assert_eq!(one(f.claim(1_000).await.0).value.id, patient, "more are over than one claim ends");
    assert_eq!(f.counts().await, [0, 44, 1, 0, 256]);
    due.wait().await;
    assert_eq!(f.claim(1_000).await.1, []);
    assert_eq!(f.counts().await, [0, 0, 1, 0, 300]);
}

pub(crate) async fn one_address_is_one_receiver(f: Fixture) {
    let f = f.with_delivery_limits(DeliveryLimits { per_address: 3, ..DeliveryLimits::default() });
    let names = ["a:1", "b:2", "c:3"];
    for name in names {
        f.scheduled_to(name, 1).await;
    }
    for lease in f.claim(9).await.0 {
        let address =
            if lease.value.authority.as_str() == "c:3" { "[2001:db8::1]:443" } else { "203.0.113.7:80" };
        f.ledger.record_attempt(&lease, at(address, delivered()), Disposition::Delivered).await.unwrap();
    }
    for name in names {
        f.scheduled_to(name, 5).await;
    }
    let (mut leases, claimed) = f.claim(100).await;
    assert_eq!(claimed, counts(&[("a:1", 2), ("b:2", 1), ("c:3", 3)]));
    assert_eq!(f.claim(100).await.1, []);
    let mut n_ended = 0;
    while let Some(lease) = leases.pop() {
        f.ledger
            .record_attempt(&lease, at("203.0.113.7:80", delivered()), Disposition::Delivered)
            .await
            .unwrap();
        n_ended += 1;
        leases.extend(f.claim(100).await.0);
        assert!(leases.len() <= 6);
    }
    assert_eq!(n_ended, 15, "whoever waited for the address is told of room");
}

pub(crate) async fn a_clock_set_back_does_not_lengthen_a_pause(f: Fixture) {
    f.scheduled_to("a:443", 7).await;
    let (leases, _) = f.claim(5).await;
    for lease in &leases {
        f.fail(lease, attempt(Outcome::Refused, None), 0).await;
    }
    assert_eq!(f.claim(9).await.1, []);
    f.clock.advance(-86_400_000);
    f.scheduled_to("b:443", 1).await;
    f.deliver(&one(f.claim(9).await.0)).await;
    f.scheduled_to("a:443", 1).await;
    f.clock.advance(3_600_000);
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 1)]), "the probe, and of what is due by now");
}

pub(crate) async fn an_idle_destination_is_forgotten(f: Fixture) {
    f.scheduled_to("a:443", 1).await;
    let lease = one(f.claim(1).await.0);
    f.ledger
        .record_attempt(
            &lease,
            attempt(Outcome::Timeout, None),
            Disposition::Failed { reason: FailureReason::RetriesExhausted },
        )
        .await
        .unwrap();
    let day_ms = 86_400_000;
    f.clock.advance(day_ms);
    f.ledger.sweep_history(START_MS, 10).await.unwrap();
    f.scheduled_to("a:443", 9).await;
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 4)]), "the timeout is remembered for a day");
    f.ledger.recover().await.unwrap();
    for _ in 0..2 {
        for lease in f.claim(9).await.0 {
            f.deliver(&lease).await;
        }
    }
    assert_eq!(f.counts().await, [0, 0, 0, 9, 1]);
    f.clock.advance(day_ms + 1);
    f.ledger.sweep_history(START_MS, 10).await.unwrap();
    f.scheduled_to("a:443", 9).await;
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
}

pub(crate) async fn an_interruption_returns_what_it_held(f: Fixture) {
    f.scheduled_to("a:443", 8).await;
    let (lost, _) = f.claim(9).await;
    assert_eq!(lost.len(), 8);
    f.clock.advance(LEASE_MS);
    let (leases, claimed) = f.claim(9).await;
    assert_eq!(claimed, counts(&[("a:443", 8)]), "leases that ran out leave room");
    assert!(leases.iter().all(|lease| lease.value.n_counted_attempts == 0 && !lease.value.is_retry));
    f.ledger.recover().await.unwrap();
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
    let late = f.ledger.record_attempt(&lost[0], delivered(), Disposition::Delivered).await;
    assert!(late.is_err(), "what comes too late holds nothing any more");
    assert_eq!(f.claim(9).await.1, []);
}
