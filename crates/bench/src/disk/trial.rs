//! The trial of one fault of the disk: the fault occurs while a server is under load, and the server is then
//! restarted without the fault.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use pixaven_testkit::image_origin::ImageOrigin;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::json;

use super::LoadOptions;
use super::cases::{DiskCase, Reaction};
use super::mount::SmallDisk;
use crate::api_client::ApiClient;
use crate::audit::{self, Audit};
use crate::environment::IMAGE_PATH;
use crate::http_client::HttpClient;
use crate::integrity::integrity_errors;
use crate::load::{self, LoadResult};
use crate::report::{self, progress};
use crate::request_template::{RequestTemplate, RequestUrls, TestImage};
use crate::server::Installation;
use crate::strace::Tracer;
use crate::webhook_receiver::WebhookReceiver;

/// The time limit, counted from the end of the fault, until the server accepts a request again.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// The fraction of the duration of the load after which the disk is filled.
const PART_BEFORE_FULL: f64 = 0.3;

/// The number of requests that the tool sends to a server that must refuse all of them.
const N_REFUSALS: u64 = 20;

/// The trial of one fault: the server's files, its image origin and its webhook receiver. `result` holds the
/// outcomes of all requests so far.
pub(super) struct DiskTrial<'a> {
    case: &'a DiskCase,
    image: &'a TestImage,
    load: LoadOptions,
    installation: Installation,
    origin: ImageOrigin,
    receiver: WebhookReceiver,
    result: LoadResult,
}

/// The figures of the trial of one fault.
#[derive(Debug, Serialize)]
pub(super) struct CaseResult {
    case: &'static str,
    #[serde(flatten)]
    audit: Audit,
    /// The number of responses with status 503, which is the correct status during the fault.
    refused: usize,
    /// The number of responses whose status is neither 202 nor 503.
    rejected: usize,
    cut: usize,
    /// The number of requests that the server accepted although they were sent after a failed flush.
    false_202: usize,
    /// The number of errors that SQLite found in the database.
    corrupt: usize,
    /// Whether the server reacted to the fault as required.
    ended_well: bool,
}

impl CaseResult {
    /// Returns whether the server reacted as required, lost no webhook, and sent no wrong response.
    pub(super) fn is_good(&self) -> bool {
        let audit = &self.audit;
        let n_bad = audit.lost + audit.altered + audit.failed + self.rejected + self.cut;
        n_bad + self.false_202 + self.corrupt == 0 && audit.accepted > 0 && self.ended_well
    }
}

impl<'a> DiskTrial<'a> {
    /// Starts the image origin and the webhook receiver, but not the server.
    pub(super) async fn new(
        case: &'a DiskCase,
        installation: Installation,
        image: &'a TestImage,
        load: LoadOptions,
    ) -> anyhow::Result<Self> {
        let origin = ImageOrigin::start(image.bytes.clone()).await?;
        let receiver = WebhookReceiver::start().await?;
        Ok(Self { case, image, load, installation, origin, receiver, result: LoadResult::default() })
    }

    /// Runs the trial of a full disk. The disk becomes full during the load, and has free space again after
    /// the load.
    pub(super) async fn with_full_disk(mut self, disk: &SmallDisk) -> anyhow::Result<CaseResult> {
        let (server, address) = self.installation.start(0).await?;
        let (http, template) = self.load_client(address);
        let end = tokio::time::sleep(self.load.duration);
        let fill = async {
            tokio::time::sleep(self.load.duration.mul_f64(PART_BEFORE_FULL)).await;
            disk.keep_full().await
        };
        self.result = tokio::select! {
            result = load::run(&http, &template, self.load.rate, end) => result,
            error = fill => return Err(error),
        };
        let was_full = self.result.n_refused > 0;
        if self.case.reaction == Reaction::Killed {
            server.kill().await?;
            disk.free_space()?;
            return self.restart_and_judge(0, was_full).await;
        }
        disk.free_space()?;
        let recovers = self.accepts_again(&http, &template).await;
        server.stop().await?;
        self.restart_and_judge(0, was_full && recovers).await
    }

    /// Runs the trial of failing system calls. `strace` makes some system calls of the server fail during the
    /// load.
    pub(super) async fn with_failing_calls(mut self, tracer: &Tracer) -> anyhow::Result<CaseResult> {
        let mut server = self.installation.spawn_traced(tracer)?;
        let address = server.wait_until_listening().await?;
        let (http, template) = self.load_client(address);
        let end = tokio::time::sleep(self.load.duration);
        self.result = load::run(&http, &template, self.load.rate, end).await;
        let trace = tracer.trace()?;
        let was_hit = trace.n_faults() > 0;
        if self.case.reaction == Reaction::Refuses {
            let refuses =
                self.refuses_all(&http, &template).await && self.is_reported_unhealthy(address).await?;
            server.kill().await?;
            let n_false = self.n_accepted_since(trace.first_fault_s());
            return self.restart_and_judge(n_false, was_hit && refuses).await;
        }
        let is_right = match self.case.reaction {
            Reaction::RefusesEach => self.result.n_refused == trace.n_faults(),
            _ => self.accepts_again(&http, &template).await,
        };
        server.stop().await?;
        self.restart_and_judge(0, was_hit && is_right).await
    }

    /// Returns whether the server answers both `/healthz` and `/readyz` with 503, which means that the server
    /// must be restarted.
    async fn is_reported_unhealthy(&self, address: SocketAddr) -> anyhow::Result<bool> {
        let api = ApiClient::new(address, &self.installation.key);
        let (healthy, ready) = (api.get("/healthz").await?, api.get("/readyz").await?);
        Ok([healthy.status, ready.status] == [StatusCode::SERVICE_UNAVAILABLE; 2])
    }

    fn load_client(&self, address: SocketAddr) -> (Arc<HttpClient>, Arc<RequestTemplate>) {
        let webhook = json!({ "url": self.receiver.url() });
        let urls = RequestUrls { image: self.origin.url(IMAGE_PATH), webhook };
        let key = &self.installation.key;
        let template = RequestTemplate::new(address, key, self.case.input, self.image, &urls);
        (Arc::new(HttpClient::new(address)), Arc::new(template))
    }

    /// Counts the accepted requests that were sent after the time `time_s`, in seconds since 1970. If no time
    /// is given, counts all accepted requests.
    fn n_accepted_since(&self, time_s: Option<f64>) -> usize {
        let now = clock_gettime(ClockId::Realtime);
        let now_s = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
        let age_s = time_s.map_or(f64::INFINITY, |time_s| now_s - time_s);
        self.result.scheduled_at.iter().filter(|scheduled| scheduled.elapsed().as_secs_f64() < age_s).count()
    }

    /// Sends requests until the server accepts one, and returns whether this happens within
    /// [`RECOVERY_TIMEOUT`].
    async fn accepts_again(&mut self, http: &Arc<HttpClient>, template: &Arc<RequestTemplate>) -> bool {
        let end = Instant::now() + RECOVERY_TIMEOUT;
        while Instant::now() < end {
            let n_before = self.result.accepted.len();
            self.send_one(http, template).await;
            if self.result.accepted.len() > n_before {
                return true;
            }
        }
        false
    }

    /// Sends [`N_REFUSALS`] requests, and returns whether the server refuses all of them.
    async fn refuses_all(&mut self, http: &Arc<HttpClient>, template: &Arc<RequestTemplate>) -> bool {
        let n_before = self.result.accepted.len();
        for _ in 0..N_REFUSALS {
            self.send_one(http, template).await;
        }
        self.result.accepted.len() == n_before
    }

    async fn send_one(&mut self, http: &Arc<HttpClient>, template: &Arc<RequestTemplate>) {
        let end = tokio::time::sleep(Duration::from_secs_f64(0.5 / self.load.rate));
        self.result.extend(load::run(http, template, self.load.rate, end).await);
    }

    /// Restarts the server without an injected fault, waits for the webhooks of all accepted requests, and
    /// checks the database.
    async fn restart_and_judge(self, false_202: usize, ended_well: bool) -> anyhow::Result<CaseResult> {
        let (server, address) = self.installation.start(0).await?;
        let accepted = &self.result.accepted;
        self.receiver.wait_for(accepted, self.load.drain).await;
        let deliveries = self.receiver.deliveries();
        let api = ApiClient::new(address, &self.installation.key);
        report::explain_lost(&api, &audit::lost_ids(accepted, &deliveries)).await;
        server.stop().await?;
        let integrity_errors = integrity_errors(self.installation.dir())?;
        for line in &integrity_errors {
            progress(format_args!("{}: {line}", self.case.name));
        }
        if let Some(reason) = &self.result.first_rejection {
            progress(format_args!("{}: rejected: {reason}", self.case.name));
        }
        Ok(CaseResult {
            case: self.case.name,
            audit: Audit::new(accepted, &deliveries),
            refused: self.result.n_refused,
            rejected: self.result.n_rejected,
            cut: self.result.n_cut,
            false_202,
            corrupt: integrity_errors.len(),
            ended_well,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_with_disk_faults_fails_if_any_one_of_its_requirements_is_not_met() {
        let audit = Audit { accepted: 9, delivered: 9, ..Audit::default() };
        let good = || CaseResult {
            case: "",
            audit,
            refused: 3,
            rejected: 0,
            cut: 0,
            false_202: 0,
            corrupt: 0,
            ended_well: true,
        };
        assert!(good().is_good());
        let with = |audit| CaseResult { audit, ..good() };
        let bad = [
            with(Audit { lost: 1, ..audit }),
            with(Audit { altered: 1, ..audit }),
            with(Audit { failed: 1, ..audit }),
            with(Audit { accepted: 0, ..audit }),
            CaseResult { rejected: 1, ..good() },
            CaseResult { cut: 1, ..good() },
            CaseResult { false_202: 1, ..good() },
            CaseResult { corrupt: 1, ..good() },
            CaseResult { ended_well: false, ..good() },
        ];
        assert!(bad.iter().all(|result| !result.is_good()));
    }
}
