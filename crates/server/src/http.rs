//! The API on the wire: the table of paths, and what every answer has in common. Handlers extract, make one call and
//! render; the work is done elsewhere.

mod account;
mod answer;
mod auth;
mod body;
mod bulk;
mod download;
mod health;
mod history;
mod idempotency;
mod interventions;
mod multipart;
mod process;
mod requests;
mod secrets;
pub mod serve;
mod watermarks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use pixaven_ledger::Ledger;
use tokio::sync::Semaphore;

use crate::error::{ApiError, Kind};
use crate::lifecycle::Tasks;
use crate::pipeline::Pipeline;
use crate::webhooks::Dispatcher;
use answer::Answer;
use auth::{KNOWN_FOR, KnownKeys};

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Ledger,
    pipeline: Pipeline,
    keys: KnownKeys,
    dispatcher: Dispatcher,
    tasks: Tasks,
    settings: Settings,
    /// Room for callers who wait for a result.
    waiting: Semaphore,
}

/// What the HTTP side of the server is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base of result links; absent: what the caller calls this server.
    pub public_url: Option<String>,
    /// Whether callers reach us by TLS, for links made from the `Host` header.
    pub tls: bool,
    /// The bound address, for callers who send no `Host`.
    pub address: std::net::SocketAddr,
    /// Largest image, in bytes.
    pub body_bytes: usize,
    /// Largest request description, in bytes.
    pub json_bytes: usize,
    /// Longest time a body may take to arrive.
    pub body_timeout: Duration,
    /// The limits, as `/1.0/account` shows them.
    pub limits: serde_json::Value,
}

impl Api {
    /// The API over a ledger, a pipeline, and the driver that sends webhooks.
    pub fn new(
        ledger: Ledger,
        pipeline: Pipeline,
        dispatcher: Dispatcher,
        tasks: Tasks,
        settings: Settings,
    ) -> Self {
        let (keys, waiting) = (KnownKeys::new(KNOWN_FOR), Semaphore::new(requests::MAX_WAITING));
        Self { shared: Arc::new(Shared { ledger, pipeline, keys, dispatcher, tasks, settings, waiting }) }
    }

    /// Every path the server knows.
    pub fn router(self) -> Router {
        Router::new()
            .route("/1.0/fetch", only(post(process::fetch)))
            .route("/1.0/upload", only(post(process::upload)))
            .route("/1.0/account", only(get(account::show)))
            .route("/1.0/webhooks", only(get(history::list)))
            .route("/1.0/webhooks/", only(get(history::list)))
            .route("/1.0/webhooks/resend", only(post(bulk::start)))
            .route("/1.0/webhooks/resend/{no}", only(get(bulk::show)))
            .route("/1.0/webhooks/resend/{no}/stop", only(post(bulk::stop)))
            .route("/1.0/webhooks/test", only(post(interventions::test)))
            .route("/1.0/webhooks/{id}", only(get(history::show)))
            .route("/1.0/webhooks/{id}/resend", only(post(interventions::resend)))
            .route("/1.0/webhooks/{id}/cancel", only(post(interventions::cancel)))
            .route("/1.0/requests/{id}", only(get(requests::show)))
            .route("/1.0/secrets", only(get(secrets::show)))
            .route("/1.0/secrets/rotate", only(post(secrets::rotate)))
            .route("/1.0/watermarks", only(get(watermarks::list).post(watermarks::add)))
            .route("/1.0/watermarks/{id}", only(get(watermarks::show).delete(watermarks::remove)))
            .route("/dl/{a}/{b}/{c}/{d}/{rest}/{name}", only(get(download::send)))
            .route("/healthz", only(get(health::alive)))
            .route("/readyz", only(get(health::ready)))
            .fallback(|| async { Answer::from(ApiError::not_found()) })
            .layer(DefaultBodyLimit::disable())
            .layer(axum::middleware::from_fn(answer::finish))
            .with_state(self)
    }
}

/// What the plain port answers where TLS is required: never a redirect, which would send the key again in the clear.
pub fn tls_required() -> Router {
    let refuse = || async {
        let message = "this server takes HTTPS only; a key sent in the clear should be revoked";
        Answer::from(ApiError::new(Kind::TlsRequired, message))
    };
    Router::new().fallback(refuse).layer(axum::middleware::from_fn(answer::finish))
}

/// A path that answers other methods with 405 in the envelope; axum adds `Allow`.
fn only(methods: MethodRouter<Api>) -> MethodRouter<Api> {
    methods.fallback(|| async { Answer::from(answer::method_not_allowed()) })
}
