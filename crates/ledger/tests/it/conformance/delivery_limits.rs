//! Conformance tests of the delivery limits: which webhooks a claim takes when not all due webhooks may be
//! sent.

use pixaven_ledger::{
    Attempt, DeliveryLimits, Disposition, DueReason, DueWebhook, FailureReason, Lease, Outcome, SendCapacity,
};
use uuid::Uuid;

use crate::fixture::{Fixture, LEASE_MS, START_MS, attempt, delivered, only, webhook_to};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Fixture {
    /// Schedules `n` webhooks to the given authority, and returns their ids.
    pub(super) async fn scheduled_to(&self, authority: &str, n: usize) -> Vec<Uuid> {
        let mut ids = vec![];
        for _ in 0..n {
            ids.push(self.scheduled(webhook_to(authority)).await);
        }
        ids
    }

    /// Claims webhooks. Returns the leases, and the number of leases to each authority, sorted by authority.
    pub(super) async fn claim(
        &self,
        capacity: impl Into<SendCapacity>,
    ) -> (Vec<Lease<DueWebhook>>, Vec<(String, usize)>) {
        let leases = self.ledger.claim_webhooks(capacity, LEASE_MS).await.unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for lease in &leases {
            *counts.entry(lease.value.authority.to_string()).or_default() += 1;
        }
        (leases, counts.into_iter().collect())
    }

    /// Records a failed attempt whose webhook is due again `after_ms` from now.
    pub(super) async fn fail(&self, lease: &Lease<DueWebhook>, attempt: Attempt, after_ms: i64) {
        let next = Disposition::Retry { due_ms: self.clock.now_ms() + after_ms };
        self.ledger.record_attempt(lease, attempt, next).await.unwrap();
    }

    async fn deliver(&self, lease: &Lease<DueWebhook>) {
        self.ledger.record_attempt(lease, delivered(), Disposition::Delivered).await.unwrap();
    }

    /// Returns the due time of a webhook's next attempt, in milliseconds since the start of the test, and the
    /// reason for this due time.
    async fn next_attempt(&self, id: Uuid) -> (i64, DueReason) {
        let next = self.ledger.webhook(self.account, id).await.unwrap().unwrap().next_attempt;
        next.map(|next| (next.due_ms - START_MS, next.due_reason)).expect("the webhook is scheduled")
    }
}

/// Converts the expected number of leases to each authority into the form that [`Fixture::claim`] returns.
pub(super) fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(authority, n)| ((*authority).to_owned(), *n)).collect()
}

/// Returns the attempt with the given IP address and port as the address that it connected to.
fn at_address(address: &str, attempt: Attempt) -> Attempt {
    Attempt { address: Some(address.to_owned()), ..attempt }
}

pub(crate) async fn no_webhook_of_a_saturated_destination_is_claimed_until_a_lease_ends(f: Fixture) {
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
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 4)]), "one webhook for each lease that ended");
    f.fail(&leases[4], attempt(Outcome::Timeout, None), 1_000).await;
    assert_eq!(f.claim(100).await.1, [], "a timeout halves the concurrency limit");
}

pub(crate) async fn a_backlog_of_one_destination_does_not_delay_another_destination(f: Fixture) {
    f.scheduled_to("dead:443", 200).await;
    f.clock.advance(60_000);
    let (_dead, claimed) = f.claim(4).await;
    assert_eq!(claimed, counts(&[("dead:443", 4)]));
    f.scheduled_to("healthy:443", 4).await;
    // Each destination gets one webhook per turn, and the destination that has waited longest comes first.
    f.clock.advance(1);
    let (leases, claimed) = f.claim(2).await;
    assert_eq!(claimed, counts(&[("dead:443", 1), ("healthy:443", 1)]));
    assert_eq!(leases[0].value.authority.as_str(), "dead:443", "the webhook that is due longest comes first");
    assert_eq!(f.claim(100).await.1, counts(&[("dead:443", 3), ("healthy:443", 3)]));
}

pub(crate) async fn retries_do_not_use_the_send_capacity_reserved_for_first_attempts(f: Fixture) {
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
    // The signal must not report retries, because the last claim had no capacity for retries.
    tokio::select! {
        biased;
        () = due.wait() => panic!("the signal reported a retry"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
}

pub(crate) async fn an_open_circuit_breaker_allows_one_probe_after_each_pause(f: Fixture) {
    let ids = f.scheduled_to("a:443", 40).await;
    let (leases, _) = f.claim(5).await;
    for lease in &leases {
        f.fail(lease, attempt(Outcome::Refused, None), 1_000).await;
    }
    assert_eq!(f.claim(100).await.1, []);
    let (ends_ms, reason) = f.next_attempt(ids[39]).await;
    assert!((900..=1_100).contains(&ends_ms), "the first pause is about a second: {ends_ms} ms");
    assert_eq!(reason, DueReason::Breaker);
    f.clock.advance(ends_ms - 1);
    assert_eq!(f.claim(100).await.1, []);
    f.clock.advance(1);
    let probe = only(f.claim(100).await.0);
    f.clock.advance(50_000);
    assert_eq!(f.claim(100).await.1, [], "only one probe at a time");
    f.fail(&probe, attempt(Outcome::Refused, None), 300_000).await;
    f.clock.advance(1_800);
    assert_eq!(f.claim(100).await.1, [], "after a minute the pause is about two seconds");
    f.clock.advance(500);
    let mut under_way = f.claim(100).await.0;
    assert_eq!(under_way.len(), 1);
    for expected in [2, 3, 4] {
        f.deliver(&under_way.pop().unwrap()).await;
        under_way.extend(f.claim(100).await.0);
        assert_eq!(under_way.len(), expected, "each success raises the concurrency limit by one");
    }
}

pub(crate) async fn a_retry_after_header_pauses_the_whole_destination(f: Fixture) {
    let ids = f.scheduled_to("a:443", 2).await;
    let lease = only(f.claim(1).await.0);
    let rejected = Attempt { retry_after_ms: Some(60_000), ..attempt(Outcome::Rejected, Some(429)) };
    f.fail(&lease, rejected.clone(), 60_000).await;
    assert_eq!(f.next_attempt(ids[0]).await, (60_000, DueReason::RetryAfter));
    assert_eq!(
        f.next_attempt(ids[1]).await,
        (60_000, DueReason::RetryAfter),
        "the webhook was due before the pause"
    );
    f.clock.advance(59_999);
    assert_eq!(f.claim(100).await.1, []);
    f.clock.advance(1);
    assert_eq!(f.claim(100).await.1, counts(&[("a:443", 2)]));
    let record = f.ledger.webhook(f.account, ids[0]).await.unwrap().unwrap();
    assert_eq!(record.attempts[0].attempt, rejected);
}

pub(crate) async fn hosts_with_the_same_ip_address_share_the_concurrency_limit_of_this_address(f: Fixture) {
    let f = f.with_delivery_limits(DeliveryLimits { per_address: 3, ..DeliveryLimits::default() });
    let names = ["a:1", "b:2", "c:3"];
    for name in names {
        f.scheduled_to(name, 1).await;
    }
    for lease in f.claim(9).await.0 {
        let address =
            if lease.value.authority.as_str() == "c:3" { "[2001:db8::1]:443" } else { "203.0.113.7:80" };
        f.ledger
            .record_attempt(&lease, at_address(address, delivered()), Disposition::Delivered)
            .await
            .unwrap();
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
            .record_attempt(&lease, at_address("203.0.113.7:80", delivered()), Disposition::Delivered)
            .await
            .unwrap();
        n_ended += 1;
        leases.extend(f.claim(100).await.0);
        assert!(leases.len() <= 6);
    }
    assert_eq!(n_ended, 15, "an ended lease wakes the destinations that wait for the address");
}

pub(crate) async fn setting_the_clock_back_does_not_lengthen_the_pause_of_a_destination(f: Fixture) {
    f.scheduled_to("a:443", 7).await;
    let (leases, _) = f.claim(5).await;
    for lease in &leases {
        f.fail(lease, attempt(Outcome::Refused, None), 0).await;
    }
    assert_eq!(f.claim(9).await.1, []);
    f.clock.advance(-DAY_MS);
    f.scheduled_to("b:443", 1).await;
    f.deliver(&only(f.claim(9).await.0)).await;
    f.scheduled_to("a:443", 1).await;
    f.clock.advance(3_600_000);
    assert_eq!(
        f.claim(9).await.1,
        counts(&[("a:443", 1)]),
        "the pause is over, and the breaker lets one probe through"
    );
}

pub(crate) async fn the_delivery_state_of_an_idle_destination_is_deleted_after_a_day(f: Fixture) {
    f.scheduled_to("a:443", 1).await;
    let lease = only(f.claim(1).await.0);
    f.ledger
        .record_attempt(
            &lease,
            attempt(Outcome::Timeout, None),
            Disposition::Failed { reason: FailureReason::RetriesExhausted },
        )
        .await
        .unwrap();
    f.clock.advance(DAY_MS);
    f.ledger.sweep_history(START_MS, 10).await.unwrap();
    f.scheduled_to("a:443", 9).await;
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 4)]), "the concurrency limit of 4 is kept for a day");
    f.ledger.recover().await.unwrap();
    for _ in 0..2 {
        for lease in f.claim(9).await.0 {
            f.deliver(&lease).await;
        }
    }
    assert_eq!(f.counts().await, [0, 0, 0, 9, 1]);
    f.clock.advance(DAY_MS + 1);
    f.ledger.sweep_history(START_MS, 10).await.unwrap();
    f.scheduled_to("a:443", 9).await;
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
}

pub(crate) async fn the_end_of_a_webhook_lease_frees_the_send_capacity_of_its_destination(f: Fixture) {
    f.scheduled_to("a:443", 8).await;
    let (lost, _) = f.claim(9).await;
    assert_eq!(lost.len(), 8);
    f.clock.advance(LEASE_MS);
    let (leases, claimed) = f.claim(9).await;
    assert_eq!(claimed, counts(&[("a:443", 8)]), "leases that ran out free their capacity");
    assert!(leases.iter().all(|lease| lease.value.n_counted_attempts == 0 && !lease.value.is_retry));
    f.ledger.recover().await.unwrap();
    assert_eq!(f.claim(9).await.1, counts(&[("a:443", 8)]));
    let late = f.ledger.record_attempt(&lost[0], delivered(), Disposition::Delivered).await;
    assert!(late.is_err(), "the late report has lost its lease");
    assert_eq!(f.claim(9).await.1, []);
}

pub(crate) async fn a_destination_has_at_most_as_many_webhooks_in_flight_as_could_still_be_sent_to_others(
    f: Fixture,
) {
    // The first configuration creates the destinations with a high concurrency limit. The second
    // configuration below guarantees each destination only one leased webhook.
    let raised = DeliveryLimits { per_authority_start: 40, ..DeliveryLimits::default() };
    let f = f.with_delivery_limits(raised);
    for name in ["a:443", "b:443"] {
        f.scheduled_to(name, 42).await;
    }
    for lease in f.claim(2).await.0 {
        f.deliver(&lease).await;
    }
    let f = f.with_delivery_limits(DeliveryLimits { per_authority_start: 1, ..raised });
    let (leases, claimed) = f.claim(40).await;
    assert_eq!(claimed, counts(&[("a:443", 14), ("b:443", 13)]), "two destinations leave a third");
    assert!(f.ledger.has_held_back_webhooks());
    f.scheduled_to("c:443", 1).await;
    assert_eq!(f.claim(13).await.1, counts(&[("c:443", 1)]));
    for lease in &leases[..2] {
        f.deliver(lease).await;
    }
    let claimed = f.claim(14).await.1;
    assert!(!claimed.is_empty(), "ended webhooks make room for others");
    assert!(f.ledger.has_held_back_webhooks());
    let mut due = f.ledger.webhooks_due();
    // `webhooks_due` does not report due webhooks that wait only because their destinations have reached the
    // threshold of leased webhooks.
    tokio::select! {
        biased;
        () = due.wait() => panic!("the signal reported a webhook"),
        () = std::future::ready(()) => {}
    }
}
