//! The fixture of the ledger tests: a new ledger with a manual clock and one account, and builders for
//! requests, webhooks and attempts.

use std::any::Any;
use std::path::Path;

use pixaven_ledger::{
    AccountId, Attempt, Authority, Clock, DeliveryLimits, DueWebhook, InputRef, Job, JobOutcome, Lease,
    Ledger, NewKey, NewRequest, NewWebhook, Outcome, Store, StoredContent, StoredResult, Timings, UsageDelta,
    Watermark, WebhookQuery, WebhookRecord, WebhookStatus,
};
use uuid::Uuid;

/// The time at which the manual clock of every test starts: 14 November 2023.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// The length of a lease in the tests, in milliseconds. A lease ends only in tests that advance the clock by
/// at least this time.
pub(crate) const LEASE_MS: i64 = 60_000;

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) account: AccountId,
    /// A value that must not be dropped before the end of the test, such as the temporary directory of the
    /// ledger.
    _guard: Box<dyn Any + Send>,
}

impl Fixture {
    pub(crate) async fn open(store: Store, guard: impl Any + Send) -> Self {
        let clock = Clock::manual(START_MS);
        let ledger = Ledger::open(store.clone(), clock.clone()).await.unwrap();
        let account = ledger.create_key(key(0)).await.unwrap().account;
        Self { store, ledger, clock, account, _guard: Box::new(guard) }
    }

    /// Returns the same fixture with the given delivery limits.
    pub(crate) fn with_delivery_limits(self, limits: DeliveryLimits) -> Self {
        Self { ledger: self.ledger.with_delivery_limits(limits), ..self }
    }

    /// Returns the same fixture with delivery limits that no test reaches.
    pub(crate) fn unlimited(self) -> Self {
        self.with_delivery_limits(DeliveryLimits {
            capacity: 1_000,
            per_authority: 1_000,
            per_authority_start: 1_000,
            per_address: 1_000,
            n_failures_to_open: u32::MAX,
            ..DeliveryLimits::default()
        })
    }

    /// Accepts a new request with the given webhook, and returns the id of the request.
    pub(crate) async fn accept(&self, webhook: NewWebhook) -> Uuid {
        let request = request(self.account, webhook);
        let id = request.id;
        self.ledger.accept(request).await.unwrap();
        id
    }

    pub(crate) async fn claim_job(&self) -> Lease<Job> {
        only(self.ledger.claim_jobs(1, LEASE_MS).await.unwrap())
    }

    pub(crate) async fn claim_webhook(&self) -> Lease<DueWebhook> {
        only(self.ledger.claim_webhooks(1, LEASE_MS).await.unwrap())
    }

    /// Accepts a request and finishes its job, so that its webhook is due after the webhook's delay. Returns
    /// the id of the request.
    pub(crate) async fn scheduled(&self, webhook: NewWebhook) -> Uuid {
        let id = self.accept(webhook).await;
        let lease = self.claim_job().await;
        assert_eq!(lease.value.id, id, "another job was due");
        self.ledger.finish_job(&lease, job_outcome(id)).await.unwrap();
        id
    }

    /// Returns the number of webhooks in each status, in the order of `WebhookStatus::ALL`.
    pub(crate) async fn counts(&self) -> [u64; 5] {
        let usage = self.ledger.usage(self.account).await.unwrap();
        let (statuses, counts): (Vec<_>, Vec<_>) = usage.webhooks.into_iter().unzip();
        assert_eq!(statuses, WebhookStatus::ALL);
        counts.try_into().unwrap()
    }

    pub(crate) async fn status(&self, id: Uuid) -> WebhookStatus {
        self.ledger.webhook(self.account, id).await.unwrap().expect("the webhook exists").status
    }
}

pub(crate) fn sqlite(directory: &Path) -> Store {
    Store::Sqlite { path: directory.join("ledger.db") }
}

pub(crate) fn key(n: u8) -> NewKey {
    NewKey {
        sha256: [n; 32],
        prefix: format!("pxv_{n:02}"),
        label: format!("key {n}"),
        webhook_secret: "whsec_first".to_owned(),
    }
}

pub(crate) fn webhook() -> NewWebhook {
    NewWebhook {
        url: "https://user:word@receiver.example/hook?a=b".to_owned(),
        authority: Authority::new("receiver.example", 443),
        delay_ms: 0,
        expires_ms: None,
        retry: true,
        headers: vec![],
    }
}

/// Builds a webhook to the receiver with the given authority.
pub(crate) fn webhook_to(authority: &str) -> NewWebhook {
    NewWebhook { authority: authority.parse().unwrap(), ..webhook() }
}

pub(crate) fn request(account: AccountId, webhook: NewWebhook) -> NewRequest {
    let spec = r#"{"url":"https://origin.example/a.jpg"}"#.to_owned();
    NewRequest { id: Uuid::new_v4(), account, spec, input: InputRef::Url, webhook }
}

pub(crate) fn payload(id: Uuid) -> String {
    format!(r#"{{"success":true,"code":200,"id":"{id}"}}"#)
}

pub(crate) fn job_outcome(id: Uuid) -> JobOutcome {
    let usage = UsageDelta { requests: 1, input_bytes: 1000, output_bytes: 100 };
    JobOutcome { payload: payload(id), usage, result: None, redacted_spec: None }
}

pub(crate) fn result(id: Uuid, account: AccountId, expires_ms: i64) -> StoredResult {
    StoredResult {
        id,
        account,
        name: "image.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        bytes: 29_469,
        sha1: "b752df4c53d29212e71eecc08b9cf6c4ab6f0652".to_owned(),
        created_ms: START_MS,
        expires_ms,
        content: StoredContent::File { key: format!("results/{id}") },
    }
}

pub(crate) fn attempt(outcome: Outcome, status: Option<u16>) -> Attempt {
    Attempt {
        started_ms: START_MS + 7,
        duration_ms: 83,
        outcome,
        status,
        address: Some("203.0.113.7:443".to_owned()),
        timings: Timings { dns_ms: Some(1), connect_ms: Some(9), tls_ms: Some(20), first_byte_ms: Some(53) },
        response: Some("ok".to_owned()),
        retry_after_ms: None,
    }
}

pub(crate) fn delivered() -> Attempt {
    attempt(Outcome::Delivered, Some(204))
}

pub(crate) fn watermark(id: &str, f: &Fixture) -> Watermark {
    Watermark {
        id: id.to_owned(),
        account: f.account,
        name: "logo.png".to_owned(),
        format: "PNG".to_owned(),
        width: 64,
        height: 48,
        bytes: 300,
        sha1: "b752df4c53d29212e71eecc08b9cf6c4ab6f0652".to_owned(),
        created_ms: f.clock.now_ms(),
    }
}

/// Returns the query for the latest 100 webhooks of an account.
pub(crate) fn all_webhooks(account: AccountId) -> WebhookQuery {
    WebhookQuery {
        account,
        statuses: vec![],
        host: None,
        start_ms: None,
        end_ms: None,
        before: None,
        offset: 0,
        limit: 100,
    }
}

/// Returns the due time of a webhook's next attempt.
pub(crate) fn next_due_ms(record: &WebhookRecord) -> Option<i64> {
    record.next_attempt.map(|next| next.due_ms)
}

/// Returns the only element of a list. Panics unless the list has exactly one element.
pub(crate) fn only<T>(mut all: Vec<T>) -> T {
    assert_eq!(all.len(), 1, "the list has exactly one element");
    all.remove(0)
}
