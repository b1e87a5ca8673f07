//! Conformance tests of the history: lists of webhooks, single webhooks, and the deletion of old webhooks.

use pixaven_ledger::{
    Attempt, Cursor, Disposition, FailureReason, Outcome, Timings, WebhookQuery, WebhookStatus,
};
use uuid::Uuid;

use crate::fixture::{
    Fixture, LEASE_MS, START_MS, all_webhooks, attempt, delivered, only, payload, webhook, webhook_to,
};

fn all(f: &Fixture) -> WebhookQuery {
    all_webhooks(f.account)
}

/// Accepts five webhooks, one second apart, so that each status has one webhook. Returns their ids in the
/// order of `WebhookStatus::ALL`. The webhooks are accepted in the reverse order: the failed webhook is
/// accepted first.
async fn add_one_webhook_in_each_status(f: &Fixture) -> Vec<Uuid> {
    let mut ids = vec![];
    for status in WebhookStatus::ALL.into_iter().rev() {
        ids.insert(0, webhook_in_status(f, status).await);
        f.clock.advance(1_000);
    }
    ids
}

/// Accepts a webhook and brings it into the given status.
async fn webhook_in_status(f: &Fixture, status: WebhookStatus) -> Uuid {
    if status == WebhookStatus::Created {
        return f.accept(webhook()).await;
    }
    let mut new = webhook();
    if status == WebhookStatus::Scheduled {
        new.delay_ms = 86_400_000;
    }
    let id = f.scheduled(new).await;
    let next = match status {
        WebhookStatus::Delivered => Disposition::Delivered,
        WebhookStatus::Failed => Disposition::Failed { reason: FailureReason::Gone },
        _ => {
            let _held = f.ledger.claim_webhooks(1, 10 * LEASE_MS).await.unwrap();
            return id;
        }
    };
    let lease = f.claim_webhook().await;
    f.ledger.record_attempt(&lease, delivered(), next).await.unwrap();
    id
}

async fn check(f: &Fixture, query: WebhookQuery, total: u64, expected: &[Uuid]) {
    let page = f.ledger.webhooks(query.clone()).await.unwrap();
    let ids: Vec<_> = page.webhooks.iter().map(|webhook| webhook.id).collect();
    assert_eq!((page.total, &ids[..]), (total, expected), "{query:?}");
}

pub(crate) async fn a_list_of_webhooks_is_filtered_by_the_query_and_divided_into_pages(f: Fixture) {
    use WebhookStatus::{Created, Delivered, Failed, Scheduled};
    // A list starts with the most recently accepted webhook, so in this test the order of the list equals the
    // order of `WebhookStatus::ALL`.
    let ids = add_one_webhook_in_each_status(&f).await;
    for (id, status) in ids.iter().zip(WebhookStatus::ALL) {
        assert_eq!(f.status(*id).await, status);
    }
    check(&f, all(&f), 5, &ids).await;
    check(&f, WebhookQuery { offset: 1, limit: 2, ..all(&f) }, 5, &ids[1..3]).await;
    check(&f, WebhookQuery { offset: 5, ..all(&f) }, 5, &[]).await;
    check(&f, WebhookQuery { offset: u64::MAX, ..all(&f) }, 5, &[]).await;
    check(&f, WebhookQuery { limit: 0, ..all(&f) }, 5, &[]).await;
    check(&f, WebhookQuery { statuses: vec![Delivered], ..all(&f) }, 1, &ids[3..4]).await;
    let mixed = vec![Failed, Scheduled, Created, Failed];
    let expected = [ids[0], ids[1], ids[4]];
    check(&f, WebhookQuery { statuses: mixed.clone(), ..all(&f) }, 3, &expected).await;
    check(&f, WebhookQuery { statuses: mixed.clone(), offset: 1, limit: 1, ..all(&f) }, 3, &ids[1..2]).await;

    let (start_ms, end_ms) = (Some(START_MS + 1_000), Some(START_MS + 3_000));
    check(&f, WebhookQuery { start_ms, ..all(&f) }, 4, &ids[..4]).await;
    check(&f, WebhookQuery { end_ms, ..all(&f) }, 4, &ids[1..]).await;
    check(&f, WebhookQuery { start_ms, end_ms, ..all(&f) }, 3, &ids[1..4]).await;
    check(&f, WebhookQuery { start_ms, end_ms, statuses: mixed, ..all(&f) }, 1, &ids[1..2]).await;
    check(&f, WebhookQuery { start_ms, end_ms, limit: 1, offset: 2, ..all(&f) }, 3, &ids[3..4]).await;

    let page = f.ledger.webhooks(WebhookQuery { statuses: vec![Delivered], ..all(&f) }).await.unwrap();
    let listed = only(page.webhooks);
    let record = f.ledger.webhook(f.account, listed.id).await.unwrap().unwrap();
    assert_eq!((listed.attempts.len(), record.attempts.len()), (0, 1), "a list shows no attempts");
    assert_eq!(listed.payload, Some(payload(listed.id)));
    assert_eq!(listed.url, webhook().url);
}

pub(crate) async fn a_webhook_of_another_account_is_not_found(f: Fixture) {
    let id = f.accept(webhook()).await;
    assert_eq!(f.ledger.webhook(f.account + 1, id).await.unwrap(), None);
    assert_eq!(f.ledger.webhook(f.account, Uuid::new_v4()).await.unwrap(), None);
    assert_eq!(f.ledger.webhook(f.account, id).await.unwrap().unwrap().id, id);
}

pub(crate) async fn every_field_of_an_attempt_is_stored(f: Fixture) {
    let f = f.unlimited();
    for outcome in Outcome::ALL {
        let id = f.scheduled(webhook()).await;
        let bare = Attempt {
            address: None,
            timings: Timings::default(),
            response: None,
            status: None,
            ..attempt(outcome, None)
        };
        let full = attempt(outcome, Some(599));
        for (attempt, disposition) in
            [(&bare, Disposition::Retry { due_ms: START_MS }), (&full, Disposition::Delivered)]
        {
            let lease = f.claim_webhook().await;
            f.ledger.record_attempt(&lease, attempt.clone(), disposition).await.unwrap();
        }
        let attempts = f.ledger.webhook(f.account, id).await.unwrap().unwrap().attempts;
        assert_eq!(attempts.into_iter().map(|recorded| recorded.attempt).collect::<Vec<_>>(), [bare, full]);
    }
}

pub(crate) async fn a_running_attempt_is_not_listed_in_the_history_of_its_webhook(f: Fixture) {
    let id = f.scheduled(webhook()).await;
    f.clock.advance(3);
    let _held = f.claim_webhook().await;
    let record = f.ledger.webhook(f.account, id).await.unwrap().unwrap();
    assert_eq!(record.attempts, []);
    assert_eq!((record.dispatched_ms, record.next_attempt), (Some(START_MS + 3), None));
}

pub(crate) async fn the_sweep_deletes_only_old_webhooks_that_are_delivered_or_failed(f: Fixture) {
    let old = add_one_webhook_in_each_status(&f).await;
    let before_ms = f.clock.now_ms();
    let _held = f.claim_job().await;
    let recent = webhook_in_status(&f, WebhookStatus::Delivered).await;

    assert_eq!(
        f.ledger.sweep_history(before_ms, 1).await.unwrap(),
        1,
        "a sweep deletes at most `limit` webhooks"
    );
    assert_eq!(f.ledger.sweep_history(before_ms, 100).await.unwrap(), 1);
    assert_eq!(f.ledger.sweep_history(before_ms, 100).await.unwrap(), 0);
    assert_eq!(f.counts().await, [1, 1, 1, 1, 0]);
    check(&f, all(&f), 4, &[recent, old[0], old[1], old[2]]).await;
    for gone in &old[3..] {
        assert_eq!(f.ledger.webhook(f.account, *gone).await.unwrap(), None);
    }
    f.clock.advance(100_000_000);
    assert_eq!(
        f.ledger.claim_jobs(9, LEASE_MS).await.unwrap().len(),
        1,
        "webhooks that have not ended are kept"
    );
    assert_eq!(f.ledger.claim_webhooks(9, LEASE_MS).await.unwrap().len(), 2);
}

pub(crate) async fn the_counters_of_an_account_equal_the_number_of_its_webhooks_in_each_status(f: Fixture) {
    for n in 1..4 {
        for status in WebhookStatus::ALL.into_iter().rev().take(n) {
            if status != WebhookStatus::Created {
                webhook_in_status(&f, status).await;
            }
        }
    }
    let counted = f.counts().await;
    assert_eq!(counted, [0, 0, 1, 2, 3]);
    for (status, n) in WebhookStatus::ALL.into_iter().zip(counted) {
        // For a query with a time range, the ledger counts rows instead of reading the counters.
        let query = WebhookQuery { statuses: vec![status], start_ms: Some(0), ..all(&f) };
        assert_eq!(f.ledger.webhooks(query).await.unwrap().total, n, "{status}");
    }
}

pub(crate) async fn pages_neither_skip_nor_repeat_a_webhook_when_new_webhooks_are_added(f: Fixture) {
    let f = f.unlimited();
    let mut ids = vec![];
    for n in 0..7 {
        ids.push(f.scheduled(webhook_to(if n % 2 == 0 { "even.example:443" } else { "[::1]:80" })).await);
        f.clock.advance(i64::from(n % 3 == 0));
    }
    ids.reverse();
    let even: Vec<_> = ids.iter().copied().step_by(2).collect();
    let of_host = WebhookQuery { host: Some("even.example".to_owned()), ..all(&f) };
    check(&f, of_host.clone(), 4, &even).await;
    check(&f, WebhookQuery { host: Some("[::1]".to_owned()), ..all(&f) }, 3, &[ids[1], ids[3], ids[5]]).await;
    check(&f, WebhookQuery { host: Some("unknown.example".to_owned()), ..all(&f) }, 0, &[]).await;
    let delivered = WebhookQuery { statuses: vec![WebhookStatus::Delivered], ..of_host.clone() };
    check(&f, delivered, 0, &[]).await;
    for query in [all(&f), of_host] {
        let before: Vec<_> =
            f.ledger.webhooks(query.clone()).await.unwrap().webhooks.iter().map(|record| record.id).collect();
        let mut listed = vec![];
        let mut query = WebhookQuery { limit: 2, ..query };
        loop {
            let page = f.ledger.webhooks(query.clone()).await.unwrap();
            listed.extend(page.webhooks.iter().map(|record| record.id));
            f.scheduled(webhook_to("even.example:443")).await;
            let Some(next) = page.next_cursor else { break };
            query.before = Some(next.to_string().parse().expect("a cursor can be parsed from its text"));
        }
        assert_eq!(listed, before, "new webhooks do not change the later pages");
    }
    for text in ["", "1", "-", "x-y", "1-2-3"] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}
