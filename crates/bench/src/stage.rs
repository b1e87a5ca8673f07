//! What every run has around the server under test: an empty directory, an image origin, a receiver, a client.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::job::{Image, Job, Urls, Way};
use crate::loopback::Client;
use crate::origin::Origin;
use crate::receiver::Receiver;
use crate::server::{self, Installation, Server};

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
    pub(crate) receiver: Receiver,
    pub(crate) job: Arc<Job>,
    pub(crate) client: Arc<Client>,
    /// Removed on drop, unless it is to be kept.
    pub(crate) directory: TempDir,
}

impl Setup<'_> {
    /// Starts a server in an empty directory, with everything around it.
    pub(crate) async fn start(&self) -> anyhow::Result<Stage> {
        let directory = server::directory(self.keep)?;
        let data = directory.path().join("data");
        let installation = Installation::new(self.binary, data, self.settings).await?;
        let installation = installation.with_environment(&self.environment);
        let origin = Origin::start(self.image.bytes.clone()).await?;
        let receiver = Receiver::start().await?;
        let (server, address) = installation.start(0).await?;
        let urls = Urls { image: origin.image_url(), webhook: receiver.url() };
        let job = Arc::new(Job::new(address, &installation.key, self.way, self.image, &urls));
        let client = Arc::new(Client::new(address));
        Ok(Stage { installation, server, address, receiver, job, client, directory })
    }
}
