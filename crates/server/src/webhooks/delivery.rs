//! The driver of webhooks: claims what is due as there is room, sends it, and writes what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{Attempt, DueWebhook, Lease, Ledger, Next, Outcome, Timings};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::sign::{self, SigningKey};
use super::signers::Signers;
use super::verdict::{self, Circumstances};
use crate::driver::{LOCAL_TROUBLE_PAUSE_MS, free_permits};
use crate::lifecycle::Tasks;
use crate::net::{Exchange, Net, NetError, PhaseTimings};
use crate::telemetry::with_causes;

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Webhooks sent at the same time.
    pub concurrency: usize,
    /// For one whole exchange.
    pub deadline: Duration,
    /// Read of an answer's body.
    pub response_max_bytes: usize,
    /// How long a claimed webhook is ours; at least three times the deadline.
    pub lease_ms: i64,
    /// When to try again.
    pub schedule: Schedule,
}

/// Takes due webhooks and sends them. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    net: Net,
    settings: WebhookSettings,
    permits: Arc<Semaphore>,
    signers: Signers,
}

/// What became of one claimed webhook.
enum Ending {
    /// The receiver was asked, and this says something about it.
    Attempted { outcome: Outcome, exchange: Exchange },
    /// The server could not wait for the end: whether the receiver got it is unknown.
    Interrupted,
    /// Its time was over before anything was sent.
    Expired,
    /// This machine could not send it: no sockets, no secrets.
    LocalTrouble(String),
}

impl Dispatcher {
    /// A driver that sends nothing until it is run.
    pub fn new(ledger: Ledger, net: Net, settings: WebhookSettings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.concurrency));
        Self { inner: Arc::new(Inner { ledger, net, settings, permits, signers: Signers::default() }) }
    }

    /// Claims and sends webhooks until told to stop. Those being sent end by themselves, as tasks of their own.
    pub async fn run(self, tasks: Tasks) {
        let mut due = self.inner.ledger.webhooks_due();
        let stop = tasks.stop_token();
        loop {
            let permits = tokio::select! {
                permits = free_permits(&self.inner.permits) => permits,
                () = stop.cancelled() => return,
            };
            // Not cancelled by a stop: what is claimed here must be sent or given back.
            let claimed = match self.claim(permits.num_permits()).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::error!(%error, "due webhooks could not be claimed");
                    Vec::new()
                }
            };
            let is_drained = claimed.len() < permits.num_permits();
            self.begin(claimed, permits, &tasks);
            if is_drained {
                tokio::select! {
                    () = due.wait() => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    /// Claims what is due now, sends it and writes what came of it; returns how many that were. For tests, which run
    /// no driver.
    pub async fn step(&self) -> Result<usize, pixaven_ledger::Error> {
        let claimed = self.claim(self.inner.settings.concurrency).await?;
        let never = CancellationToken::new();
        let attended = claimed.into_iter().map(|lease| self.attend(lease, &never));
        Ok(join_all(attended).await.len())
    }

    async fn claim(&self, n_free: usize) -> Result<Vec<Lease<DueWebhook>>, pixaven_ledger::Error> {
        let limit = u32::try_from(n_free).unwrap_or(u32::MAX);
        self.inner.ledger.claim_webhooks(limit, self.inner.settings.lease_ms).await
    }

    /// Sends each claimed webhook in a task of its own.
    fn begin(&self, claimed: Vec<Lease<DueWebhook>>, mut permits: OwnedSemaphorePermit, tasks: &Tasks) {
        for lease in claimed {
            let permit = permits.split(1);
            let (dispatcher, give_up) = (self.clone(), tasks.give_up_token().clone());
            tasks.spawn("webhook", async move {
                dispatcher.attend(lease, &give_up).await;
                drop(permit);
            });
        }
    }

    /// Makes one attempt and writes what came of it.
    async fn attend(&self, lease: Lease<DueWebhook>, give_up: &CancellationToken) {
        let (id, attempt) = (lease.value.id, lease.attempt);
        let started_ms = self.inner.ledger.clock().now_ms();
        let ending = tokio::select! {
            ending = self.send(&lease, started_ms) => ending,
            () = give_up.cancelled() => Ending::Interrupted,
        };
        if let Err(error) = self.write(lease, started_ms, ending).await {
            // The lease runs out by itself and the attempt is made again: the same id, the same bytes.
            tracing::error!(%id, attempt, %error, "the end of a webhook's attempt could not be written");
        }
    }

    async fn send(&self, lease: &Lease<DueWebhook>, started_ms: i64) -> Ending {
        let Inner { ledger, net, settings, signers, .. } = &*self.inner;
        let webhook = &lease.value;
        if webhook.expires_at_ms.is_some_and(|end_ms| started_ms >= end_ms) {
            return Ending::Expired;
        }
        let keys = match signers.of(ledger, webhook.account).await {
            Ok(keys) => keys,
            Err(error) => return Ending::LocalTrouble(with_causes(&error)),
        };
        let exchange = match Url::parse(&webhook.url) {
            Ok(url) => {
                let headers = request_headers(webhook, lease.attempt, started_ms / 1_000, &keys);
                let body = Bytes::from(webhook.payload.clone());
                net.post(&url, headers, body, settings.deadline, settings.response_max_bytes).await
            }
            Err(_) => Exchange::not_begun(NetError::BadUrl("the URL cannot be read")),
        };
        match verdict::outcome(&exchange.result) {
            Ok(outcome) => Ending::Attempted { outcome, exchange },
            Err(error) => Ending::LocalTrouble(with_causes(error)),
        }
    }

    async fn write(
        &self,
        lease: Lease<DueWebhook>,
        started_ms: i64,
        ending: Ending,
    ) -> Result<(), pixaven_ledger::Error> {
        let Inner { ledger, settings, .. } = &*self.inner;
        let now_ms = ledger.clock().now_ms();
        let (id, number) = (lease.value.id, lease.attempt);
        match ending {
            Ending::Attempted { outcome, exchange } => {
                let circumstances = Circumstances {
                    attempt: number,
                    retry: lease.value.retry,
                    expires_at_ms: lease.value.expires_at_ms,
                    now_ms,
                    unit_random: fastrand::f64(),
                    schedule: &settings.schedule,
                };
                let next = verdict::next(&exchange.result, &circumstances);
                let attempt = attempt_of(started_ms, outcome, &exchange);
                log(&lease, &attempt, &next, exchange.result.as_ref().err());
                ledger.record_attempt(lease, attempt, next).await
            }
            Ending::Interrupted => {
                tracing::warn!(%id, attempt = number, "webhook interrupted; it is sent again");
                let attempt = interrupted(started_ms, now_ms);
                ledger.record_attempt(lease, attempt, Next::Retry { due_ms: now_ms }).await
            }
            Ending::Expired => {
                tracing::info!(%id, attempt = number, "webhook expired before it could be sent");
                ledger.abandon_webhook(lease, verdict::EXPIRED.to_owned()).await
            }
            Ending::LocalTrouble(error) => {
                tracing::error!(%id, attempt = number, error, "webhook postponed: this machine could not send it");
                ledger.release_webhook(lease, now_ms + LOCAL_TROUBLE_PAUSE_MS).await
            }
        }
    }
}

/// The customer's headers, and over them those that we vouch for.
fn request_headers(webhook: &DueWebhook, attempt: u32, timestamp_s: i64, keys: &[SigningKey]) -> HeaderMap {
    let own = webhook.headers.iter().filter_map(|(name, value)| {
        // Names and values were checked when the request was accepted.
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    let mut headers: HeaderMap = own.collect();
    let id = webhook.id.to_string();
    let signature = sign::sign(keys, &id, timestamp_s, webhook.payload.as_bytes());
    for (name, value) in [("webhook-id", id), ("webhook-signature", signature)] {
        headers.insert(name, HeaderValue::try_from(value).expect("hexadecimal and base64 are ASCII"));
    }
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp_s));
    headers.insert("webhook-attempt", HeaderValue::from(attempt));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("Pixaven/1.0 (+webhooks)"));
    headers
}

/// An exchange as the history keeps it.
fn attempt_of(started_ms: i64, outcome: Outcome, exchange: &Exchange) -> Attempt {
    let PhaseTimings { dns_ms, connect_ms, tls_ms, first_byte_ms } = exchange.timings;
    let answer = exchange.result.as_ref().ok();
    Attempt {
        started_ms,
        duration_ms: u32::try_from(exchange.duration.as_millis()).unwrap_or(u32::MAX),
        outcome,
        status: answer.map(|answer| answer.status.as_u16()),
        address: exchange.address.map(|address| address.to_string()),
        timings: Timings { dns_ms, connect_ms, tls_ms, first_byte_ms },
        response: answer.map(|answer| verdict::shown(&answer.body)),
    }
}

fn interrupted(started_ms: i64, now_ms: i64) -> Attempt {
    Attempt {
        started_ms,
        duration_ms: u32::try_from(now_ms - started_ms).unwrap_or(0),
        outcome: Outcome::Interrupted,
        status: None,
        address: None,
        timings: Timings::default(),
        response: None,
    }
}

/// The one line of an attempt. Neither the URL, which may carry credentials, nor any content is in it.
fn log(lease: &Lease<DueWebhook>, attempt: &Attempt, next: &Next, error: Option<&NetError>) {
    let (next, due_ms) = match next {
        Next::Delivered => ("delivered", None),
        Next::Retry { due_ms } => ("retry", Some(*due_ms)),
        Next::Failed { reason } => (reason.as_str(), None),
    };
    tracing::info!(
        id = %lease.value.id,
        attempt = lease.attempt,
        outcome = attempt.outcome.as_str(),
        status = attempt.status,
        address = attempt.address,
        duration_ms = attempt.duration_ms,
        next,
        due_ms,
        error = error.map(|error| with_causes(error)),
        "webhook attempt"
    );
}
