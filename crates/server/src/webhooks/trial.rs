//! One notification to an address that somebody wants to try out: signed and sent like any other, told in full, and
//! kept nowhere.

use bytes::Bytes;
use pixaven_ledger::{AccountId, DueWebhook, RecordedAttempt};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Dispatcher;
use super::history;
use super::message::{attempt_of, request_headers};
use super::verdict;
use crate::error::{ApiError, Kind};
use crate::request::WebhookSpec;
use crate::telemetry::with_causes;

impl Dispatcher {
    /// Sends one notification now, outside every queue, and says what happened.
    pub async fn try_out(
        &self,
        account: AccountId,
        id: Uuid,
        wanted: &WebhookSpec,
    ) -> Result<Value, ApiError> {
        let Ok(_permit) = self.inner.trials.try_acquire() else {
            return Err(ApiError::new(Kind::Overloaded, "too many addresses are being tried out already"));
        };
        let settings = &self.inner.settings;
        let started_ms = self.inner.ledger.clock().now_ms();
        let webhook = notification(account, id, wanted, started_ms);
        let keys = self.inner.signers.of(&self.inner.ledger, account).await.map_err(ApiError::internal)?;
        let headers = request_headers(&webhook, 1, started_ms / 1_000, &keys);
        let body = Bytes::from(webhook.payload.clone());
        let net = &self.inner.net;
        let exchange =
            net.post(&wanted.url, headers, body, settings.deadline, settings.response_max_bytes).await;
        let outcome = verdict::outcome(&exchange.result).map_err(|error| {
            ApiError::new(Kind::Unavailable, error.public_text()).with_source(with_causes(error))
        })?;
        let attempt = attempt_of(started_ms, outcome, &exchange, None);
        let mut happened = history::attempt(&RecordedAttempt { number: 1, attempt });
        if let Err(error) = &exchange.result {
            happened["error"] = json!(error.public_text());
        }
        happened["url"] = json!(history::without_credentials(wanted.url.as_str()));
        happened["payload"] = history::payload(&webhook.payload);
        Ok(happened)
    }
}

fn notification(account: AccountId, id: Uuid, wanted: &WebhookSpec, now_ms: i64) -> DueWebhook {
    let payload = json!({
        "success": true,
        "code": 200,
        "id": id.to_string(),
        "test": true,
        "message": "a test: no image was processed",
    });
    DueWebhook {
        id,
        account,
        url: wanted.url.to_string(),
        authority: String::new(),
        headers: wanted.headers.clone(),
        payload: payload.to_string(),
        retry: false,
        created_ms: now_ms,
        finished_ms: now_ms,
        expires_at_ms: None,
        n_counted: 0,
        is_retry: false,
    }
}
