//! The driver of accepted requests: claims jobs as there is room, runs them through the pipeline, and writes what
//! came of it together with the webhook that is now due.

use std::sync::Arc;
use std::time::Duration;

use pixaven_ledger::{InputRef, Job, JobDone, Lease, Ledger, Release, UsageDelta};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::driver::{LOCAL_TROUBLE_PAUSE_MS, free_permits};
use crate::error::ApiError;
use crate::lifecycle::Tasks;
use crate::pipeline::{Pipeline, result_url};
use crate::request::{self, Origin, Spec};
use crate::response;
use crate::sandbox::{Failure, Patience};
use crate::source::Source;
use crate::telemetry::with_causes;

/// A job that was begun this often without any end takes the server down, or its worker: it must not do so for ever.
const N_CRASHES_MAX: u32 = 5;

/// What the ledger keeps of an accepted request: the JSON as it came, and what it meant when it came.
#[derive(Serialize, Deserialize)]
pub struct KeptRequest {
    /// How it came.
    pub origin: Origin,
    /// The address under which the caller knows this server; results are linked below it.
    pub base_url: String,
    /// The request's JSON, byte for byte.
    pub request: String,
}

/// Takes jobs and runs them. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    ledger: Ledger,
    pipeline: Pipeline,
    permits: Arc<Semaphore>,
    lease_ms: i64,
}

impl Jobs {
    /// A driver that runs at most `concurrency` jobs at once; most of them will wait for their source or a worker.
    /// A lease of `lease_ms` is renewed at a third of it.
    pub fn new(ledger: Ledger, pipeline: Pipeline, concurrency: usize, lease_ms: i64) -> Self {
        Self { ledger, pipeline, permits: Arc::new(Semaphore::new(concurrency)), lease_ms }
    }

    /// Claims and runs jobs until told to stop; running ones end by themselves, as tasks of their own.
    pub async fn run(self, tasks: Tasks) {
        let mut due = self.ledger.jobs_due();
        let stop = tasks.stop_token();
        loop {
            let mut permits = tokio::select! {
                permits = free_permits(&self.permits) => permits,
                () = stop.cancelled() => return,
            };
            let n_free = permits.num_permits();
            // Not cancelled by a stop: what is claimed here must be run or given back.
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
                let (jobs, give_up) = (self.clone(), tasks.give_up_token().clone());
                tasks.spawn("job", async move {
                    jobs.attend(lease, &give_up).await;
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

    /// Claims what is due now and runs it to its end, one after the other; returns how many. For tests.
    pub async fn step(&self) -> Result<usize, pixaven_ledger::Error> {
        let claimed = self.claim(16).await?;
        let n_claimed = claimed.len();
        for lease in claimed {
            self.attend(lease, &CancellationToken::new()).await;
        }
        Ok(n_claimed)
    }

    /// Runs one job to its end, keeping its lease alive; gives it back when the server cannot wait for it.
    async fn attend(&self, mut lease: Lease<Job>, give_up: &CancellationToken) {
        let id = lease.value.id;
        let written = {
            let job = lease.value.clone();
            let mut work = std::pin::pin!(self.perform(&job));
            let outcome = loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    () = tokio::time::sleep(Duration::from_millis(self.lease_ms.unsigned_abs() / 3)) => {
                        match self.ledger.renew_job(&mut lease, self.lease_ms).await {
                            Ok(()) => {}
                            Err(pixaven_ledger::Error::LostLease) => {
                                tracing::warn!(%id, "a job's lease is lost; its work is dropped");
                                return;
                            }
                            Err(error) => tracing::error!(%id, %error, "a job's lease could not be renewed yet"),
                        }
                    }
                    () = give_up.cancelled() => break Ending::GiveBack(Release::Stopped),
                }
            };
            self.write(lease, outcome).await
        };
        if let Err(error) = written {
            // The lease runs out by itself and the job is done again: the same request, the same id.
            tracing::error!(%id, %error, "the end of a job could not be written");
        }
    }

    async fn write(&self, lease: Lease<Job>, ending: Ending) -> Result<(), pixaven_ledger::Error> {
        let input = lease.value.input.content().cloned();
        match ending {
            Ending::Done(done) => {
                let content = done.result.as_ref().map(|result| result.content.clone());
                if let Err(error) = self.ledger.finish_job(lease, done).await {
                    if let Some(content) = content.filter(|_| was_not_written(&error)) {
                        self.pipeline.forget(&content).await;
                    }
                    return Err(error);
                }
            }
            Ending::GiveBack(why) => return self.ledger.release_job(lease, why).await,
        }
        if let Some(content) = input
            && let Err(error) = self.pipeline.blobs.remove(&content).await
        {
            tracing::warn!(?content, %error, "a used input could not be removed; the sweep will");
        }
        Ok(())
    }

    async fn perform(&self, job: &Job) -> Ending {
        if job.n_crashes >= N_CRASHES_MAX {
            tracing::error!(id = %job.id, n_crashes = job.n_crashes, "job given up: no try of it came to an end");
            return Ending::Done(failed(job, &Failure::Crashed("too many tries".to_owned()).into()));
        }
        let started = std::time::Instant::now();
        let result = self.process(job).await;
        let duration_ms = started.elapsed().as_millis() as u64;
        match result {
            Ok(done) => {
                tracing::info!(id = %job.id, duration_ms, "job done");
                Ending::Done(done)
            }
            Err(Failure::Crashed(detail)) if job.n_crashes == 0 => {
                tracing::warn!(id = %job.id, duration_ms, detail, "job's worker died; it is tried once more");
                Ending::GiveBack(Release::Crashed)
            }
            Err(failure) => {
                let error = ApiError::from(failure);
                if error.is_local_trouble() {
                    tracing::error!(id = %job.id, error = with_causes(&error), "job postponed");
                    return Ending::GiveBack(Release::Later { after_ms: LOCAL_TROUBLE_PAUSE_MS });
                }
                tracing::info!(id = %job.id, duration_ms, error = error.kind().row().word, message = %error, "job failed");
                Ending::Done(failed(job, &error))
            }
        }
    }

    async fn process(&self, job: &Job) -> Result<JobDone, Failure> {
        let kept: KeptRequest = serde_json::from_str(&job.spec).map_err(ApiError::internal)?;
        let spec = request::parse(kept.request.as_bytes(), kept.origin, false).map_err(ApiError::from)?;
        let source = source_of(job, &spec)?;
        let done = self.pipeline.run(job.account, &spec, source, Patience::Wait).await?;
        let delay_ms = spec.webhook.as_ref().map_or(0, |webhook| webhook.delay_ms);
        let stored = self.pipeline.keep(job.id, job.account, &done, delay_ms).await?;
        let url = result_url(&kept.base_url, job.id, &stored.name);
        let payload = response::success(job.id, &done, Some(&url));
        Ok(JobDone { payload, usage: done.usage(), result: Some(stored) })
    }
}

/// Whether the ledger surely has not taken what it was given; after other failures it may have.
pub fn was_not_written(error: &pixaven_ledger::Error) -> bool {
    use pixaven_ledger::Error;
    matches!(error, Error::LostLease | Error::Busy)
}

/// How a job ended here.
enum Ending {
    Done(JobDone),
    GiveBack(Release),
}

fn failed(job: &Job, error: &ApiError) -> JobDone {
    let payload = response::failure(job.id, error);
    JobDone { payload, usage: UsageDelta { requests: 1, input_bytes: 0, output_bytes: 0 }, result: None }
}

fn source_of(job: &Job, spec: &Spec) -> Result<Source, ApiError> {
    match &job.input {
        InputRef::Upload { content, name, bytes } => {
            let n_bytes = usize::try_from(*bytes).map_err(ApiError::internal)?;
            let name = (!name.is_empty()).then(|| name.clone());
            Ok(Source::Kept { content: content.clone(), name, n_bytes })
        }
        InputRef::Url => Source::of_url(spec),
    }
}
