//! The composition root: builds a running server from a configuration. Every step that can fail runs before
//! the server accepts its first connection.

mod data_directory;
mod files;
mod sealing;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use pixaven_ledger::schedule::Schedule;
use pixaven_ledger::{Clock, Ledger, Store, WatermarkQuota};
use pixaven_net::{AddressPolicy, FetchLimits, Net, NetSettings, Proxy, ResolverSettings};
use serde_json::json;

use crate::api::envelope::EnvelopePayload;
use crate::api::listener::connections::{ConnectionLimits, Connections};
use crate::api::listener::{self, ConnectionTimeouts, Listener};
use crate::api::{self, ApiSettings, ApiState};
use crate::delivery::{Dispatcher, DispatcherSettings};
use crate::jobs::{JobTimes, Jobs};
use crate::node::Node;
use crate::runtime::blocking::BlockingThreads;
use crate::runtime::config::{Config, Role};
use crate::runtime::lifecycle::Tasks;
use crate::runtime::seal::Seal;
use crate::sweep::Sweep;
use crate::work::blobs::Blobs;
use crate::work::customer_bucket::CustomerBuckets;
use crate::work::fonts::FontLibrary;
use crate::work::memory_budget::MemoryBudget;
use crate::work::pipeline::Pipeline;
use crate::work::sandbox::jail::MissingWall;
use crate::work::sandbox::{QueueLimits, Sandbox, SandboxSettings, jail_probe};
use crate::work::source::Sources;
use crate::work::watermarks::Watermarks;
pub use data_directory::{
    create as create_data_directory, lock as lock_data_directory,
    lock_existing as lock_existing_data_directory,
};
pub use files::open_blobs;
pub use sealing::{open_seal, seal_key_file};

/// The name of the SQLite file in a data directory.
pub const LEDGER_FILE: &str = "pixaven.db";

/// The name of the directory of files in a data directory.
pub const BLOBS: &str = "blobs";

const HOUR_MS: i64 = 60 * 60 * 1000;

/// The memory of the server process without images, in bytes: the program, the caches of the ledger and of
/// watermarks, and the buffers of connections.
const OWN_MEMORY_BYTES: u64 = 64 << 20;

/// What a server needs besides its configuration.
pub struct Dependencies {
    /// The clock that tells the current time.
    pub clock: Clock,
    /// The path of the binary that has the command `image-worker`.
    pub worker_program: PathBuf,
}

/// A server that is built and bound to its sockets, but does not serve yet.
pub struct App {
    /// The ledger.
    pub ledger: Ledger,
    /// Runs the jobs of accepted requests.
    pub jobs: Jobs,
    /// Sends webhooks.
    pub dispatcher: Dispatcher,
    /// Deletes expired results and other data that is no longer needed.
    pub sweep: Sweep,
    /// Reads, processes and stores images.
    pub pipeline: Pipeline,
    /// The background tasks.
    pub tasks: Tasks,
    nets: [Net; 3],
    listener: Listener,
    plain_listener: Option<Listener>,
    router: Router,
    connections: Connections,
    timeouts: ConnectionTimeouts,
    sweep_interval: Duration,
    drain: Duration,
    roles: Vec<Role>,
    node: Node,
    /// The lock file of the data directory. It stays locked while this server runs.
    _lock: File,
}

impl App {
    /// Opens the data directory, starts the image workers, and binds the sockets. The server does not accept
    /// connections yet.
    pub async fn build(config: &Config, dependencies: Dependencies) -> anyhow::Result<Self> {
        let tls = config.server.tls().map(|(cert, key)| listener::tls_config(cert, key)).transpose()?;
        let lock = data_directory::lock(&config.server.data_dir)?;
        let ledger = open_ledger(config, dependencies.clock.clone()).await?;
        let ledger = ledger.with_delivery_limits(config.webhooks.delivery_limits());
        let seal = open_seal(config)?;
        sealing::seal_signing_secrets(&ledger, &seal).await?;
        let node = Node::enter(config, &ledger).await?;
        // Images, webhooks and the buckets of customers have separate HTTP clients: an image server whose host
        // name cannot be resolved, or which keeps its connections open, must not delay a webhook.
        let (image_net, webhook_net) = (net(config, None)?, net(config, proxy(config)?)?);
        let bucket_net = net(config, None)?;
        let tasks = Tasks::new();
        let nets = [image_net.clone(), bucket_net.clone()];
        let pipeline = pipeline(config, &dependencies, (&ledger, &seal), nets, tasks.clone())?;
        let listener = bind(config.server.listen, tls.clone()).await?;
        let plain_listener = match config.server.plain_listen {
            Some(address) => Some(bind(address, None).await?),
            None => None,
        };
        let missing_walls = missing_walls(&dependencies.worker_program).await?;
        let api_settings = api_settings(config, listener.address()?, tls.is_some(), missing_walls);
        let times = JobTimes {
            lease_ms: millis(config.jobs.lease_s),
            store_retry_ms: millis(config.buckets.retry_s),
        };
        let dispatcher =
            Dispatcher::new(ledger.clone(), webhook_net.clone(), seal, dispatcher_settings(config));
        let api =
            ApiState::new(ledger.clone(), pipeline.clone(), dispatcher.clone(), tasks.clone(), api_settings);
        let has_api = config.node.roles.contains(&Role::Api);
        let router = if has_api { api.router() } else { api.health_router() };
        Ok(Self {
            jobs: Jobs::new(
                ledger.clone(),
                pipeline.clone(),
                Arc::new(EnvelopePayload),
                config.jobs.concurrency,
                times,
            ),
            dispatcher,
            sweep: Sweep {
                ledger: ledger.clone(),
                blobs: pipeline.blobs.clone(),
                keep_results_ms: pipeline.keep_results_ms,
                retention_ms: i64::from(config.webhooks.retention_days) * 24 * HOUR_MS,
            },
            router,
            connections: Connections::new(ConnectionLimits {
                total: config.server.max_connections,
                per_client: config.server.max_connections_per_address,
                trusted: config.server.trusted_proxies.clone(),
            }),
            timeouts: ConnectionTimeouts {
                header: Duration::from_secs(config.server.header_read_timeout_s),
                write: Duration::from_secs(config.server.write_timeout_s),
            },
            sweep_interval: Duration::from_secs(config.results.sweep_interval_s),
            drain: Duration::from_secs(config.server.drain_s),
            ledger,
            pipeline,
            tasks,
            nets: [image_net, bucket_net, webhook_net],
            listener,
            plain_listener,
            roles: config.node.roles.clone(),
            node,
            _lock: lock,
        })
    }

    /// Returns the address to which the API is bound.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.address()
    }

    /// Starts to accept connections, and returns the handle that stops the server. If `drivers` is false, the
    /// drivers of jobs and webhooks and the sweep do not run; a test then runs them step by step.
    pub fn start(self, drivers: bool) -> Running {
        let tasks = &self.tasks;
        // The heartbeats go on while other tasks end, so that their leases last.
        let heartbeats = Tasks::new();
        heartbeats.spawn("heartbeats", self.node.clone().run(heartbeats.stop_token().clone()));
        let drives = |role| drivers && self.roles.contains(&role);
        if drives(Role::Jobs) {
            tasks.spawn("jobs", self.jobs.clone().run(tasks.clone()));
        }
        if drives(Role::Dispatch) {
            tasks.spawn("webhooks", self.dispatcher.clone().run(tasks.clone()));
        }
        if drivers {
            tasks.spawn("sweep", self.sweep.clone().run(self.sweep_interval, tasks.stop_token().clone()));
        }
        for net in self.nets {
            let stop = tasks.stop_token().clone();
            tasks.spawn("idle connections", async move {
                tokio::select! {
                    () = net.close_idle_connections() => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        let (timeouts, connections) = (self.timeouts, self.connections);
        let serving = self.listener.serve(self.router, timeouts, connections.clone(), tasks.clone());
        tasks.spawn("listener", serving);
        if let Some(plain) = self.plain_listener {
            let serving = plain.serve(api::tls_required(), timeouts, connections, tasks.clone());
            tasks.spawn("plain listener", serving);
        }
        Running { node: self.node, tasks: self.tasks, heartbeats, drain: self.drain, _lock: self._lock }
    }
}

/// A running server.
pub struct Running {
    node: Node,
    tasks: Tasks,
    heartbeats: Tasks,
    drain: Duration,
    _lock: File,
}

impl Running {
    /// Stops the server: serves requests for the time of the `notice` while it reports that it is not ready.
    /// Then starts no new work, waits until running work has ended or its leases are returned, and closes the
    /// ledger. Returns whether all tasks ended in time.
    pub async fn stop(self, notice: Duration) -> bool {
        self.tasks.announce_stop();
        tokio::time::sleep(notice).await;
        let ended = self.tasks.stop(self.drain).await;
        self.heartbeats.stop(Duration::ZERO).await;
        self.node.leave().await;
        ended
    }
}

/// Opens the ledger that is configured. Creates the data directory if it does not exist.
pub async fn open_ledger(config: &Config, clock: Clock) -> anyhow::Result<Ledger> {
    create_data_directory(&config.server.data_dir)?;
    if let Some(url) = &config.ledger.url {
        return Ledger::open(Store::Postgres { url: url.clone() }, clock).await.context("ledger.url");
    }
    let path = ledger_file(config);
    Ledger::open(Store::Sqlite { path: path.clone() }, clock)
        .await
        .with_context(|| format!("the ledger {} could not be opened", path.display()))
}

/// Returns the path of the SQLite file that holds the ledger, unless `ledger.url` names another database.
pub fn ledger_file(config: &Config) -> PathBuf {
    ledger_file_in(&config.server.data_dir)
}

/// Returns the path of the SQLite file that holds the ledger of a data directory.
pub fn ledger_file_in(data_dir: &Path) -> PathBuf {
    data_dir.join(LEDGER_FILE)
}

fn net(config: &Config, proxy: Option<Proxy>) -> anyhow::Result<Net> {
    net_with(config, config.network.policy(), proxy)
}

fn net_with(config: &Config, policy: AddressPolicy, proxy: Option<Proxy>) -> anyhow::Result<Net> {
    Net::new(NetSettings {
        policy,
        extra_ca_file: config.network.extra_ca.clone(),
        proxy,
        resolver: ResolverSettings {
            name_servers: config.network.name_servers.clone(),
            ..ResolverSettings::default()
        },
    })
    .context("network.extra_ca")
}

/// Builds the proxy through which webhooks are sent. The proxy must accept a connection within half of the
/// deadline of an attempt. A dead proxy exceeds this limit and is therefore not mistaken for a slow receiver.
fn proxy(config: &Config) -> anyhow::Result<Option<Proxy>> {
    let webhooks = &config.webhooks;
    let Some(address) = webhooks.proxy.clone() else { return Ok(None) };
    let connect_timeout = Duration::from_secs(webhooks.deadline_s) / 2;
    let proxy = Proxy::new(address, webhooks.proxy_credentials.as_deref(), connect_timeout);
    proxy.map(Some).context("webhooks.proxy_credentials")
}

/// Creates the store of the accounts' watermarks.
pub fn watermarks(config: &Config, ledger: Ledger, blobs: Blobs) -> Watermarks {
    let settings = &config.watermarks;
    let quota = WatermarkQuota { count: settings.account_count, bytes: settings.account_bytes };
    Watermarks::new(ledger, blobs, quota, settings.cache_bytes)
}

/// Returns the settings of a pool of `n_workers` ordinary image workers, without express workers.
///
/// # Errors
/// If the setting `images.fonts` does not name a directory.
pub fn sandbox_settings(
    config: &Config,
    program: PathBuf,
    n_workers: usize,
) -> anyhow::Result<SandboxSettings> {
    let images = &config.images;
    Ok(SandboxSettings {
        program,
        n_workers,
        n_express_workers: 0,
        memory_bytes: images.memory_bytes,
        cpu: Duration::from_secs(images.cpu_s),
        wall: Duration::from_secs(images.wall_s),
        queue: QueueLimits {
            count: images.queue_count,
            max_wait: Duration::from_secs(images.queue_max_wait_s),
        },
        limits: config.limits.imaging(&config.input, &config.images),
        fonts: FontLibrary::open(images.fonts.clone()).context("images.fonts")?,
    })
}

/// Returns the number of processors that this process may use.
pub fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn pipeline(
    config: &Config,
    dependencies: &Dependencies,
    (ledger, seal): (&Ledger, &Seal),
    [net, bucket_net]: [Net; 2],
    tasks: Tasks,
) -> anyhow::Result<Pipeline> {
    let blobs = open_blobs(config)?;
    let images = &config.images;
    let n_workers = if images.workers == 0 { n_cores() } else { images.workers };
    let settings = SandboxSettings {
        n_express_workers: images.express_workers,
        ..sandbox_settings(config, dependencies.worker_program.clone(), n_workers)?
    };
    let sandbox = Sandbox::start(settings, tasks).context("the image workers could not be started")?;
    let limits = FetchLimits {
        max_bytes: config.limits.body_bytes,
        deadline: Duration::from_secs(config.fetch.deadline_s),
        max_redirects: config.fetch.redirects,
    };
    // The memory of the server process itself counts towards `queue_bytes`, unless too little would remain
    // for the largest request body.
    let own_bytes = OWN_MEMORY_BYTES.min(images.queue_bytes.saturating_sub(config.limits.body_bytes));
    let memory = MemoryBudget::new(images.queue_bytes - own_bytes);
    let job_memory = MemoryBudget::new(images.queue_bytes);
    Ok(Pipeline {
        sources: Sources { net, blobs: blobs.clone(), memory, job_memory, limits },
        sandbox,
        watermarks: watermarks(config, ledger.clone(), blobs.clone()),
        blobs,
        seal: seal.clone(),
        customer_buckets: CustomerBuckets::new(bucket_net, Duration::from_secs(config.buckets.deadline_s)),
        // Long computations use at most half of the processors. The other half is left for the threads that
        // serve connections.
        threads: BlockingThreads::new(n_cores() / 2),
        cdn_base_url: config.cdn.base_url.clone(),
        keep_results_ms: i64::from(config.results.keep_hours) * HOUR_MS,
        clock: ledger.clock().clone(),
    })
}

async fn bind(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> anyhow::Result<Listener> {
    Listener::bind(address, tls).await.with_context(|| format!("cannot listen on {address}"))
}

/// Returns and logs the restrictions of image workers that the running kernel lacks.
async fn missing_walls(program: &Path) -> anyhow::Result<Vec<MissingWall>> {
    let missing = jail_probe::missing_walls(program).await.context("image workers cannot be restricted")?;
    for wall in &missing {
        tracing::warn!(
            missing = wall.name(),
            "the kernel lacks a restriction of image workers; the others are in force"
        );
    }
    Ok(missing)
}

fn api_settings(
    config: &Config,
    address: SocketAddr,
    tls: bool,
    missing_walls: Vec<MissingWall>,
) -> ApiSettings {
    let limits = &config.limits;
    ApiSettings {
        public_url: config.server.public_url.clone(),
        hosts: config.server.hosts.clone(),
        tls,
        address,
        missing_walls,
        body_bytes: usize::try_from(limits.body_bytes).unwrap_or(usize::MAX),
        json_bytes: limits.json_bytes,
        presign: config.results.presign,
        body_timeout: Duration::from_secs(config.server.body_read_timeout_s),
        limits: json!({
            "body_bytes": limits.body_bytes,
            "json_bytes": limits.json_bytes,
            "pixels": limits.pixels,
            "input_side_px": limits.input_side_px,
            "frames": limits.frames,
            "output_side_px": limits.output_side_px,
            "scans": limits.scans,
            "parts": limits.parts,
            "metadata_bytes": limits.metadata_bytes,
            "results_kept_hours": config.results.keep_hours,
            "watermarks": config.watermarks.account_count,
            "watermark_bytes": config.watermarks.account_bytes,
            "webhooks_kept_days": config.webhooks.retention_days,
        }),
    }
}

fn dispatcher_settings(config: &Config) -> DispatcherSettings {
    let webhooks = &config.webhooks;
    DispatcherSettings {
        concurrency: webhooks.concurrency,
        retry_concurrency: webhooks.retry_concurrency(),
        deadline: Duration::from_secs(webhooks.deadline_s),
        response_max_bytes: webhooks.response_bytes,
        lease_ms: millis(webhooks.lease_s),
        schedule: Schedule::new(webhooks.pauses_ms()),
    }
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}
