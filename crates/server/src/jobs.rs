//! The driver of accepted requests: claims as many jobs as it can run, runs each job through the pipeline,
//! and writes the result or the failure of the job to the ledger. The same ledger operation schedules the
//! webhook of the job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pixaven_ledger::{InputRef, Job, JobOutcome, Lease, Ledger, ReleaseReason, UsageDelta};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::runtime::lifecycle::Tasks;
use crate::runtime::permits::{free_permits, local_trouble_pause_ms};
use crate::runtime::seal::{Seal, request_context};
use crate::runtime::telemetry::with_causes;
use crate::work::Caller;
use crate::work::error::WorkError;
use crate::work::payload::PayloadFormat;
use crate::work::pipeline::{Order, Pipeline, ResultPlace};
use crate::work::request::{self, Spec, StoredRequest};
use crate::work::source::Source;

/// If this many runs of a job have ended by a crash of the server or of an image worker, the job fails.
/// Without this limit, a job that crashes the server would crash the server again after every restart.
const N_CRASHES_MAX: u32 = 5;

/// The pause before the end of a job is written again, after the ledger could not be written.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// The number of runs that a job has at least if the bucket of its customer does not take the result.
const N_STORE_RUNS_MIN: i64 = 6;
/// The pause of a job after its first run whose result the bucket of the customer did not take. Each further
/// pause is twice as long.
const FIRST_BUCKET_PAUSE_MS: i64 = 5_000;
/// The longest pause of a job whose result the bucket of the customer does not take.
const MAX_BUCKET_PAUSE_MS: i64 = 600_000;

/// Claims jobs and runs them. Cloning this driver is cheap.
#[derive(Clone)]
pub struct Jobs {
    ledger: Ledger,
    pipeline: Pipeline,
    payloads: Arc<dyn PayloadFormat>,
    permits: Arc<Semaphore>,
    lease_ms: i64,
    store_retry_ms: i64,
}

/// The times of the driver of jobs.
#[derive(Debug, Clone, Copy)]
pub struct JobTimes {
    /// The length of a lease, in milliseconds. A lease is renewed after a third of this time.
    pub lease_ms: i64,
    /// The time from the acceptance of a request for which its job is repeated while the bucket of the customer
    /// does not take the result, in milliseconds.
    pub store_retry_ms: i64,
}

impl Jobs {
    /// Creates a driver that runs at most `concurrency` jobs at the same time. Most of these jobs wait for
    /// the download of their image or for an image worker.
    pub fn new(
        ledger: Ledger,
        pipeline: Pipeline,
        payloads: Arc<dyn PayloadFormat>,
        concurrency: usize,
        times: JobTimes,
    ) -> Self {
        let JobTimes { lease_ms, store_retry_ms } = times;
        let permits = Arc::new(Semaphore::new(concurrency));
        Self { ledger, pipeline, payloads, permits, lease_ms, store_retry_ms }
    }

    /// Claims and runs jobs until `tasks` is stopped. Each job runs in its own task, which continues after
    /// this method has returned.
    pub async fn run(self, tasks: Tasks) {
        let mut due = self.ledger.jobs_due();
        let stop = tasks.stop_token();
        loop {
            let mut permits = tokio::select! {
                permits = free_permits(&self.permits) => permits,
                () = stop.cancelled() => return,
            };
            let n_free = permits.num_permits();
            // A stop does not interrupt the claim, because every claimed job must be run or released.
            let claimed = match self.claim(n_free).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::error!(%error, "jobs could not be claimed");
                    Vec::new()
                }
            };
            let is_drained = claimed.len() < n_free;
            for lease in claimed {
                let permit = permits.split(1);
                let (jobs, return_leases) = (self.clone(), tasks.return_leases_token().clone());
                tasks.spawn("job", async move {
                    jobs.attend(lease, &return_leases).await;
                    drop(permit);
                });
            }
            drop(permits);
            if is_drained {
                tokio::select! {
                    () = due.wait() => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }

    async fn claim(&self, n_free: usize) -> Result<Vec<Lease<Job>>, pixaven_ledger::Error> {
        self.ledger.claim_jobs(u32::try_from(n_free).unwrap_or(u32::MAX), self.lease_ms).await
    }

    /// Claims the jobs that are due now, at most 16, and runs them one after the other. Returns the number of
    /// claimed jobs after all of them have ended. Only tests call this method.
    pub async fn step(&self) -> Result<usize, pixaven_ledger::Error> {
        let claimed = self.claim(16).await?;
        let n_claimed = claimed.len();
        for lease in claimed {
            self.attend(lease, &CancellationToken::new()).await;
        }
        Ok(n_claimed)
    }

    /// Runs one job to its end and renews the job's lease during the run. If `return_leases` is cancelled,
    /// the run is stopped and the lease is returned. If the lease is lost, the run is stopped and nothing is
    /// written.
    async fn attend(&self, mut lease: Lease<Job>, return_leases: &CancellationToken) {
        let id = lease.value.id;
        let job = lease.value.clone();
        let n_run = lease.fence;
        let mut running = std::pin::pin!(self.run_job(&job, n_run));
        let end = tokio::select! {
            end = &mut running => end,
            () = self.keep_lease(&mut lease) => return,
            () = return_leases.cancelled() => JobEnd::Released(ReleaseReason::Stopped),
        };
        if let Err(error) = self.write(&lease, end, return_leases).await {
            // Because the end of the job is not recorded, the job runs again after its lease has expired,
            // with the same request and the same id.
            tracing::error!(%id, %error, "the end of a job could not be written");
        }
    }

    /// Renews the lease of a job again and again. Returns when the lease is lost.
    async fn keep_lease(&self, lease: &mut Lease<Job>) {
        let id = lease.value.id;
        loop {
            tokio::time::sleep(Duration::from_millis(self.lease_ms.unsigned_abs() / 3)).await;
            match self.ledger.renew_job(lease, self.lease_ms).await {
                Ok(()) => {}
                Err(pixaven_ledger::Error::LostLease) => {
                    tracing::warn!(%id, "a job's lease is lost; its work is dropped");
                    return;
                }
                Err(error) => tracing::error!(%id, %error, "a job's lease could not be renewed yet"),
            }
        }
    }

    /// Writes to the ledger how a run of a job ended. If the job succeeded or failed, also deletes the stored
    /// upload of the job. If the job will run again, its upload is kept.
    async fn write(
        &self,
        lease: &Lease<Job>,
        end: JobEnd,
        return_leases: &CancellationToken,
    ) -> Result<(), pixaven_ledger::Error> {
        let input = lease.value.input.content().cloned();
        let (id, json, seal) = (lease.value.id, lease.value.spec.clone(), self.pipeline.seal.clone());
        let redact = move || redacted_spec(&unsealed(&seal, id, &json)?);
        let redacted = self.pipeline.threads.run(lease.value.spec.len(), redact).await;
        let redacted = redacted.map_err(WorkError::internal).flatten();
        let redacted_spec = redacted.unwrap_or_else(|error| {
            tracing::error!(%id, error = with_causes(&error), "a job's request cannot be read and is deleted");
            Some(String::new())
        });
        match end {
            JobEnd::Succeeded { payload, usage, place } => {
                let done = JobOutcome { payload, usage, result: place.stored().cloned(), redacted_spec };
                self.pipeline.commit(&place, self.finish(lease, done, return_leases)).await?;
            }
            JobEnd::Failed { payload } => {
                let usage = UsageDelta { requests: 1, input_bytes: 0, output_bytes: 0 };
                let done = JobOutcome { payload, usage, result: None, redacted_spec };
                self.finish(lease, done, return_leases).await?;
            }
            JobEnd::Released(reason) => {
                let release = || self.ledger.release_job(lease, reason);
                return self.repeat(lease, release, return_leases).await;
            }
        }
        if let Some(content) = input
            && let Err(error) = self.pipeline.blobs.remove(&content).await
        {
            tracing::warn!(?content, %error, "a used input could not be removed; the sweep will");
        }
        Ok(())
    }

    async fn finish(
        &self,
        lease: &Lease<Job>,
        outcome: JobOutcome,
        return_leases: &CancellationToken,
    ) -> Result<(), pixaven_ledger::Error> {
        self.repeat(lease, || self.ledger.finish_job(lease, outcome.clone()), return_leases).await
    }

    /// Calls a ledger operation that ends the lease. Repeats the call while the ledger cannot be written and
    /// the lease is valid, because otherwise the job runs again only after its lease has expired.
    ///
    /// A call that fails because the database cannot be reached may have been committed. If a later call then
    /// finds the lease ended, the error of the earlier call is returned, and the result is kept.
    async fn repeat<F: Future<Output = Result<(), pixaven_ledger::Error>>>(
        &self,
        lease: &Lease<Job>,
        call: impl Fn() -> F,
        return_leases: &CancellationToken,
    ) -> Result<(), pixaven_ledger::Error> {
        let id = lease.value.id;
        let mut uncertain = None;
        loop {
            let error = match call().await {
                Ok(()) => return Ok(()),
                Err(pixaven_ledger::Error::LostLease) => {
                    return Err(uncertain.unwrap_or(pixaven_ledger::Error::LostLease));
                }
                Err(error) => error,
            };
            let can_repeat = error.is_passing()
                && self.ledger.clock().now_ms() < lease.until_ms
                && !return_leases.is_cancelled();
            if !can_repeat {
                return Err(error);
            }
            tracing::warn!(%id, %error, "the end of a job is written later");
            if let pixaven_ledger::Error::Away(_) = error {
                uncertain = Some(error);
            }
            tokio::select! {
                () = tokio::time::sleep(LEDGER_PAUSE) => {}
                () = return_leases.cancelled() => {}
            }
        }
    }

    /// Runs a job. `n_run` is the number of this run, counted from 1.
    async fn run_job(&self, job: &Job, n_run: i64) -> JobEnd {
        if job.n_crashes >= N_CRASHES_MAX {
            tracing::error!(id = %job.id, n_crashes = job.n_crashes, "job given up: no try of it came to an end");
            let error = WorkError::WorkerCrashed("too many tries".to_owned());
            return JobEnd::Failed { payload: self.payloads.failure(job.id, error).json };
        }
        let started = Instant::now();
        let produced = self.produce(job).await;
        let duration_ms = started.elapsed().as_millis() as u64;
        match produced {
            Ok(end) => {
                tracing::info!(id = %job.id, duration_ms, "job done");
                end
            }
            Err(WorkError::WorkerCrashed(detail)) if job.n_crashes == 0 => {
                tracing::warn!(id = %job.id, duration_ms, detail, "job's worker died; it is tried once more");
                JobEnd::Released(ReleaseReason::Crashed)
            }
            Err(error) if error.is_local_trouble() => {
                tracing::error!(id = %job.id, error = with_causes(&error), "job postponed");
                let delay_ms = local_trouble_pause_ms(fastrand::f64());
                JobEnd::Released(ReleaseReason::Postponed { delay_ms })
            }
            Err(error) if error.is_bucket_trouble() && self.may_store_later(job, n_run) => {
                let delay_ms = bucket_pause_ms(n_run);
                tracing::info!(id = %job.id, error = with_causes(&error), delay_ms, "job's bucket is tried later");
                JobEnd::Released(ReleaseReason::Postponed { delay_ms })
            }
            Err(error) => {
                let failure = self.payloads.failure(job.id, error);
                tracing::info!(
                    id = %job.id,
                    duration_ms,
                    error = failure.error_word,
                    message = failure.message,
                    "job failed"
                );
                JobEnd::Failed { payload: failure.json }
            }
        }
    }

    /// Returns whether a job whose bucket did not take the result is run again. The time counts from the
    /// acceptance of the request. A job that began late has a few runs in any case.
    fn may_store_later(&self, job: &Job, n_run: i64) -> bool {
        let age_ms = self.pipeline.clock.now_ms() - job.created_ms;
        n_run < N_STORE_RUNS_MIN || age_ms < self.store_retry_ms
    }

    async fn produce(&self, job: &Job) -> Result<JobEnd, WorkError> {
        let (id, json, seal) = (job.id, job.spec.clone(), self.pipeline.seal.clone());
        let parse = move || {
            let json = unsealed(&seal, id, &json)?;
            let stored: StoredRequest = serde_json::from_str(&json).map_err(WorkError::internal)?;
            let spec = request::parse(stored.request.as_bytes(), stored.kind, false)?;
            Ok::<_, WorkError>((stored.base_url, spec))
        };
        let parsed = self.pipeline.threads.run(job.spec.len(), parse).await;
        let (base_url, spec) = parsed.map_err(WorkError::internal)??;
        let source = source_of(job, &spec)?;
        let delay_ms = spec.webhook.as_ref().map_or(0, |webhook| webhook.delay_ms);
        let ticket = self.pipeline.sandbox.admit(Caller::Job, None)?;
        let order = Order { id: job.id, account: job.account, spec: &spec, ticket: &ticket };
        let (image, place) = self.pipeline.produce(&order, source, delay_ms).await?;
        let url = self.pipeline.url_of(&place, &spec, &base_url, job.id);
        let payload = self.payloads.success(job.id, &image, &url);
        Ok(JobEnd::Succeeded { payload, usage: image.usage(), place })
    }
}

/// How one run of a job ended.
enum JobEnd {
    Succeeded { payload: String, usage: UsageDelta, place: ResultPlace },
    Failed { payload: String },
    Released(ReleaseReason),
}

/// Returns the pause of a job after the run number `n_run`, in milliseconds.
fn bucket_pause_ms(n_run: i64) -> i64 {
    let doublings = u32::try_from(n_run - 1).unwrap_or(0).min(20);
    (FIRST_BUCKET_PAUSE_MS << doublings).min(MAX_BUCKET_PAUSE_MS)
}

/// Unseals the stored JSON of a request. A failure postpones the job, because the missing key may come back.
fn unsealed(seal: &Seal, id: Uuid, json: &str) -> Result<String, WorkError> {
    seal.unseal(&request_context(id), json).map_err(|error| WorkError::StorageRead(error.into()))
}

/// Returns the stored request `json` of an ended job without its secrets. `None` if the request has no
/// secrets.
fn redacted_spec(json: &str) -> Result<Option<String>, WorkError> {
    let stored: StoredRequest = serde_json::from_str(json).map_err(WorkError::internal)?;
    let redacted = stored.without_secrets()?;
    redacted.map(|redacted| serde_json::to_string(&redacted)).transpose().map_err(WorkError::internal)
}

fn source_of(job: &Job, spec: &Spec) -> Result<Source, WorkError> {
    match &job.input {
        InputRef::Upload { content, name, bytes } => {
            let n_bytes = usize::try_from(*bytes).map_err(WorkError::internal)?;
            let name = (!name.is_empty()).then(|| name.clone());
            Ok(Source::Stored { content: content.clone(), name, n_bytes })
        }
        InputRef::Url => Source::of_url(spec),
    }
}
