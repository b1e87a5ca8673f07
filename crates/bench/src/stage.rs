//! What every run has around the server under test: an empty directory, an image origin, a receiver, a client.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use crate::job::{Image, Job, Urls, Way};
use crate::loopback::Client;
use crate::origin::Origin;
use crate::receiver::Receiver;
use crate::server::{self, Installation, Server, Subject};

/// How a stage is set.
pub(crate) struct Setup<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) settings: &'a [String],
    /// Variables of the server.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) keep: bool,
    pub(crate) image: &'a Image,
    pub(crate) way: Way,
}

/// A stage that is ready: the server listens.
pub(crate) struct Stage {
    pub(crate) installation: Installation,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) image_url: String,
    pub(crate) receiver: Receiver,
    pub(crate) job: Arc<Job>,
    /// For the load.
    pub(crate) client: Arc<Client>,
    /// For all else.
    pub(crate) api: Arc<Api>,
    /// Removed on drop, unless it is to be kept.
    pub(crate) directory: TempDir,
}

impl<'a> Setup<'a> {
    /// For the server that was asked for.
    pub(crate) fn of(subject: &'a Subject, binary: &'a Path, image: &'a Image, way: Way) -> Self {
        let (settings, environment) = (&subject.settings, Vec::new());
        Self { binary, settings, environment, keep: subject.keep, image, way }
    }

    /// Starts a server in an empty directory, with everything around it.
    pub(crate) async fn start(&self) -> anyhow::Result<Stage> {
        let directory = server::directory(self.keep)?;
        let data = directory.path().join("data");
        let installation = Installation::new(self.binary, data, self.settings).await?;
        let installation = installation.with_environment(&self.environment);
        let origin = Origin::start(self.image.bytes.clone()).await?;
        let receiver = Receiver::start().await?;
        let (server, address) = installation.start(0).await?;
        let urls = Urls { image: origin.image_url(), webhook: json!({ "url": receiver.url() }) };
        let job = Arc::new(Job::new(address, &installation.key, self.way, self.image, &urls));
        let client = Arc::new(Client::new(address));
        let api = Arc::new(Api::new(address, &installation.key));
        let image_url = urls.image;
        Ok(Stage { installation, server, address, image_url, receiver, job, client, api, directory })
    }
}

impl Stage {
    /// The same image for somebody else's webhook.
    pub(crate) fn job_for(&self, image: &Image, webhook: serde_json::Value) -> Arc<Job> {
        let urls = Urls { image: self.image_url.clone(), webhook };
        Arc::new(Job::new(self.address, &self.installation.key, Way::Fetch, image, &urls))
    }
}
