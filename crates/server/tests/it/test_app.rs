//! Starts a whole server inside a test process: on a free port, in a temporary directory, with a clock that
//! only the test moves. Jobs and webhooks run only when the test calls `step`.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use pixaven::api::api_key::ApiKey;
use pixaven::app::{App, Dependencies, Running};
use pixaven::delivery::Dispatcher;
use pixaven::jobs::Jobs;
use pixaven::runtime::config::Config;
use pixaven::sweep::Sweep;
use pixaven::work::pipeline::Pipeline;
use pixaven_ledger::{Clock, Ledger, NewKey};
use pixaven_testkit::multipart;
use pixaven_testkit::wire_client::{WireResponse, send};
use serde_json::Value;
use tempfile::TempDir;

/// The time that the test clock shows at the start of every test, in milliseconds since 1970:
/// 2026-01-10T11:57:04.322Z.
pub(crate) const START_MS: i64 = 1_768_046_224_322;

/// A running server, and its parts, which a test can use directly.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) jobs: Jobs,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) sweep: Sweep,
    pub(crate) pipeline: Pipeline,
    pub(crate) directory: TempDir,
    running: Option<Running>,
}

impl TestApp {
    /// Starts a server with the default settings, which may connect to the loopback interface.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with other settings than the defaults. `settings` contains pairs of a dotted key and a
    /// value.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be created");
        Self::start_in(directory, settings).await
    }

    /// Starts a server in a directory that an earlier server may have used.
    pub(crate) async fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let data_dir = directory.path().join("data").display().to_string();
        let own = [
            ("server.listen", "127.0.0.1:0"),
            ("server.data_dir", data_dir.as_str()),
            ("network.allow", "127.0.0.0/8"),
            ("images.workers", "1"),
            ("images.express_workers", "0"),
        ];
        let settings: Vec<_> = own.into_iter().chain(settings.iter().copied()).collect();
        let config = Config::with(&settings).expect("the test's configuration is valid");
        let clock = Clock::manual(START_MS);
        let worker_program = env!("CARGO_BIN_EXE_pixaven").into();
        let dependencies = Dependencies { clock: clock.clone(), worker_program };
        let app = App::build(&config, dependencies).await.expect("the server can be built");
        let key = create_key(&app.ledger, "test").await;
        Self {
            address: app.address().expect("the socket is bound"),
            key,
            clock,
            ledger: app.ledger.clone(),
            jobs: app.jobs.clone(),
            dispatcher: app.dispatcher.clone(),
            sweep: app.sweep.clone(),
            pipeline: app.pipeline.clone(),
            running: Some(app.start(false)),
            directory,
        }
    }

    /// Stops the server. Returns its directory, in which the test can start another server.
    pub(crate) async fn stop(mut self) -> TempDir {
        let running = self.running.take().expect("the server was not stopped before");
        assert!(running.stop(Duration::ZERO).await, "the server stops in time");
        self.directory
    }

    /// Sends a request with the server's API key.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> WireResponse {
        let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{}:", self.key)));
        let headers: Vec<_> = headers.iter().copied().chain([("Authorization", basic.as_str())]).collect();
        send(self.address, method, path, &headers, body).await
    }

    /// Sends a GET request with the server's API key.
    pub(crate) async fn get(&self, path: &str) -> WireResponse {
        self.call("GET", path, &[], b"").await
    }

    /// Sends a processing request for an image that the server fetches from a URL in `json`.
    pub(crate) async fn fetch(&self, json: &Value) -> WireResponse {
        self.call("POST", "/1.0/fetch", &[("Content-Type", "application/json")], json.to_string().as_bytes())
            .await
    }

    /// Sends a processing request that contains the image `file`.
    pub(crate) async fn upload(&self, name: &str, file: &[u8], json: &Value) -> WireResponse {
        self.upload_with(name, file, json, &[]).await
    }

    /// Sends a processing request that contains the image `file`, with additional HTTP headers.
    pub(crate) async fn upload_with(
        &self,
        name: &str,
        file: &[u8],
        json: &Value,
        headers: &[(&str, &str)],
    ) -> WireResponse {
        let body = multipart::upload(name, file, &json.to_string());
        let content_type = [("Content-Type", multipart::CONTENT_TYPE)];
        let headers: Vec<_> = content_type.into_iter().chain(headers.iter().copied()).collect();
        self.call("POST", "/1.0/upload", &headers, &body).await
    }

    /// Downloads a result from its URL.
    pub(crate) async fn download(&self, url: &str) -> WireResponse {
        let path = url
            .split_once("/dl/")
            .map(|(_, rest)| format!("/dl/{rest}"))
            .expect("the URL has the path of a result");
        send(self.address, "GET", &path, &[], b"").await
    }
}

/// Creates an API key for the default account.
pub(crate) async fn create_key(ledger: &Ledger, label: &str) -> String {
    let key = ApiKey::generate().expect("the machine has randomness for a key");
    let new = NewKey {
        sha256: key.sha256(),
        prefix: key.prefix().to_owned(),
        label: label.to_owned(),
        webhook_secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
    };
    ledger.create_key(new).await.expect("the ledger stores the key");
    key.reveal().to_owned()
}
