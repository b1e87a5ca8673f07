//! One case: a server under load meets it, is looked at, and is started again without it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::json;

use super::Load;
use super::cases::{Case, Ending};
use super::mount::SmallDisk;
use crate::api::Api;
use crate::audit::{self, Audit};
use crate::database;
use crate::job::{Image, Job, Urls};
use crate::load::{self, Answers};
use crate::loopback::Client;
use crate::origin::Origin;
use crate::receiver::Receiver;
use crate::report::{self, progress};
use crate::server::Installation;
use crate::strace::Tracer;

/// How long a server may go on refusing once the trouble is over.
const PATIENCE: Duration = Duration::from_secs(20);

/// The part of the load that a disk has room for.
const BEFORE_FULL: f64 = 0.3;

/// Requests to a server that has to refuse them.
const N_REFUSALS: u64 = 20;

/// A server and what is around it.
pub(super) struct Scene<'a> {
    case: &'a Case,
    image: &'a Image,
    load: Load,
    installation: Installation,
    origin: Origin,
    receiver: Receiver,
    answers: Answers,
}

/// What a case came to.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    case: &'static str,
    #[serde(flatten)]
    audit: Audit,
    /// 503: as it has to be.
    refused: usize,
    /// Answers that are neither 202 nor 503.
    rejected: usize,
    cut: usize,
    /// Accepted though they were sent after a flush had failed.
    false_202: usize,
    /// What SQLite found wrong with its file.
    corrupt: usize,
    /// Whether the server came out of it as it has to.
    ended_well: bool,
}

impl Judged {
    pub(super) fn is_good(&self) -> bool {
        let audit = &self.audit;
        let n_bad = audit.lost + audit.altered + audit.failed + self.rejected + self.cut;
        n_bad + self.false_202 + self.corrupt == 0 && audit.accepted > 0 && self.ended_well
    }
}

impl<'a> Scene<'a> {
    pub(super) async fn set(
        case: &'a Case,
        installation: Installation,
        image: &'a Image,
        load: Load,
    ) -> anyhow::Result<Self> {
        let origin = Origin::start(image.bytes.clone()).await?;
        let receiver = Receiver::start().await?;
        Ok(Self { case, image, load, installation, origin, receiver, answers: Answers::default() })
    }

    /// The disk fills up while requests come in; later there is room again.
    pub(super) async fn with_full_disk(mut self, disk: &SmallDisk) -> anyhow::Result<Judged> {
        let (server, address) = self.installation.start(0).await?;
        let (client, job) = self.client(address);
        let end = tokio::time::sleep(self.load.time);
        let fill = async {
            tokio::time::sleep(self.load.time.mul_f64(BEFORE_FULL)).await;
            disk.keep_full().await
        };
        self.answers = tokio::select! {
            answers = load::run(&client, &job, self.load.rate, end) => answers,
            error = fill => return Err(error),
        };
        let was_full = self.answers.n_refused > 0;
        if self.case.ending == Ending::Killed {
            server.kill().await?;
            disk.make_room()?;
            return self.restarted(0, was_full).await;
        }
        disk.make_room()?;
        let recovers = self.accepts_again(&client, &job).await;
        server.stop().await?;
        self.restarted(0, was_full && recovers).await
    }

    /// The system refuses some calls while requests come in.
    pub(super) async fn with_refused_calls(mut self, tracer: &Tracer) -> anyhow::Result<Judged> {
        let mut server = self.installation.spawn_traced(tracer)?;
        let address = server.listening().await?;
        let (client, job) = self.client(address);
        let end = tokio::time::sleep(self.load.time);
        self.answers = load::run(&client, &job, self.load.rate, end).await;
        let trace = tracer.trace()?;
        let was_hit = trace.n_faults() > 0;
        if self.case.ending == Ending::Refuses {
            let refuses = self.refuses(&client, &job).await && self.says_so(address).await?;
            server.kill().await?;
            let n_false = self.n_sent_since(trace.first_fault_s());
            return self.restarted(n_false, was_hit && refuses).await;
        }
        let is_right = match self.case.ending {
            Ending::RefusesEach => self.answers.n_refused == trace.n_faults(),
            _ => self.accepts_again(&client, &job).await,
        };
        server.stop().await?;
        self.restarted(0, was_hit && is_right).await
    }

    /// Whether those who look after the server are told that it needs a restart.
    async fn says_so(&self, address: SocketAddr) -> anyhow::Result<bool> {
        let api = Api::new(address, &self.installation.key);
        let (alive, ready) = (api.get("/healthz").await?, api.get("/readyz").await?);
        Ok([alive.status, ready.status] == [StatusCode::SERVICE_UNAVAILABLE; 2])
    }

    fn client(&self, address: SocketAddr) -> (Arc<Client>, Arc<Job>) {
        let urls = Urls { image: self.origin.image_url(), webhook: json!({ "url": self.receiver.url() }) };
        let job = Job::new(address, &self.installation.key, self.case.way, self.image, &urls);
        (Arc::new(Client::new(address)), Arc::new(job))
    }

    /// How many of the accepted requests were sent after a moment; all of them, if it never came.
    fn n_sent_since(&self, moment_s: Option<f64>) -> usize {
        let now = clock_gettime(ClockId::Realtime);
        let now_s = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
        let age_s = moment_s.map_or(f64::INFINITY, |moment_s| now_s - moment_s);
        self.answers.sent_at.iter().filter(|sent| sent.elapsed().as_secs_f64() < age_s).count()
    }

    /// Whether a request is accepted before patience ends.
    async fn accepts_again(&mut self, client: &Arc<Client>, job: &Arc<Job>) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let n_before = self.answers.accepted.len();
            self.ask_once(client, job).await;
            if self.answers.accepted.len() > n_before {
                return true;
            }
        }
        false
    }

    /// Whether all further requests are refused.
    async fn refuses(&mut self, client: &Arc<Client>, job: &Arc<Job>) -> bool {
        let n_before = self.answers.accepted.len();
        for _ in 0..N_REFUSALS {
            self.ask_once(client, job).await;
        }
        self.answers.accepted.len() == n_before
    }

    async fn ask_once(&mut self, client: &Arc<Client>, job: &Arc<Job>) {
        let once = tokio::time::sleep(Duration::from_secs_f64(0.5 / self.load.rate));
        self.answers.extend(load::run(client, job, self.load.rate, once).await);
    }

    /// Starts the server without any fault and judges everything.
    async fn restarted(self, false_202: usize, ended_well: bool) -> anyhow::Result<Judged> {
        let (server, address) = self.installation.start(0).await?;
        let accepted = &self.answers.accepted;
        self.receiver.wait_for(accepted, self.load.drain).await;
        let deliveries = self.receiver.deliveries();
        report::explain(&Api::new(address, &self.installation.key), &audit::lost(accepted, &deliveries))
            .await;
        server.stop().await?;
        let damage = database::damage(self.installation.dir())?;
        for line in &damage {
            progress(format_args!("{}: {line}", self.case.name));
        }
        if let Some(why) = &self.answers.first_rejection {
            progress(format_args!("{}: rejected: {why}", self.case.name));
        }
        Ok(Judged {
            case: self.case.name,
            audit: Audit::of(accepted, &deliveries),
            refused: self.answers.n_refused,
            rejected: self.answers.n_rejected,
            cut: self.answers.n_cut,
            false_202,
            corrupt: damage.len(),
            ended_well,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_that_is_not_as_it_should_be_is_enough() {
        let audit = Audit { accepted: 9, delivered: 9, ..Audit::default() };
        let good = || Judged {
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
        let with = |audit| Judged { audit, ..good() };
        let bad = [
            with(Audit { lost: 1, ..audit }),
            with(Audit { altered: 1, ..audit }),
            with(Audit { failed: 1, ..audit }),
            with(Audit { accepted: 0, ..audit }),
            Judged { rejected: 1, ..good() },
            Judged { cut: 1, ..good() },
            Judged { false_202: 1, ..good() },
            Judged { corrupt: 1, ..good() },
            Judged { ended_well: false, ..good() },
        ];
        assert!(bad.iter().all(|judged| !judged.is_good()));
    }
}
