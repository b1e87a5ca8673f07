//! What is removed when its time has come: expired results, inputs whose request was never accepted, watermarks nobody
//! can ask for any more, history older than its retention. Bounded steps, so that a large backlog holds nobody up.

use std::time::Duration;

use pixaven_ledger::Ledger;
use tokio_util::sync::CancellationToken;

use crate::blobs::Blobs;
use crate::error::ApiError;
use crate::pipeline::day;
use crate::telemetry::with_causes;

/// Rows looked at in one step.
const STEP_ROWS: u32 = 200;
/// An input this old without a job was uploaded for a request that never became durable.
const ORPHAN_AGE_MS: i64 = 60 * 60 * 1000;

/// The longest `webhook.delay`.
const DELAY_MAX_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The sweeper. Cheap to clone.
#[derive(Clone)]
pub struct Sweep {
    /// Where expiry is known.
    pub ledger: Ledger,
    /// Where files lie.
    pub blobs: Blobs,
    /// How long ended webhooks are kept.
    pub retention_ms: i64,
    /// How long results are kept after they could first be announced.
    pub keep_results_ms: i64,
}

/// What one sweep removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Expired results.
    pub n_results: u64,
    /// Inputs without a job, results and watermarks without a row.
    pub n_orphans: u64,
    /// Watermarks that were removed.
    pub n_watermarks: u64,
    /// Webhooks beyond their retention.
    pub n_webhooks: u64,
}

impl Sweep {
    /// Sweeps now and then until told to stop.
    pub async fn run(self, interval: Duration, stop: CancellationToken) {
        match self.sweep_unfinished().await {
            Ok(0) => {}
            Ok(n_files) => tracing::info!(n_files, "files removed that a crash had cut off"),
            Err(error) => tracing::error!(
                error = with_causes(&error),
                "files that a crash cut off are not removed; the next start will"
            ),
        }
        loop {
            match self.sweep().await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(Swept { n_results, n_orphans, n_watermarks, n_webhooks }) => {
                    tracing::info!(n_results, n_orphans, n_watermarks, n_webhooks, "swept");
                }
                Err(error) => {
                    tracing::error!(error = with_causes(&error), "a sweep failed; the next one goes on");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Removes everything whose time has come.
    pub async fn sweep(&self) -> Result<Swept, ApiError> {
        Ok(Swept {
            n_results: self.sweep_results().await?,
            n_orphans: self.sweep_inputs().await?
                + self.sweep_lost_results().await?
                + self.sweep_lost_watermarks().await?,
            n_watermarks: self.sweep_watermarks().await?,
            n_webhooks: self.sweep_history().await?,
        })
    }

    /// The file goes first: a row without a file is swept again, a file without a row would stay for ever.
    async fn sweep_results(&self) -> Result<u64, ApiError> {
        let mut n_swept = 0;
        loop {
            let expired = self.ledger.expired_results(STEP_ROWS).await?;
            if expired.is_empty() {
                return Ok(n_swept);
            }
            for blob_key in expired.iter().filter_map(|result| result.blob_key.as_ref()) {
                self.blobs.delete(blob_key).await?;
            }
            let ids: Vec<_> = expired.iter().map(|result| result.id).collect();
            self.ledger.forget_results(&ids).await?;
            n_swept += ids.len() as u64;
        }
    }

    async fn sweep_inputs(&self) -> Result<u64, ApiError> {
        let before_ms = self.ledger.clock().now_ms() - ORPHAN_AGE_MS;
        let old = self.blobs.inputs_before(before_ms).await?;
        let mut n_swept = 0;
        for ids in old.chunks(STEP_ROWS as usize) {
            let unfinished = self.ledger.unfinished_jobs(ids).await?;
            for id in ids.iter().filter(|id| !unfinished.contains(id)) {
                self.blobs.delete(&Blobs::input_key(*id)).await?;
                n_swept += 1;
            }
        }
        Ok(n_swept)
    }

    /// Removes files that an earlier process did not finish; while it lives, a process leaves none. They are as old as an
    /// orphan has to be: beside the server, the command line stores watermarks.
    pub async fn sweep_unfinished(&self) -> Result<u64, ApiError> {
        self.blobs.remove_unfinished_before(self.ledger.clock().now_ms() - ORPHAN_AGE_MS).await
    }

    /// A result's row is gone after the longest delay and its time; a day more is for clocks that disagree.
    async fn sweep_lost_results(&self) -> Result<u64, ApiError> {
        let oldest_ms = self.ledger.clock().now_ms() - self.keep_results_ms - DELAY_MAX_MS - DAY_MS;
        self.blobs.remove_results_before(&day(oldest_ms)).await
    }

    /// As with results, the file goes first.
    async fn sweep_watermarks(&self) -> Result<u64, ApiError> {
        let before_ms = self.ledger.clock().now_ms() - ORPHAN_AGE_MS;
        let mut n_swept = 0;
        loop {
            let ids = self.ledger.unused_watermarks(before_ms, STEP_ROWS).await?;
            if ids.is_empty() {
                return Ok(n_swept);
            }
            for id in &ids {
                self.blobs.delete(&Blobs::watermark_key(id)).await?;
            }
            self.ledger.forget_watermarks(&ids).await?;
            n_swept += ids.len() as u64;
        }
    }

    /// A file whose row was never written: it was stored just before a crash.
    async fn sweep_lost_watermarks(&self) -> Result<u64, ApiError> {
        let before_ms = self.ledger.clock().now_ms() - ORPHAN_AGE_MS;
        let old = self.blobs.watermarks_before(before_ms).await?;
        let mut n_swept = 0;
        for ids in old.chunks(STEP_ROWS as usize) {
            let known = self.ledger.known_watermarks(ids).await?;
            for id in ids.iter().filter(|id| !known.contains(id)) {
                self.blobs.delete(&Blobs::watermark_key(id)).await?;
                n_swept += 1;
            }
        }
        Ok(n_swept)
    }

    async fn sweep_history(&self) -> Result<u64, ApiError> {
        let before_ms = self.ledger.clock().now_ms() - self.retention_ms;
        let mut n_swept = 0;
        loop {
            match self.ledger.sweep_history(before_ms, STEP_ROWS).await? {
                0 => return Ok(n_swept),
                n => n_swept += n,
            }
        }
    }
}
