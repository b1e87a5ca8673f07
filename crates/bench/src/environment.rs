//! Starts everything that a load tool needs: a server with an empty data directory, an image origin, a
//! webhook receiver, and HTTP clients.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use pixaven_testkit::http_server::Pace;
use pixaven_testkit::image_origin::ImageOrigin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api_client::ApiClient;
use crate::http_client::HttpClient;
use crate::request_template::{InputMode, RequestTemplate, RequestUrls, TestImage};
use crate::server::{Installation, Server, ServerArgs, temporary_directory};
use crate::webhook_receiver::WebhookReceiver;

/// The path in the URL of the image that the image origin serves.
pub(crate) const IMAGE_PATH: &str = "/image.jpg";

/// The options of a test environment.
pub(crate) struct EnvironmentOptions<'a> {
    pub(crate) binary: &'a Path,
    /// The settings of the server in the form `section.key=value`.
    pub(crate) settings: &'a [String],
    /// The environment variables of the server process.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Whether the directory of the server stays on the disk after the run.
    pub(crate) keep: bool,
    pub(crate) image: &'a TestImage,
    pub(crate) input: InputMode,
    /// The time that the webhook receiver works on each webhook, and whether it works on one webhook at a
    /// time.
    pub(crate) pace: Pace,
}

/// A running test environment, whose server listens on its port.
pub(crate) struct TestEnvironment {
    pub(crate) installation: Installation,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) image_url: String,
    pub(crate) receiver: WebhookReceiver,
    /// The template of the requests of the load. The webhooks of these requests go to `receiver`.
    pub(crate) template: Arc<RequestTemplate>,
    /// The client that sends the load.
    pub(crate) http: Arc<HttpClient>,
    /// The client for all requests that are not part of the load.
    pub(crate) api: Arc<ApiClient>,
    /// The directory with the files of the server. It is deleted when this value is dropped, unless the
    /// option `keep` is set.
    _directory: TempDir,
}

impl<'a> EnvironmentOptions<'a> {
    /// Creates the options from the command-line arguments that concern the server.
    pub(crate) fn new(
        args: &'a ServerArgs,
        binary: &'a Path,
        image: &'a TestImage,
        input: InputMode,
    ) -> Self {
        let pace = Pace::default();
        Self { binary, settings: &args.settings, variables: Vec::new(), keep: args.keep, image, input, pace }
    }

    /// Starts an image origin, a webhook receiver, and a server in an empty directory.
    pub(crate) async fn start(&self) -> anyhow::Result<TestEnvironment> {
        self.start_with(&[]).await
    }

    /// Like [`EnvironmentOptions::start`], but with further settings of the server.
    pub(crate) async fn start_with(&self, settings: &[String]) -> anyhow::Result<TestEnvironment> {
        let directory = temporary_directory(self.keep)?;
        let data_dir = directory.path().join("data");
        let settings = [self.settings, settings].concat();
        let installation = Installation::new(self.binary, data_dir, &settings).await?;
        let installation = installation.with_variables(&self.variables);
        let origin = ImageOrigin::start(self.image.bytes.clone()).await?;
        let receiver = WebhookReceiver::start_at_pace(self.pace.clone()).await?;
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
    /// Creates a template of requests to this server. The requests have the object `webhook` instead of the
    /// default webhook, and the server downloads the image from its URL.
    pub(crate) fn template_for(&self, image: &TestImage, webhook: Value) -> Arc<RequestTemplate> {
        let urls = RequestUrls { image: self.image_url.clone(), webhook };
        let key = &self.installation.key;
        Arc::new(RequestTemplate::new(self.address, key, InputMode::Fetch, image, &urls))
    }
}
