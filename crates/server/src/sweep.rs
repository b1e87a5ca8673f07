//! The sweep deletes data that is no longer needed: expired results, uploads without an unfinished job, files
//! of removed watermarks, and webhooks older than the retention time. Each query to the ledger is limited to
//! a fixed number of rows, so that a large backlog does not delay requests.

use std::time::Duration;

use pixaven_ledger::Ledger;
use tokio_util::sync::CancellationToken;

use crate::runtime::telemetry::with_causes;
use crate::work::blobs::Blobs;
use crate::work::error::WorkError;
use crate::work::result_names::utc_day;

/// The most rows that one query of the sweep reads from the ledger or deletes in the ledger.
const STEP_ROWS: u32 = 200;
/// The age, in milliseconds, from which on a file without a row in the ledger counts as an orphan. A younger
/// file may belong to a request whose row is not committed yet.
const ORPHAN_AGE_MS: i64 = 60 * 60 * 1000;

/// The largest value of `webhook.delay`, in milliseconds.
const DELAY_MAX_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Deletes data that is no longer needed. Cloning this value is cheap.
#[derive(Clone)]
pub struct Sweep {
    /// The ledger, which stores when data expires.
    pub ledger: Ledger,
    /// The store of uploads, results and watermarks.
    pub blobs: Blobs,
    /// How long a webhook that was delivered or has failed is kept, in milliseconds. The time counts from the
    /// acceptance of its request.
    pub retention_ms: i64,
    /// How long a result is kept, in milliseconds. The time counts from the first due time of its webhook.
    pub keep_results_ms: i64,
}

/// How many items of each kind one sweep removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Expired results.
    pub n_results: u64,
    /// The number of orphans: stored uploads without an unfinished job, and files of results and watermarks
    /// without a row in the ledger.
    pub n_orphans: u64,
    /// The number of watermarks that their account had removed and that no unfinished job uses.
    pub n_watermarks: u64,
    /// The number of webhooks older than the retention time.
    pub n_webhooks: u64,
}

impl Sweep {
    /// Sweeps immediately and then after every `interval`, until `stop` is cancelled.
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
            if !self.is_our_turn(interval).await {
                tokio::select! {
                    () = tokio::time::sleep(interval) => continue,
                    () = stop.cancelled() => return,
                }
            }
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

    /// Returns whether this server sweeps now. Of the nodes that share a ledger, one sweeps in each interval.
    async fn is_our_turn(&self, interval: Duration) -> bool {
        if !self.ledger.has_joined() {
            return true;
        }
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        // The interval is a little shorter than the pause, so that the same server can sweep each time.
        match self.ledger.take_turn("sweep", interval_ms * 9 / 10).await {
            Ok(is_our_turn) => is_our_turn,
            Err(error) => {
                tracing::error!(error = with_causes(&error), "a sweep cannot begin; the next one may");
                false
            }
        }
    }

    /// Runs one complete sweep and returns how many items it removed.
    pub async fn sweep(&self) -> Result<Swept, WorkError> {
        Ok(Swept {
            n_results: self.sweep_results().await?,
            n_orphans: self.sweep_inputs().await?
                + self.sweep_lost_results().await?
                + self.sweep_lost_watermarks().await?,
            n_watermarks: self.sweep_watermarks().await?,
            n_webhooks: self.sweep_history().await?,
        })
    }

    /// Removes expired results. The file of a result is deleted before its row in the ledger: after a crash
    /// between the two steps, the next sweep finds the row and repeats both steps.
    async fn sweep_results(&self) -> Result<u64, WorkError> {
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
            self.ledger.delete_results(&ids).await?;
            n_swept += ids.len() as u64;
        }
    }

    /// Removes stored uploads that belong to no unfinished job and are old enough to count as orphans.
    async fn sweep_inputs(&self) -> Result<u64, WorkError> {
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

    /// Removes files that an earlier process did not finish writing. Files younger than `ORPHAN_AGE_MS` are
    /// kept, because a command of the command line may be writing a watermark at the same time.
    pub async fn sweep_unfinished(&self) -> Result<u64, WorkError> {
        self.blobs.remove_unfinished_before(self.ledger.clock().now_ms() - ORPHAN_AGE_MS).await
    }

    /// Removes the files of results that are so old that the ledger cannot have a row for them any more.
    /// Their age is more than the longest webhook delay plus the time for which results are kept, plus one
    /// day for differences between clocks.
    async fn sweep_lost_results(&self) -> Result<u64, WorkError> {
        let oldest_ms = self.ledger.clock().now_ms() - self.keep_results_ms - DELAY_MAX_MS - DAY_MS;
        self.blobs.remove_results_before(&utc_day(oldest_ms)).await
    }

    /// Removes the files of watermarks that their account removed, and then their rows in the ledger. A crash
    /// between the two steps leaves the row, so that the next sweep repeats both steps.
    async fn sweep_watermarks(&self) -> Result<u64, WorkError> {
        let before_ms = self.ledger.clock().now_ms() - ORPHAN_AGE_MS;
        let mut n_swept = 0;
        loop {
            let ids = self.ledger.deletable_watermarks(before_ms, STEP_ROWS).await?;
            if ids.is_empty() {
                return Ok(n_swept);
            }
            for id in &ids {
                self.blobs.delete(&Blobs::watermark_key(id)).await?;
            }
            self.ledger.delete_watermarks(&ids).await?;
            n_swept += ids.len() as u64;
        }
    }

    /// Removes files of watermarks without a row in the ledger. Such a file remains if the process crashes
    /// after it has stored the file and before it has committed the row.
    async fn sweep_lost_watermarks(&self) -> Result<u64, WorkError> {
        let before_ms = self.ledger.clock().now_ms() - ORPHAN_AGE_MS;
        let old = self.blobs.watermarks_before(before_ms).await?;
        let mut n_swept = 0;
        for ids in old.chunks(STEP_ROWS as usize) {
            let known = self.ledger.existing_watermarks(ids).await?;
            for id in ids.iter().filter(|id| !known.contains(id)) {
                self.blobs.delete(&Blobs::watermark_key(id)).await?;
                n_swept += 1;
            }
        }
        Ok(n_swept)
    }

    /// Removes webhooks that were delivered or have failed and are older than the retention time.
    async fn sweep_history(&self) -> Result<u64, WorkError> {
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
