//! Observes the server while it fetches: sends `GET /healthz` at a steady rate, and reads the memory of the
//! server. A second server, which has nothing else to do, gets the same requests: its times show how busy the
//! machine is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::http_client::HttpClient;
use crate::resource_usage;

/// The interval between two requests. Each request is sent at its scheduled time, even if earlier answers are
/// still missing.
const INTERVAL: Duration = Duration::from_millis(10);

/// The smallest number of requests of a probe, so that a percentile of the times means something.
const MIN_REQUESTS: usize = 100;

/// A running observation.
pub(super) struct Probe {
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<Observed>>,
}

/// What a probe has observed.
pub(super) struct Observed {
    /// The times from the scheduled time of each request to the end of its answer.
    pub(super) health_times: Vec<Duration>,
    /// The times from the scheduled time of each request to the end of the idle server's answer.
    pub(super) idle_times: Vec<Duration>,
    /// The largest resident size of the server at the times of the requests, in MiB.
    pub(super) peak_rss_mib: f64,
}

impl Probe {
    /// Starts to observe the server at `address` with the process id `pid`, and the idle server at `idle`.
    #[expect(clippy::disallowed_methods, reason = "the load tools have no orderly stop")]
    pub(super) fn start(address: SocketAddr, pid: u32, idle: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, running: tokio::spawn(observe(address, pid, idle, stopped)) }
    }

    /// Ends the observation of the server and returns what was observed. If the probe has sent fewer than
    /// [`MIN_REQUESTS`] requests until now, it first sends the missing requests.
    pub(super) async fn stop(self) -> anyhow::Result<Observed> {
        // A probe that has failed no longer receives this signal. The error of the probe is returned below.
        let _failed = self.stop.send(());
        self.running.await.context("the probe panicked")?
    }
}

async fn observe(
    address: SocketAddr,
    pid: u32,
    idle: SocketAddr,
    mut stopped: oneshot::Receiver<()>,
) -> anyhow::Result<Observed> {
    let [server, idle] = [address, idle].map(|address| (Arc::new(HttpClient::new(address)), address));
    let (mut requests, mut idle_requests, mut n_requests) = (JoinSet::new(), JoinSet::new(), 0);
    let mut peak_rss_mib = 0.0_f64;
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut is_stopped = false;
    while !is_stopped || n_requests < MIN_REQUESTS {
        tokio::select! {
            scheduled = ticks.tick() => {
                n_requests += 1;
                requests.spawn(check_health(server.clone(), scheduled.into_std()));
                idle_requests.spawn(check_health(idle.clone(), scheduled.into_std()));
                peak_rss_mib = peak_rss_mib.max(resource_usage::rss_mib(pid).unwrap_or_default());
            }
            _ = &mut stopped, if !is_stopped => is_stopped = true,
        }
    }
    let (health_times, idle_times) = (times(requests).await?, times(idle_requests).await?);
    Ok(Observed { health_times, idle_times, peak_rss_mib })
}

async fn times(mut requests: JoinSet<anyhow::Result<Duration>>) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while let Some(answered) = requests.join_next().await {
        times.push(answered??);
    }
    Ok(times)
}

async fn check_health(
    (client, address): (Arc<HttpClient>, SocketAddr),
    scheduled: Instant,
) -> anyhow::Result<Duration> {
    let request = Request::get("/healthz").header(header::HOST, address.to_string());
    let (status, _) = client.send(request.body(Full::<Bytes>::default())?).await?;
    ensure!(status == StatusCode::OK, "/healthz answers {status}");
    Ok(scheduled.elapsed())
}
