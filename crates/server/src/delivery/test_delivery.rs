//! Test notifications: one POST request to a URL that a user wants to check. A notification is signed and
//! sent like a webhook, but it is not queued and the ledger does not record it.

use bytes::Bytes;
use pixaven_ledger::{AccountId, DueWebhook, RecordedAttempt};
use pixaven_net::NetError;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::Dispatcher;
use super::authority::authority_of;
use super::message::{attempt_of, request_headers};
use super::signing_keys::SigningKeyError;
use super::verdict;

/// The receiver and the content of a test notification.
pub struct TestTarget<'a> {
    /// The account whose secrets sign the notification.
    pub account: AccountId,
    /// The id that the notification contains.
    pub id: Uuid,
    /// The receiver.
    pub url: &'a Url,
    /// Additional headers.
    pub headers: &'a [(String, String)],
}

/// The result of a test notification.
pub struct TestDelivery {
    /// The record of the attempt to send the notification. The number of this attempt is always 1.
    pub attempt: RecordedAttempt,
    /// The reason why the receiver sent no response. `None` means that it sent a response.
    pub error: Option<NetError>,
    /// The payload that was sent.
    pub payload: String,
}

/// Why a test notification could not be sent. None of these errors is a fault of the receiver.
#[derive(Debug, thiserror::Error)]
pub enum TestDeliveryError {
    /// The account, or all accounts together, send too many test notifications at the same time.
    #[error("too many test notifications are being sent")]
    TooManyTests,
    /// The notification could not be signed.
    #[error(transparent)]
    SigningKeys(#[from] SigningKeyError),
    /// This machine, or its proxy, could not open a connection.
    #[error("the test notification could not be sent")]
    LocalTrouble(#[source] NetError),
}

impl Dispatcher {
    /// Sends one test notification now and returns its result.
    pub async fn send_test(&self, target: TestTarget<'_>) -> Result<TestDelivery, TestDeliveryError> {
        let Some(_running) = self.inner.running_tests.begin(target.account) else {
            return Err(TestDeliveryError::TooManyTests);
        };
        let settings = &self.inner.settings;
        let started_ms = self.inner.ledger.clock().now_ms();
        let webhook = notification(&target, started_ms);
        let keys = self.inner.signing_keys.of(&self.inner.ledger, &self.inner.seal, target.account).await?;
        let headers = request_headers(&webhook, &webhook.headers, 1, started_ms / 1_000, &keys);
        let body = Bytes::from(webhook.payload.clone());
        let net = &self.inner.net;
        let exchange =
            net.post(target.url, headers, body, settings.deadline, settings.response_max_bytes).await;
        let outcome = match verdict::outcome(&exchange.result) {
            Ok(outcome) => outcome,
            Err(_) => {
                let error = exchange.result.expect_err("only an error is no outcome");
                return Err(TestDeliveryError::LocalTrouble(error));
            }
        };
        let attempt = attempt_of(started_ms, outcome, &exchange, None);
        Ok(TestDelivery {
            attempt: RecordedAttempt { number: 1, attempt },
            error: exchange.result.err(),
            payload: webhook.payload,
        })
    }
}

fn notification(target: &TestTarget<'_>, now_ms: i64) -> DueWebhook {
    let payload = json!({
        "success": true,
        "code": 200,
        "id": target.id.to_string(),
        "test": true,
        "message": "a test: no image was processed",
    });
    DueWebhook {
        id: target.id,
        account: target.account,
        url: target.url.to_string(),
        authority: authority_of(target.url),
        headers: target.headers.to_vec(),
        payload: payload.to_string(),
        retry: false,
        created_ms: now_ms,
        finished_ms: now_ms,
        expires_at_ms: None,
        n_counted_attempts: 0,
        is_retry: false,
    }
}
