//! One node of the cluster: a server with a data directory of its own, whose connections to the database go
//! through a proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use pixaven_testkit::postgres::Cluster;
use pixaven_testkit::process::{Signal, send_signal};
use pixaven_testkit::tcp_proxy::TcpProxy;
use tokio::sync::Mutex;

use crate::api_client::ApiClient;
use crate::http_client::HttpClient;
use crate::request_template::{InputMode, RequestTemplate, RequestUrls, TestImage};
use crate::server::{Installation, Server};

pub(super) struct Node {
    installation: Installation,
    address: SocketAddr,
    /// The connections of the node to the database.
    pub(super) proxy: TcpProxy,
    /// `None` while the server is being started again.
    server: Mutex<Option<Server>>,
}

impl Node {
    /// Starts a node. The first node creates the API key that the clients of all nodes use.
    pub(super) async fn start(
        binary: &Path,
        data_dir: PathBuf,
        settings: &[String],
        database: &Cluster,
        key: Option<String>,
    ) -> anyhow::Result<Self> {
        let proxy = TcpProxy::start((Ipv4Addr::LOCALHOST, database.port()).into());
        let url = format!("ledger.url=postgres://postgres@{}/pixaven", proxy.address);
        let seal = format!("server.seal_key_file={}", data_dir.with_file_name("seal.key").display());
        // The nodes share a directory for files as they would share a bucket.
        let files = format!("blobs.url=file://{}", data_dir.with_file_name("files").display());
        let name = format!("node.name={}", data_dir.file_name().unwrap_or_default().display());
        let settings: Vec<_> = settings.iter().cloned().chain([url, seal, files, name]).collect();
        let installation = match key {
            Some(key) => Installation::existing(binary, data_dir, &settings, key),
            None => Installation::new(binary, data_dir, &settings).await?,
        };
        let (server, address) = installation.start(0).await?;
        Ok(Self { installation, address, proxy, server: Mutex::new(Some(server)) })
    }

    pub(super) fn key(&self) -> &str {
        &self.installation.key
    }

    pub(super) fn http(&self) -> Arc<HttpClient> {
        Arc::new(HttpClient::new(self.address))
    }

    pub(super) fn template(
        &self,
        input: InputMode,
        image: &TestImage,
        urls: &RequestUrls,
    ) -> RequestTemplate {
        RequestTemplate::new(self.address, self.key(), input, image, urls)
    }

    /// Kills the server as `kill -9` does.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        match self.server.lock().await.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the server again after [`Node::kill`].
    pub(super) async fn start_again(&self) -> anyhow::Result<()> {
        let (server, _) = self.installation.start(self.address.port()).await?;
        *self.server.lock().await = Some(server);
        Ok(())
    }

    /// Sends a signal to the server.
    pub(super) async fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        match &*self.server.lock().await {
            Some(server) => send_signal(server.pid(), signal).context("the server ended by itself"),
            None => Ok(()),
        }
    }

    /// The number of writes of this server that the ledger has refused because their leases were lost.
    pub(super) async fn refused_late_writes(&self) -> anyhow::Result<u64> {
        let client = ApiClient::new(self.address, self.key());
        let answer = client.get("/readyz?verbose").await?;
        answer.json["checks"]["refused_late_writes"].as_u64().context("the server is not ready")
    }

    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        match self.server.lock().await.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}
