//! The watermarks that accounts upload once and use in many requests. The rows of the watermarks are in the
//! ledger, and their pictures are files.
//!
//! New requests cannot use a removed watermark. The file of a removed watermark is kept until every job that
//! was accepted before the removal has ended, because the removal must not make an accepted request fail.

mod cache;

use bytes::Bytes;
use pixaven_imaging::plan::{Format, Gravity, Kernel, Light, Output, Resize, ResizeMode, TargetFormat};
use pixaven_imaging::{Plan, Processed};
use pixaven_ledger::{AccountId, AddWatermarkOutcome, Ledger, Watermark, WatermarkQuota};

use self::cache::Cache;
use super::Caller;
use super::blobs::{Blobs, is_rolled_back};
use super::error::WorkError;
use super::request::WatermarkSource;
use super::sandbox::{Sandbox, Ticket, WorkerInput};
use super::source::{SourceBytes, Sources, check_not_empty};
use super::watermark_id;

/// Adds, finds and reads the watermarks of all accounts. A clone is cheap.
#[derive(Clone)]
pub struct Watermarks {
    ledger: Ledger,
    blobs: Blobs,
    quota: WatermarkQuota,
    cache: Cache,
}

/// A watermark that was found, but whose image has not been read yet.
pub enum FoundWatermark {
    /// A watermark that the account uploaded before.
    Uploaded(Watermark),
    /// A URL from which the watermark's image is downloaded.
    Url(url::Url),
}

impl Watermarks {
    /// Creates the access to the watermarks whose rows are in `ledger` and whose files are in `blobs`. A
    /// cache of `cache_bytes` bytes keeps the most recently used files in memory.
    pub fn new(ledger: Ledger, blobs: Blobs, quota: WatermarkQuota, cache_bytes: usize) -> Self {
        Self { ledger, blobs, quota, cache: Cache::new(cache_bytes) }
    }

    /// Adds an image to the watermarks of an account. A worker first decodes the image, so that a file that
    /// is not a readable image is refused.
    ///
    /// # Errors
    /// [`WorkError::TooManyWatermarks`], [`WorkError::TooManyWatermarkBytes`], and the errors of
    /// [`Sandbox::process`] and of writing a file.
    pub async fn add(
        &self,
        sandbox: &Sandbox,
        account: AccountId,
        name: Option<String>,
        bytes: Bytes,
        ticket: &Ticket,
    ) -> Result<Watermark, WorkError> {
        check_not_empty(&bytes)?;
        let input = WorkerInput { image: bytes.clone(), watermark: None };
        let Processed { input, .. } = sandbox.process(&input, &decode_only(), ticket).await?;
        let watermark = Watermark {
            name: name.unwrap_or_else(|| format!("watermark.{}", input.format.extension())),
            account,
            format: input.format.name().to_owned(),
            width: input.width,
            height: input.height,
            bytes: input.bytes,
            sha1: input.sha1,
            created_ms: self.ledger.clock().now_ms(),
            id: watermark_id::generate().map_err(WorkError::internal)?,
        };
        let key = Blobs::watermark_key(&watermark.id);
        self.blobs.put(&key, bytes).await?;
        let added = self.ledger.add_watermark(watermark.clone(), self.quota).await;
        // The file is deleted only if the ledger certainly has no row for it. After any other failure the row
        // may exist, so the file is kept. If no row refers to the kept file, the sweep deletes the file
        // later.
        let has_no_row = match &added {
            Ok(added) => *added != AddWatermarkOutcome::Added,
            Err(error) => is_rolled_back(error),
        };
        if has_no_row {
            self.blobs.delete(&key).await?;
        }
        match added? {
            AddWatermarkOutcome::Added => Ok(watermark),
            AddWatermarkOutcome::TooMany => Err(WorkError::TooManyWatermarks { max: self.quota.count }),
            AddWatermarkOutcome::TooManyBytes => {
                Err(WorkError::TooManyWatermarkBytes { max: self.quota.bytes })
            }
        }
    }

    /// Finds the watermark of a request. An interactive request finds only watermarks that were not removed.
    /// A job also finds a watermark that was removed after the job's request was accepted.
    pub async fn find(
        &self,
        account: AccountId,
        source: &WatermarkSource,
        caller: Caller,
    ) -> Result<FoundWatermark, WorkError> {
        let id = match source {
            WatermarkSource::Url(url) => return Ok(FoundWatermark::Url(url.clone())),
            WatermarkSource::Id(id) => id,
        };
        let row = match caller {
            Caller::Interactive => self.ledger.watermark(account, id).await?,
            Caller::Job => self.ledger.watermark_including_removed(account, id).await?,
        };
        row.map(FoundWatermark::Uploaded).ok_or_else(|| WorkError::UnknownWatermark { id: id.clone() })
    }

    /// Reads the image of a watermark. If the memory budget is used up, this method fails instead of waiting:
    /// the request already holds memory for its own image, and two waiting requests could wait for each other
    /// for ever.
    pub async fn obtain(
        &self,
        found: FoundWatermark,
        sources: &Sources,
        caller: Caller,
    ) -> Result<SourceBytes, WorkError> {
        let watermark = match found {
            FoundWatermark::Url(url) => return sources.fetch("watermark.url", &url, &[], caller).await,
            FoundWatermark::Uploaded(watermark) => watermark,
        };
        let mut reservation = sources.memory_of(caller).reserve();
        if let Some(bytes) = self.cache.get(&watermark.id) {
            return Ok(SourceBytes::new(bytes, None, reservation));
        }
        reservation.grow(usize::try_from(watermark.bytes).map_err(WorkError::internal)?)?;
        let bytes = self.blobs.get(&Blobs::watermark_key(&watermark.id)).await?;
        let gone = || WorkError::internal(format!("the file of the watermark {} is gone", watermark.id));
        let bytes = bytes.ok_or_else(gone)?;
        self.cache.put(watermark.id, bytes.clone());
        Ok(SourceBytes::new(bytes, None, reservation))
    }
}

/// Returns a plan that checks whether an image can be decoded: the plan decodes the image and produces a
/// picture of one pixel.
fn decode_only() -> Plan {
    Plan {
        resize: Some(Resize {
            mode: ResizeMode::Exact,
            width: Some(1),
            height: Some(1),
            gravity: Gravity::Center,
            upscale: true,
            background: None,
            kernel: Kernel::Box,
            light: Light::Srgb,
        }),
        output: Output { format: TargetFormat::Format(Format::Png), ..Output::default() },
        ..Plan::default()
    }
}
