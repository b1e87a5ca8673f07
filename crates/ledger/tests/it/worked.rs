//! A ledger that a server has worked with: every table has rows, and some jobs and webhooks are under way.

use bytes::Bytes;
use pixaven_ledger::{
    Attempt, Disposition, FailureReason, IdempotentRequest, InputRef, JobOutcome, NewRequest, Outcome,
    Secret, StoredContent, StoredResult, UsageDelta, Violation, WatermarkQuota, check_ledger,
};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{
    Fixture, LEASE_MS, START_MS, all_webhooks, attempt, delivered, job_outcome, key, payload, request,
    result, watermark, webhook_to,
};

/// The tables that [`work`] fills, in the order in which a copy compares them.
pub(crate) const TABLES: [&str; 16] = [
    "accounts",
    "api_keys",
    "attempts",
    "bulk_resends",
    "counters",
    "destinations",
    "idempotency",
    "inputs",
    "jobs",
    "payloads",
    "requests",
    "results",
    "watermarks",
    "webhook_queue",
    "webhook_secrets",
    "webhooks",
];

/// The numbers of jobs and of webhooks that [`work`] leaves under way.
pub(crate) const N_UNDER_WAY: (u64, u64) = (2, 3);

/// The content of the uploads and of one result.
const PICTURE: &[u8] = &[0xff, 0xd8, 0, 0xff, 0xd9];

/// Fills a new ledger with `n` requests in all states. `n` must be at least 24.
pub(crate) async fn work(f: &Fixture, n: u32) {
    let (ledger, account) = (&f.ledger, f.account);
    accept(f, n).await;
    let jobs = ledger.claim_jobs(n * 3 / 4, LEASE_MS).await.unwrap();
    let mut calls = JoinSet::new();
    for job in jobs {
        let ledger = ledger.clone();
        let outcome = JobOutcome { payload: payload(job.value.id), ..job_outcome(job.value.id) };
        calls.spawn(async move { ledger.finish_job(&job, outcome).await.unwrap() });
    }
    calls.join_all().await;
    let leases = ledger.claim_webhooks(n / 2, LEASE_MS).await.unwrap();
    let mut calls = JoinSet::new();
    for (n, lease) in leases.into_iter().enumerate() {
        let ledger = ledger.clone();
        let (attempt, disposition) = answer(n);
        calls.spawn(async move {
            ledger.record_attempt(&lease, attempt, disposition).await.unwrap();
        });
    }
    calls.join_all().await;
    // The pauses that the receivers asked for are over.
    f.clock.advance(10);
    let (n_jobs, n_webhooks) = N_UNDER_WAY;
    assert_eq!(ledger.claim_jobs(n_jobs as u32, LEASE_MS).await.unwrap().len() as u64, n_jobs);
    assert_eq!(ledger.claim_webhooks(n_webhooks as u32, LEASE_MS).await.unwrap().len() as u64, n_webhooks);
    add_everything_else(f).await;
    assert!(ledger.sweep_history(START_MS + 1, 2).await.unwrap() > 0);
    assert!(matches!(ledger.cancel_webhook(account, accept(f, 1).await).await, Ok(true)));
}

/// Accepts `n` requests, and returns the id of one of them.
pub(crate) async fn accept(f: &Fixture, n: u32) -> Uuid {
    let mut calls = JoinSet::new();
    let mut last = Uuid::nil();
    for n in 0..n {
        let mut new = request(f.account, webhook_to(&format!("receiver-{}.example:443", n % 7)));
        if n % 10 == 0 {
            let content = StoredContent::Inline(Bytes::from_static(PICTURE));
            let input = InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: PICTURE.len() as u64 };
            new = NewRequest { input, ..new };
        }
        last = new.id;
        let ledger = f.ledger.clone();
        calls.spawn(async move { ledger.accept(new).await.unwrap() });
    }
    calls.join_all().await;
    last
}

/// The answer of a receiver, and what the server does about it.
fn answer(n: usize) -> (Attempt, Disposition) {
    // Only a receiver's response can contain a NUL character.
    let response = Some("not\0now".to_owned());
    let refused = Attempt { response, retry_after_ms: Some(9), ..attempt(Outcome::Rejected, Some(503)) };
    match n % 4 {
        0 | 1 => (delivered(), Disposition::Delivered),
        2 => (refused, Disposition::Retry { due_ms: START_MS + 7_000 + n as i64 }),
        _ => {
            (attempt(Outcome::Refused, None), Disposition::Failed { reason: FailureReason::RetriesExhausted })
        }
    }
}

/// Adds results, watermarks, idempotency keys, a bulk resend, and further keys and secrets.
async fn add_everything_else(f: &Fixture) {
    let (ledger, account) = (&f.ledger, f.account);
    for (number, content) in [
        (1, StoredContent::File { key: "results/2023-11-14/1.jpg".to_owned() }),
        (2, StoredContent::Inline(Bytes::from_static(PICTURE))),
    ] {
        let id = Uuid::from_u128(number);
        let bytes = PICTURE.len() as u64;
        let stored = StoredResult { content, bytes, ..result(id, account, START_MS + 86_400_000) };
        ledger.record_result(account, UsageDelta::default(), Some(stored)).await.unwrap();
    }
    for id in ["kept", "removed"] {
        ledger.add_watermark(watermark(id, f), WatermarkQuota { count: 9, bytes: 999 }).await.unwrap();
    }
    ledger.remove_watermark(account, "removed").await.unwrap();
    for name in ["answered", "begun"] {
        let id = Uuid::new_v4();
        let request = IdempotentRequest { account, key: name.to_owned(), sha256: [7; 32], id };
        ledger.begin_idempotent(&request).await.unwrap();
        if name == "answered" {
            ledger.store_idempotent_answer(&request, "{}".to_owned()).await.unwrap();
        }
    }
    ledger.start_bulk_resend(all_webhooks(account), Some(5)).await.unwrap();
    ledger.rotate_secret(account, Secret::from("whsec_second".to_owned()), 1_000).await.unwrap();
    let second = ledger.create_key(key(1)).await.unwrap();
    ledger.revoke_key(&second.id).await.unwrap();
}

/// Returns the texts of all violations in the ledger of the fixture.
pub(crate) async fn violations(store: pixaven_ledger::Store) -> Vec<String> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&found);
    let n = check_ledger(store, move |Violation { text }| sink.lock().unwrap().push(text)).await.unwrap();
    let found = found.lock().unwrap().clone();
    assert_eq!(n, found.len() as u64);
    found
}
