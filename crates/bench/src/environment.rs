//! The test environment of a run: a server in an empty directory, an image origin, a webhook receiver,
//! clients.

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

/// The path of the image at the origin.
pub(crate) const IMAGE_PATH: &str = "/image.jpg";

/// How a test environment is started.
pub(crate) struct EnvironmentOptions<'a> {
    pub(crate) binary: &'a Path,
    /// Settings of the server, as `section.key=value`.
    pub(crate) settings: &'a [String],
    /// Environment variables of the server.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Whether the server's directory is kept after the run.
    pub(crate) keep: bool,
    pub(crate) image: &'a TestImage,
    pub(crate) input: InputMode,
}

/// A running test environment: the server listens.
pub(crate) struct TestEnvironment {
    pub(crate) installation: Installation,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) image_url: String,
    pub(crate) receiver: WebhookReceiver,
    /// The requests of the load, with webhooks to `receiver`.
    pub(crate) template: Arc<RequestTemplate>,
    /// The client that sends the load.
    pub(crate) http: Arc<HttpClient>,
    /// The client for all other requests.
    pub(crate) api: Arc<ApiClient>,
    /// Holds the server's files. Removed on drop, unless it is to be kept.
    _directory: TempDir,
}

impl<'a> EnvironmentOptions<'a> {
    /// The options for the server that the command line names.
    pub(crate) fn new(
        args: &'a ServerArgs,
        binary: &'a Path,
        image: &'a TestImage,
        input: InputMode,
    ) -> Self {
        Self { binary, settings: &args.settings, variables: Vec::new(), keep: args.keep, image, input }
    }

    /// Starts a server in an empty directory, and everything else of the environment.
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
    /// A template with the same image and another webhook.
    pub(crate) fn template_for(&self, image: &TestImage, webhook: Value) -> Arc<RequestTemplate> {
        let urls = RequestUrls { image: self.image_url.clone(), webhook };
        let key = &self.installation.key;
        Arc::new(RequestTemplate::new(self.address, key, InputMode::Fetch, image, &urls))
    }
}
