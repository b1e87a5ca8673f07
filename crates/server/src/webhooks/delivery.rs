//! The driver of webhooks: claims what is due as there is room, sends it, and writes what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{DueWebhook, Error, Lease, Ledger, Next, Outcome, Room};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::hold::Hold;
use super::message::{attempt_of, interrupted, request_headers};
use super::note::{self, Note};
use super::signers::Signers;
use super::under_way::UnderWay;
use super::verdict::{self, Circumstances};
use crate::driver::{LOCAL_TROUBLE_PAUSE_MS, free_permits};
use crate::lifecycle::Tasks;
use crate::net::{Exchange, Net, NetError};
use crate::telemetry::with_causes;

/// Addresses that are tried out at the same time.
const MAX_TRIALS: usize = 8;

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Webhooks sent at the same time.
    pub concurrency: usize,
    /// How many of them may have been tried before, or be sent again; the rest is kept for first attempts.
    pub retry_concurrency: usize,
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
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) ledger: Ledger,
    pub(super) net: Net,
    pub(super) settings: WebhookSettings,
    permits: Arc<Semaphore>,
    retry_permits: Arc<Semaphore>,
    /// Told when a retry leaves room for another.
    retry_ended: Notify,
    pub(super) signers: Signers,
    under_way: UnderWay,
    /// While the proxy is of no use.
    hold: Hold,
    /// Room for addresses that are tried out.
    pub(super) trials: Semaphore,
}

/// Room for webhooks, held while they are sent.
struct Permits {
    all: OwnedSemaphorePermit,
    retries: OwnedSemaphorePermit,
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
    /// The proxy did not let anything through.
    ProxyTrouble { error: String, concerns_all: bool },
}

impl Dispatcher {
    /// A driver that sends nothing until it is run.
    pub fn new(ledger: Ledger, net: Net, settings: WebhookSettings) -> Self {
        let inner = Inner {
            permits: Arc::new(Semaphore::new(settings.concurrency)),
            retry_permits: Arc::new(Semaphore::new(settings.retry_concurrency)),
            retry_ended: Notify::new(),
            signers: Signers::default(),
            under_way: UnderWay::default(),
            hold: Hold::new(),
            trials: Semaphore::new(MAX_TRIALS),
            ledger,
            net,
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Claims and sends webhooks until told to stop. Those being sent end by themselves, as tasks of their own.
    pub async fn run(self, tasks: Tasks) {
        let mut due = self.inner.ledger.webhooks_due();
        let stop = tasks.stop_token();
        loop {
            let permits = tokio::select! {
                permits = self.permits_to_claim() => permits,
                () = stop.cancelled() => return,
            };
            let room = permits.room();
            // Not cancelled by a stop: what is claimed here must be sent or given back.
            let claimed = match self.claim(room).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::error!(%error, "due webhooks could not be claimed");
                    Vec::new()
                }
            };
            let is_drained = claimed.len() < room.n as usize;
            self.begin(claimed, permits, &tasks);
            if is_drained {
                tokio::select! {
                    () = due.wait() => {}
                    () = self.inner.retry_ended.notified() => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    /// Claims what is due now, sends it and writes what came of it; returns how many that were. For tests, which run
    /// no driver.
    pub async fn step(&self) -> Result<usize, Error> {
        let claimed = self.claim(self.free_permits().await.room()).await?;
        let never = CancellationToken::new();
        let attended = claimed.into_iter().map(|lease| self.attend(lease, &never));
        Ok(join_all(attended).await.len())
    }

    /// Waits until there is room for something, and takes all there is.
    async fn free_permits(&self) -> Permits {
        let retries = Arc::clone(&self.inner.retry_permits);
        let all = free_permits(&self.inner.permits).await;
        let n_retries = u32::try_from(retries.available_permits()).unwrap_or(u32::MAX);
        // Only this driver takes them, so what is available can be had.
        let retries = retries.try_acquire_many_owned(n_retries).expect("nobody else takes these permits");
        Permits { all, retries }
    }

    /// The same, once nothing speaks against sending.
    async fn permits_to_claim(&self) -> Permits {
        let permits = self.free_permits().await;
        self.inner.hold.wait().await;
        permits
    }

    async fn claim(&self, room: Room) -> Result<Vec<Lease<DueWebhook>>, Error> {
        self.inner.ledger.claim_webhooks(room, self.inner.settings.lease_ms).await
    }

    /// Sends each claimed webhook in a task of its own.
    fn begin(&self, claimed: Vec<Lease<DueWebhook>>, mut permits: Permits, tasks: &Tasks) {
        for lease in claimed {
            let permit = permits.all.split(1);
            let retry_permit = if lease.value.is_retry { permits.retries.split(1) } else { None };
            let (dispatcher, give_up) = (self.clone(), tasks.give_up_token().clone());
            tasks.spawn("webhook", async move {
                dispatcher.attend(lease, &give_up).await;
                drop(permit);
                if retry_permit.is_some() {
                    drop(retry_permit);
                    dispatcher.inner.retry_ended.notify_one();
                }
            });
        }
    }

    /// Makes one attempt and writes what came of it.
    async fn attend(&self, lease: Lease<DueWebhook>, give_up: &CancellationToken) {
        let (id, attempt) = (lease.value.id, lease.attempt);
        let started_ms = self.inner.ledger.clock().now_ms();
        let Some(_under_way) = self.inner.under_way.begin(id) else {
            tracing::warn!(%id, attempt, "a webhook's lease ran out while it is still being sent; this one waits");
            let later = Note::Release { due_ms: started_ms + LOCAL_TROUBLE_PAUSE_MS };
            return later.write(&self.inner.ledger, &lease, give_up).await;
        };
        let ending = tokio::select! {
            ending = self.send(&lease, started_ms) => ending,
            () = give_up.cancelled() => Ending::Interrupted,
        };
        let note = self.note(&lease, started_ms, ending);
        note.write(&self.inner.ledger, &lease, give_up).await;
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
            Err(error @ NetError::Proxy(trouble)) => {
                Ending::ProxyTrouble { error: with_causes(error), concerns_all: trouble.concerns_all() }
            }
            Err(error) => Ending::LocalTrouble(with_causes(error)),
        }
    }

    /// What the ledger is to be told of an attempt.
    fn note(&self, lease: &Lease<DueWebhook>, started_ms: i64, ending: Ending) -> Note {
        let Inner { ledger, settings, .. } = &*self.inner;
        let now_ms = ledger.clock().now_ms();
        let (id, number) = (lease.value.id, lease.attempt);
        match ending {
            Ending::Attempted { outcome, exchange } => {
                let circumstances = Circumstances {
                    attempt: lease.value.n_counted.saturating_add(1),
                    retry: lease.value.retry,
                    expires_at_ms: lease.value.expires_at_ms,
                    now_ms,
                    unit_random: fastrand::f64(),
                    schedule: &settings.schedule,
                };
                if exchange.result.is_ok() {
                    self.inner.hold.answered();
                }
                let next = verdict::next(&exchange.result, &circumstances);
                let asked_ms = verdict::granted_ms(&exchange.result, &circumstances);
                let attempt = attempt_of(started_ms, outcome, &exchange, asked_ms);
                note::log(lease, &attempt, &next, exchange.result.as_ref().err());
                Note::Attempt { attempt, next }
            }
            Ending::Interrupted => {
                tracing::warn!(%id, attempt = number, "webhook interrupted; it is sent again");
                let next = Next::Retry { due_ms: now_ms };
                Note::Attempt { attempt: interrupted(started_ms, now_ms), next }
            }
            Ending::Expired => {
                tracing::info!(%id, attempt = number, "webhook expired before it could be sent");
                Note::Abandon { reason: verdict::EXPIRED }
            }
            Ending::LocalTrouble(error) => {
                tracing::error!(%id, attempt = number, error, "webhook postponed: this machine could not send it");
                Note::Release { due_ms: now_ms + LOCAL_TROUBLE_PAUSE_MS }
            }
            Ending::ProxyTrouble { error, concerns_all } => {
                if self.inner.hold.begin(concerns_all) {
                    tracing::warn!(%id, attempt = number, error, "webhooks are held back for five seconds");
                } else {
                    tracing::info!(%id, attempt = number, error, "webhook postponed: the proxy did not let it through");
                }
                Note::Release { due_ms: now_ms + LOCAL_TROUBLE_PAUSE_MS }
            }
        }
    }
}

impl Permits {
    fn room(&self) -> Room {
        let count = |permit: &OwnedSemaphorePermit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        Room { n: count(&self.all), n_retries: count(&self.retries) }
    }
}
