//! Starts the test environment of a load tool: a server with an empty data directory, an image origin, a
//! webhook receiver, and HTTP clients.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use pixaven_testkit::image_origin::ImageOrigin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api_client::ApiClient;
use crate::http_client::HttpClient;
use crate::request_template::{InputMode, RequestTemplate, RequestUrls, TestImage};
use crate::server::{Installation, Server, ServerArgs, temporary_directory};
use crate::webhook_receiver::WebhookReceiver;

/// The URL path of the image at the origin.
pub(crate) const IMAGE_PATH: &str = "/image.jpg";

/// Options of a test environment.
pub(crate) struct EnvironmentOptions<'a> {
    pub(crate) binary: &'a Path,
    /// Settings of the server in the form `section.key=value`.
    pub(crate) settings: &'a [String],
    /// Environment variables of the server.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Whether the server's directory stays on the disk after the run.
    pub(crate) keep: bool,
    pub(crate) image: &'a TestImage,
    pub(crate) input: InputMode,
}

/// A running test environment. Its server listens.
pub(crate) struct TestEnvironment {
    pub(crate) installation: Installation,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) image_url: String,
    pub(crate) receiver: WebhookReceiver,
    /// The template of the load's requests. Their webhooks go to `receiver`.
    pub(crate) template: Arc<RequestTemplate>,
    /// The client that sends the load.
    pub(crate) http: Arc<HttpClient>,
    /// The client for all other requests.
    pub(crate) api: Arc<ApiClient>,
    /// The directory with the server's files. It is deleted on drop, except with the option `keep`.
    _directory: TempDir,
}

impl<'a> EnvironmentOptions<'a> {
    /// Creates options from the command-line arguments for the server.
    pub(crate) fn new(
        args: &'a ServerArgs,
        binary: &'a Path,
        image: &'a TestImage,
        input: InputMode,
    ) -> Self {
        Self { binary, settings: &args.settings, variables: Vec::new(), keep: args.keep, image, input }
    }

    /// Starts an image origin, a webhook receiver, and a server in an empty directory.
    pub(crate) async fn start(&self) -> anyhow::Result<TestEnvironment> {
        let directory = temporary_directory(self.keep)?;
        let data_dir = directory.path().join("data");
        let installation = Installation::new(self.binary, data_dir, self.settings).await?;
        let installation = installation.with_variables(&self.variables);
        let origin = ImageOrigin::start(self.image.bytes.clone()).await?;
        let receiver = WebhookReceiver::start().await?;
        let (server, address) = installation.start(0).await?;
        let urls = RequestUrls { image: origin.url(IMAGE_PATH), webhook: json!({ "url": receiver.url() }) };
        let template = RequestTemplate::new(address, &installation.key, self.input, self.image, &urls);
        let http = Arc::new(HttpClient::new(address));
        let api = Arc::new(ApiClient::new(address, &installation.key));
        Ok(TestEnvironment {
            installation,
            server,
            address,
            image_url: urls.image,
            receiver,
            template: Arc::new(template),
            http,
            api,
            _directory: directory,
        })
    }
}

impl TestEnvironment {
    /// Creates a request template for the environment's server. The requests have the webhook `webhook`
    /// instead of the default webhook, and the server fetches the image.
    pub(crate) fn template_for(&self, image: &TestImage, webhook: Value) -> Arc<RequestTemplate> {
        let urls = RequestUrls { image: self.image_url.clone(), webhook };
        let key = &self.installation.key;
        Arc::new(RequestTemplate::new(self.address, key, InputMode::Fetch, image, &urls))
    }
}
