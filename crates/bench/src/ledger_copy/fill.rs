//! Fills a ledger as a server leaves it that is killed at work: delivered, failed and waiting webhooks, unfinished
//! jobs, and jobs and webhooks under way.

use std::path::Path;

use anyhow::Context;
use futures_util::future::try_join_all;
use pixaven_ledger::{
    AccountId, Attempt, Authority, Clock, DeliveryLimits, Disposition, FailureReason, InputRef, JobOutcome,
    Ledger, NewKey, NewRequest, NewWebhook, Outcome, Store, StoredContent, StoredResult, Timings, UsageDelta,
};
use serde_json::json;
use uuid::Uuid;

/// The largest number of requests in one transaction.
pub(super) const N_PER_COMMIT: u32 = 500;

const N_RECEIVERS: u32 = 100;
const LEASE_MS: i64 = 600_000;
const RETRY_MS: i64 = 3_600_000;
/// The size of each upload and of each result, in bytes.
const CONTENT_BYTES: usize = 1_000;

/// Limits that never hold a webhook back.
pub(super) fn unlimited() -> DeliveryLimits {
    DeliveryLimits {
        capacity: N_PER_COMMIT,
        per_authority: N_PER_COMMIT,
        per_authority_start: N_PER_COMMIT,
        per_address: N_PER_COMMIT,
        n_failures_to_open: u32::MAX,
        ..DeliveryLimits::default()
    }
}

/// Creates a ledger with `n` webhooks. Returns the number of webhooks that are pending: their requests are not
/// processed, or they wait for an attempt, or are under way.
pub(super) async fn fill(path: &Path, n: u32) -> anyhow::Result<u64> {
    let ledger = Ledger::open(Store::Sqlite { path: path.to_owned() }, Clock::System).await?;
    let ledger = ledger.with_delivery_limits(unlimited());
    let key = NewKey {
        sha256: [7; 32],
        prefix: "pxv_".to_owned(),
        label: "copy".to_owned(),
        webhook_secret: "whsec_copy".to_owned(),
    };
    let account = ledger.create_key(key).await?.account;
    let mut n_left = n;
    while n_left > 0 {
        let n_batch = n_left.min(N_PER_COMMIT);
        try_join_all((0..n_batch).map(|k| ledger.accept(request(account, n_left - k)))).await?;
        let jobs = ledger.claim_jobs(n_batch * 9 / 10, LEASE_MS).await?;
        let processed = jobs.into_iter().map(|job| {
            let (ledger, id) = (&ledger, job.value.id);
            async move { ledger.finish_job(&job, with_result(job_done(id), id, account)).await }
        });
        try_join_all(processed).await?;
        let webhooks = ledger.claim_webhooks(n_batch * 7 / 10, LEASE_MS).await?;
        let recorded = webhooks.iter().enumerate().map(|(n, webhook)| {
            let disposition = match n % 10 {
                0 => Disposition::Failed { reason: FailureReason::RetriesExhausted },
                1 => Disposition::Retry { due_ms: Clock::System.now_ms() + RETRY_MS },
                _ => Disposition::Delivered,
            };
            ledger.record_attempt(webhook, delivered(), disposition)
        });
        try_join_all(recorded).await?;
        n_left -= n_batch;
    }
    ledger.claim_jobs(20, LEASE_MS).await?;
    ledger.claim_webhooks(50, LEASE_MS).await?;
    let usage = ledger.usage(account).await?;
    ledger.close().await;
    let pending = usage.webhooks.get(..3).context("a webhook has five statuses")?;
    Ok(pending.iter().map(|(_, n)| n).sum())
}

/// Creates a request of the size of the example in the documentation of the API. Every fourth one is an
/// upload.
fn request(account: AccountId, n: u32) -> NewRequest {
    let host = format!("receiver-{}.example", n % N_RECEIVERS);
    let request = json!({
        "resize": { "width": 100, "height": 75 },
        "webhook": { "url": format!("https://{host}/webhook") },
    });
    let content = || StoredContent::Inline(vec![7; CONTENT_BYTES].into());
    let upload =
        || InputRef::Upload { content: content(), name: "a.jpg".to_owned(), bytes: CONTENT_BYTES as u64 };
    NewRequest {
        id: Uuid::new_v4(),
        account,
        spec: json!({ "base_url": "http://127.0.0.1", "request": request.to_string() }).to_string(),
        input: if n.is_multiple_of(4) { upload() } else { InputRef::Url },
        webhook: NewWebhook {
            url: format!("https://{host}/webhook"),
            authority: Authority::new(&host, 443),
            delay_ms: 0,
            expires_ms: None,
            retry: true,
            headers: vec![],
        },
    }
}

/// Creates the outcome of a job, with a payload of the size of the example in the documentation of the API.
pub(super) fn job_done(id: Uuid) -> JobOutcome {
    let file = json!({ "name": "image.jpg", "bytes": 29469, "type": "jpeg", "width": 550, "height": 412 });
    let payload = json!({ "success": true, "code": 200, "id": id, "input": file, "output": file });
    let usage = UsageDelta { requests: 1, input_bytes: 29_469, output_bytes: 3_000 };
    JobOutcome { payload: payload.to_string(), usage, result: None, redacted_spec: None }
}

fn with_result(outcome: JobOutcome, id: Uuid, account: AccountId) -> JobOutcome {
    let now_ms = Clock::System.now_ms();
    let result = StoredResult {
        id,
        account,
        name: "image.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        bytes: CONTENT_BYTES as u64,
        sha1: "b752df4c53d29212e71eecc08b9cf6c4ab6f0652".to_owned(),
        created_ms: now_ms,
        expires_ms: now_ms + 24 * RETRY_MS,
        content: StoredContent::Inline(vec![7; CONTENT_BYTES].into()),
    };
    JobOutcome { result: Some(result), ..outcome }
}

/// An attempt whose response contains a NUL character, which PostgreSQL cannot store.
pub(super) fn delivered() -> Attempt {
    Attempt {
        started_ms: Clock::System.now_ms(),
        duration_ms: 83,
        outcome: Outcome::Delivered,
        status: Some(204),
        address: Some("203.0.113.7:443".to_owned()),
        timings: Timings { dns_ms: Some(1), connect_ms: Some(9), tls_ms: Some(20), first_byte_ms: Some(53) },
        response: Some("o\0k".to_owned()),
        retry_after_ms: None,
    }
}
