//! The HTTP API: the table of paths, the handlers, and all code that depends on an HTTP status, an HTTP
//! header or a member of a JSON body. A handler parses the request, calls another layer of the server, and
//! renders the answer.

mod account;
mod admission;
pub mod api_key;
mod auth;
mod body;
mod bulk_resend;
mod download;
pub mod envelope;
pub mod error;
mod health;
pub mod history;
mod host;
mod idempotency;
mod interventions;
pub mod listener;
mod multipart;
mod path;
mod process;
mod request_body;
mod requests;
mod response;
mod secrets;
pub mod timestamp;
mod watermarks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use pixaven_ledger::Ledger;
use tokio::sync::Semaphore;

use crate::delivery::Dispatcher;
use crate::runtime::lifecycle::Tasks;
use crate::work::pipeline::Pipeline;
use crate::work::sandbox::jail::MissingWall;
use auth::{KeyCache, key_cache};
use error::{ApiError, ErrorKind};
use health::TestWrite;
use host::LinkBase;
use response::ApiResponse;

/// The state that all handlers share. Cloning it is cheap.
#[derive(Clone)]
pub struct ApiState {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Ledger,
    pipeline: Pipeline,
    keys: KeyCache,
    dispatcher: Dispatcher,
    tasks: Tasks,
    settings: ApiSettings,
    links: LinkBase,
    /// Holds one permit for each client that may long-poll for a result.
    long_polls: Semaphore,
    /// The test write of readiness checks.
    test_write: TestWrite,
}

/// The configuration of the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The base URL of download links. If this is `None`, a link begins with the `Host` header of the
    /// request, provided that this host is allowed.
    pub public_url: Option<String>,
    /// The hosts that download links may name, besides the bound address. If the list is empty, the default
    /// hosts are used.
    pub hosts: Vec<String>,
    /// Whether clients connect to this server by TLS.
    pub tls: bool,
    /// The address that the server listens on. Download links contain it if the `Host` header of a request is
    /// not allowed.
    pub address: std::net::SocketAddr,
    /// The largest size of an uploaded image, in bytes.
    pub body_bytes: usize,
    /// The largest size of the JSON of a request, in bytes.
    pub json_bytes: usize,
    /// The longest time that the server waits for the complete body of a request.
    pub body_timeout: Duration,
    /// Whether a download of a result in a bucket is a redirect to a signed URL of the bucket.
    pub presign: bool,
    /// The configured limits, as the JSON that `GET /1.0/account` returns.
    pub limits: serde_json::Value,
    /// The restrictions of image workers that the running kernel lacks.
    pub missing_walls: Vec<MissingWall>,
}

impl ApiState {
    /// Creates the state that all handlers share.
    pub fn new(
        ledger: Ledger,
        pipeline: Pipeline,
        dispatcher: Dispatcher,
        tasks: Tasks,
        settings: ApiSettings,
    ) -> Self {
        let (keys, long_polls) = (key_cache(), Semaphore::new(requests::MAX_LONG_POLLS));
        let links = LinkBase::new(&settings);
        let test_write = TestWrite::default();
        let shared =
            Shared { ledger, pipeline, keys, dispatcher, tasks, settings, links, long_polls, test_write };
        Self { shared: Arc::new(shared) }
    }

    /// Builds the router: THE TABLE that maps each HTTP path to its handler.
    pub fn router(self) -> Router {
        let tls = self.shared.settings.tls;
        Router::new()
            .route("/1.0/fetch", only(post(process::fetch)))
            .route("/1.0/upload", only(post(process::upload)))
            .route("/1.0/account", only(get(account::show)))
            .route("/1.0/webhooks", only(get(history::list)))
            .route("/1.0/webhooks/", only(get(history::list)))
            .route("/1.0/webhooks/resend", only(post(bulk_resend::start)))
            .route("/1.0/webhooks/resend/{seq}", only(get(bulk_resend::show)))
            .route("/1.0/webhooks/resend/{seq}/stop", only(post(bulk_resend::stop)))
            .route("/1.0/webhooks/test", only(post(interventions::test)))
            .route("/1.0/webhooks/{id}", only(get(history::show)))
            .route("/1.0/webhooks/{id}/resend", only(post(interventions::resend)))
            .route("/1.0/webhooks/{id}/cancel", only(post(interventions::cancel)))
            .route("/1.0/requests/{id}", only(get(requests::show)))
            .route("/1.0/secrets", only(get(secrets::show)))
            .route("/1.0/secrets/rotate", only(post(secrets::rotate)))
            .route("/1.0/watermarks", only(get(watermarks::list).post(watermarks::add)))
            .route("/1.0/watermarks/{id}", only(get(watermarks::show).delete(watermarks::remove)))
            .route("/cdn/{id}/{name}", only(get(download::send_to_cdn)))
            .route("/dl/{a}/{b}/{c}/{d}/{rest}/{name}", only(get(download::send)))
            .route("/healthz", only(get(health::alive)))
            .route("/readyz", only(get(health::ready)))
            .fallback(|| async { ApiResponse::from(ApiError::not_found()) })
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(tls, response::finish))
            .with_state(self)
    }
}

impl ApiState {
    /// Builds the router of a node that does not answer requests: only the paths for health checks.
    pub fn health_router(self) -> Router {
        let tls = self.shared.settings.tls;
        let refuse = || async {
            let message = "this node does not serve the API: node.roles does not contain `api`";
            ApiResponse::from(ApiError::new(ErrorKind::NotFound, message))
        };
        Router::new()
            .route("/healthz", only(get(health::alive)))
            .route("/readyz", only(get(health::ready)))
            .fallback(refuse)
            .layer(from_fn_with_state(tls, response::finish))
            .with_state(self)
    }
}

/// Builds the router for the unencrypted HTTP port of a server that requires TLS. The answer to every request
/// has status 403. The router does not redirect to HTTPS, because a redirected client would not notice that
/// it sent its API key unencrypted.
pub fn tls_required() -> Router {
    let refuse = || async {
        let message = "this server takes HTTPS only; a key sent in the clear should be revoked";
        ApiResponse::from(ApiError::new(ErrorKind::TlsRequired, message))
    };
    Router::new().fallback(refuse).layer(from_fn_with_state(false, response::finish))
}

/// Adds a fallback to the methods of a path: a request with any other method gets status 405 and an envelope
/// as the body. axum adds the `Allow` header.
fn only(methods: MethodRouter<ApiState>) -> MethodRouter<ApiState> {
    methods.fallback(|| async { ApiResponse::from(response::method_not_allowed()) })
}
