//! Writes a backlog to the ledger: requests whose images are processed and whose webhooks are not due yet.

use std::path::Path;

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use pixaven_ledger::{
    AccountId, Authority, Clock, InputRef, JobOutcome, Ledger, NewRequest, NewWebhook, Store, UsageDelta,
};
use serde_json::json;
use uuid::Uuid;

/// The number of requests that the tool writes to the ledger in one transaction.
const N_PER_COMMIT: u32 = 500;

/// The number of different receivers among the webhooks of the backlog.
const N_RECEIVERS: u32 = 100;

const LEASE_MS: i64 = 600_000;
const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

/// Adds `n` webhooks to the ledger of a stopped server. Each webhook is due between one hour and one week
/// from now.
pub(super) async fn fill(data_dir: &Path, n: u32) -> anyhow::Result<()> {
    let path = data_dir.join("pixaven.db");
    let ledger = Ledger::open(Store::Sqlite { path }, Clock::System).await?;
    let account = ledger.keys().await?.first().context("the ledger has no key")?.account;
    let mut n_left = n;
    while n_left > 0 {
        let n_batch = n_left.min(N_PER_COMMIT);
        try_join_all((0..n_batch).map(|k| ledger.accept(request(account, n_left - k)))).await?;
        let leases = ledger.claim_jobs(n_batch, LEASE_MS).await?;
        ensure!(leases.len() == n_batch as usize, "the ledger held jobs already");
        try_join_all(leases.into_iter().map(|lease| {
            let done = job_done(lease.value.id);
            let ledger = &ledger;
            async move { ledger.finish_job(&lease, done).await }
        }))
        .await?;
        n_left -= n_batch;
    }
    ledger.close().await;
    Ok(())
}

/// Creates a request of the same size as the example in the documentation of the API. The number `n` of the
/// request selects its receiver.
fn request(account: AccountId, n: u32) -> NewRequest {
    let host = format!("receiver-{}.example", n % N_RECEIVERS);
    let request = json!({
        "url": "https://origin.example/image.jpg",
        "resize": { "width": 100, "height": 75 },
        "webhook": { "url": format!("https://{host}/webhook"), "delay": 3600 },
    });
    NewRequest {
        id: Uuid::new_v4(),
        account,
        spec: json!({ "origin": "fetch", "base_url": "http://127.0.0.1", "request": request.to_string() })
            .to_string(),
        input: InputRef::Url,
        webhook: NewWebhook {
            url: format!("https://{host}/webhook"),
            authority: Authority::new(&host, 443),
            delay_ms: fastrand::i64(HOUR_MS..=WEEK_MS),
            expires_ms: Some(2 * WEEK_MS),
            retry: true,
            headers: vec![],
        },
    }
}

/// Creates the result of a job, of the same size as the result of the example in the documentation of the
/// API.
fn job_done(id: Uuid) -> JobOutcome {
    let file = json!({ "name": "image.jpg", "bytes": 29469, "type": "jpeg", "width": 550, "height": 412 });
    let payload = json!({ "success": true, "code": 200, "id": id, "input": file, "output": file });
    let usage = UsageDelta { requests: 1, input_bytes: 29_469, output_bytes: 3_000 };
    JobOutcome { payload: payload.to_string(), usage, result: None, redacted_spec: None }
}
