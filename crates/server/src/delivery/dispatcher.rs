//! The dispatcher of webhooks: claims as many due webhooks as it can send, sends each webhook, and writes the
//! result of the attempt to the ledger.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{Disposition, DueWebhook, Error, FailureReason, Lease, Ledger, Outcome, SendCapacity};
use pixaven_net::{Exchange, Net, NetError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::in_flight::InFlight;
use super::ledger_update::{self, LedgerUpdate};
use super::message::{attempt_of, interrupted, request_headers};
use super::running_tests::RunningTests;
use super::signing_keys::SigningKeys;
use super::trouble_pause::TroublePause;
use super::verdict::{self, RetryContext};
use crate::runtime::lifecycle::Tasks;
use crate::runtime::permits::{free_permits, local_trouble_pause_ms};
use crate::runtime::seal::{Seal, SealError, webhook_context};
use crate::runtime::telemetry::with_causes;

/// The limits and times with which the dispatcher sends webhooks.
#[derive(Debug, Clone)]
pub struct DispatcherSettings {
    /// The most webhooks that may be sent at the same time.
    pub concurrency: usize,
    /// The most retries and resends that may be sent at the same time. The remaining permits are reserved for
    /// first attempts.
    pub retry_concurrency: usize,
    /// The deadline of one whole attempt, from the lookup of the host name to the end of the response.
    pub deadline: Duration,
    /// The most bytes of the body of a receiver's response that are read.
    pub response_max_bytes: usize,
    /// The duration of the lease of a claimed webhook, in milliseconds. It must be at least three times
    /// `deadline`, because the lease must not expire during an attempt.
    pub lease_ms: i64,
    /// The pauses between the attempts of a webhook.
    pub schedule: Schedule,
}

/// Claims due webhooks and sends them. Cloning a dispatcher is cheap.
#[derive(Clone)]
pub struct Dispatcher {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) ledger: Ledger,
    pub(super) net: Net,
    pub(super) settings: DispatcherSettings,
    pub(super) seal: Seal,
    permits: Arc<Semaphore>,
    retry_permits: Arc<Semaphore>,
    /// Wakes the dispatcher when a webhook has been sent and its permits are free: another webhook, which
    /// waits for a permit, may then be sent.
    permits_freed: Notify,
    pub(super) signing_keys: SigningKeys,
    in_flight: InFlight,
    /// Pauses the dispatcher while the proxy reaches no receiver at all.
    trouble_pause: TroublePause,
    /// Limits how many test notifications are sent at the same time.
    pub(super) running_tests: RunningTests,
}

/// Permits to send webhooks. Each claimed webhook gets one permit and holds it until the attempt has ended.
struct Permits {
    all: OwnedSemaphorePermit,
    retries: OwnedSemaphorePermit,
}

/// How the attempt to send one claimed webhook ended.
enum SendResult {
    /// The attempt has an outcome: the receiver responded, or the attempt failed and the failure counts as a
    /// fault of the receiver.
    Attempted { outcome: Outcome, exchange: Exchange },
    /// The server stopped during the exchange. It is unknown whether the receiver received the webhook.
    Interrupted,
    /// The webhook expired before anything was sent.
    Expired,
    /// This machine could not send the webhook: for example no socket was free, or the signing secrets could
    /// not be read.
    LocalTrouble(String),
    /// The proxy did not connect to the receiver. `affects_every_peer` is true if the proxy reaches no
    /// receiver at all.
    ProxyTrouble { error: String, affects_every_peer: bool },
}

impl Dispatcher {
    /// Creates a dispatcher that sends nothing until [`Dispatcher::run`] is called.
    pub fn new(ledger: Ledger, net: Net, seal: Seal, settings: DispatcherSettings) -> Self {
        let inner = Inner {
            permits: Arc::new(Semaphore::new(settings.concurrency)),
            retry_permits: Arc::new(Semaphore::new(settings.retry_concurrency)),
            permits_freed: Notify::new(),
            signing_keys: SigningKeys::default(),
            in_flight: InFlight::default(),
            trouble_pause: TroublePause::new(),
            running_tests: RunningTests::default(),
            ledger,
            net,
            seal,
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Claims and sends webhooks until `tasks` is stopped. Each webhook is sent in its own task, which
    /// continues after this method has returned.
    pub async fn run(self, tasks: Tasks) {
        let mut due = self.inner.ledger.webhooks_due();
        let stop = tasks.stop_token();
        loop {
            let permits = tokio::select! {
                permits = self.permits_to_claim() => permits,
                () = stop.cancelled() => return,
            };
            let capacity = permits.capacity();
            // A stop does not interrupt the claim, because every claimed webhook must be sent or released.
            let claimed = match self.claim(capacity).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::error!(%error, "due webhooks could not be claimed");
                    Vec::new()
                }
            };
            let is_drained = claimed.len() < capacity.n_total as usize;
            let n_retries = claimed.iter().filter(|lease| lease.value.is_retry).count();
            let waits_for_permits =
                n_retries >= capacity.n_retries as usize || self.inner.ledger.has_held_back_webhooks();
            self.spawn_sends(claimed, permits, &tasks);
            if is_drained {
                tokio::select! {
                    () = due.wait() => {}
                    () = self.inner.permits_freed.notified(), if waits_for_permits => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    /// Claims the webhooks that are due now, sends them and writes the results. Returns the number of claimed
    /// webhooks. Only tests call this method; a server calls [`Dispatcher::run`].
    pub async fn step(&self) -> Result<usize, Error> {
        let claimed = self.claim(self.free_permits().await.capacity()).await?;
        let never = CancellationToken::new();
        let attended = claimed.into_iter().map(|lease| self.attend(lease, &never));
        Ok(join_all(attended).await.len())
    }

    /// Waits until at least one permit is free, then takes all free permits.
    async fn free_permits(&self) -> Permits {
        let retries = Arc::clone(&self.inner.retry_permits);
        let all = free_permits(&self.inner.permits).await;
        let n_retries = u32::try_from(retries.available_permits()).unwrap_or(u32::MAX);
        // No other code takes permits for retries, so that all the permits that were just counted can be
        // taken.
        let retries =
            retries.try_acquire_many_owned(n_retries).expect("only the dispatcher takes these permits");
        Permits { all, retries }
    }

    /// Takes all free permits. If a failure of the proxy has paused the dispatcher, also waits until the
    /// pause has ended.
    async fn permits_to_claim(&self) -> Permits {
        let permits = self.free_permits().await;
        self.inner.trouble_pause.wait().await;
        permits
    }

    async fn claim(&self, capacity: SendCapacity) -> Result<Vec<Lease<DueWebhook>>, Error> {
        self.inner.ledger.claim_webhooks(capacity, self.inner.settings.lease_ms).await
    }

    /// Sends each claimed webhook in its own task.
    fn spawn_sends(&self, claimed: Vec<Lease<DueWebhook>>, mut permits: Permits, tasks: &Tasks) {
        for lease in claimed {
            let permit = permits.all.split(1);
            let retry_permit = if lease.value.is_retry { permits.retries.split(1) } else { None };
            let (dispatcher, return_leases) = (self.clone(), tasks.return_leases_token().clone());
            tasks.spawn("webhook", async move {
                dispatcher.attend(lease, &return_leases).await;
                drop((permit, retry_permit));
                dispatcher.inner.permits_freed.notify_one();
            });
        }
    }

    /// Makes one attempt to send a webhook and writes the result of the attempt to the ledger.
    async fn attend(&self, lease: Lease<DueWebhook>, return_leases: &CancellationToken) {
        let (id, attempt) = (lease.value.id, lease.attempt);
        let deadline = self.inner.settings.deadline;
        let end_ms =
            self.inner.ledger.clock().now_ms() + i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
        if !self.inner.ledger.holds_leases_for(deadline) || end_ms >= lease.until_ms {
            tracing::warn!(%id, attempt, "the lease may end during the attempt; the webhook is not sent now");
            let now = LedgerUpdate::Release { due_ms: self.inner.ledger.clock().now_ms() };
            return now.write(&self.inner.ledger, &lease, return_leases).await;
        }
        let started_ms = self.inner.ledger.clock().now_ms();
        let Some(_in_flight) = self.inner.in_flight.begin(id) else {
            tracing::warn!(%id, attempt, "a webhook's lease ran out while it is still being sent; this one waits");
            let later =
                LedgerUpdate::Release { due_ms: started_ms + local_trouble_pause_ms(fastrand::f64()) };
            return later.write(&self.inner.ledger, &lease, return_leases).await;
        };
        let result = tokio::select! {
            result = self.send(&lease, started_ms) => result,
            () = return_leases.cancelled() => SendResult::Interrupted,
        };
        let update = self.ledger_update(&lease, started_ms, result);
        update.write(&self.inner.ledger, &lease, return_leases).await;
    }

    async fn send(&self, lease: &Lease<DueWebhook>, started_ms: i64) -> SendResult {
        let Inner { ledger, net, settings, seal, signing_keys, .. } = &*self.inner;
        let webhook = &lease.value;
        // A webhook without a counted attempt is sent even after its expiry: the ledger has claimed the
        // webhook for its only attempt.
        let is_attempted = webhook.n_counted_attempts > 0;
        if is_attempted && webhook.expires_at_ms.is_some_and(|end_ms| started_ms >= end_ms) {
            return SendResult::Expired;
        }
        let keys = match signing_keys.of(ledger, seal, webhook.account).await {
            Ok(keys) => keys,
            Err(error) => return SendResult::LocalTrouble(with_causes(&error)),
        };
        let (url, headers) = match unsealed(seal, webhook) {
            Ok(unsealed) => unsealed,
            Err(error) => return SendResult::LocalTrouble(with_causes(&error)),
        };
        let exchange = match Url::parse(&url) {
            Ok(url) => {
                let headers = request_headers(webhook, &headers, lease.attempt, started_ms / 1_000, &keys);
                let body = Bytes::from(webhook.payload.clone());
                net.post(&url, headers, body, settings.deadline, settings.response_max_bytes).await
            }
            Err(_) => Exchange::not_started(NetError::InvalidUrl("the URL cannot be read")),
        };
        match verdict::outcome(&exchange.result) {
            Ok(outcome) => SendResult::Attempted { outcome, exchange },
            Err(error @ NetError::Proxy(trouble)) => SendResult::ProxyTrouble {
                error: with_causes(error),
                affects_every_peer: trouble.affects_every_peer(),
            },
            Err(error) => SendResult::LocalTrouble(with_causes(error)),
        }
    }

    /// Returns the change in the ledger that follows from the result of an attempt, and logs the attempt.
    fn ledger_update(&self, lease: &Lease<DueWebhook>, started_ms: i64, result: SendResult) -> LedgerUpdate {
        let Inner { ledger, settings, .. } = &*self.inner;
        let now_ms = ledger.clock().now_ms();
        let (id, number) = (lease.value.id, lease.attempt);
        match result {
            SendResult::Attempted { outcome, exchange } => {
                let context = RetryContext {
                    attempt: lease.value.n_counted_attempts.saturating_add(1),
                    retry: lease.value.retry,
                    expires_at_ms: lease.value.expires_at_ms,
                    now_ms,
                    unit_random: fastrand::f64(),
                    schedule: &settings.schedule,
                };
                if exchange.result.is_ok() {
                    self.inner.trouble_pause.note_answer();
                }
                let next = verdict::next(&exchange.result, &context);
                let retry_after_ms = verdict::granted_retry_after_ms(&exchange.result, &context);
                let attempt = attempt_of(started_ms, outcome, &exchange, retry_after_ms);
                ledger_update::log(lease, &attempt, &next, exchange.result.as_ref().err());
                LedgerUpdate::Attempt { attempt, next }
            }
            SendResult::Interrupted => {
                tracing::warn!(%id, attempt = number, "webhook interrupted; it is sent again");
                let next = Disposition::Retry { due_ms: now_ms };
                LedgerUpdate::Attempt { attempt: interrupted(started_ms, now_ms), next }
            }
            SendResult::Expired => {
                tracing::info!(%id, attempt = number, "webhook expired before it could be sent");
                LedgerUpdate::Abandon { reason: FailureReason::Expired }
            }
            SendResult::LocalTrouble(error) => {
                tracing::error!(%id, attempt = number, error, "webhook postponed: this machine could not send it");
                if self.inner.trouble_pause.begin_after_local_failure() {
                    tracing::warn!(
                        "this machine reaches no receiver; all webhooks are held back for two seconds"
                    );
                }
                LedgerUpdate::Release { due_ms: now_ms + local_trouble_pause_ms(fastrand::f64()) }
            }
            SendResult::ProxyTrouble { error, affects_every_peer } => {
                if self.inner.trouble_pause.begin_after_proxy_failure(affects_every_peer) {
                    tracing::warn!(%id, attempt = number, error, "webhooks are held back for two seconds");
                } else {
                    tracing::info!(%id, attempt = number, error, "webhook postponed: the proxy did not let it through");
                }
                LedgerUpdate::Release { due_ms: now_ms + local_trouble_pause_ms(fastrand::f64()) }
            }
        }
    }
}

/// Returns the URL and the headers of a webhook without their seal.
fn unsealed(seal: &Seal, webhook: &DueWebhook) -> Result<(String, Vec<(String, String)>), SealError> {
    let context = webhook_context(webhook.id);
    let url = seal.unseal_url(&context, &webhook.url)?;
    Ok((url, seal.unseal_headers(&context, &webhook.headers)?))
}

impl Permits {
    fn capacity(&self) -> SendCapacity {
        let count = |permit: &OwnedSemaphorePermit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        SendCapacity { n_total: count(&self.all), n_retries: count(&self.retries) }
    }
}
