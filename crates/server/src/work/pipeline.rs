//! The path of an image through the server, which is the same for interactive requests and for jobs: the
//! [`Pipeline`] obtains the source, processes the image in a worker, stores the result, and commits the row
//! of the result to the ledger. A result is stored on this server, or in the bucket that the request names.
//!
//! The path is divided into two functions, because a job renews its lease during [`Pipeline::produce`] and
//! stops renewing the lease before [`Pipeline::commit`].

use bytes::Bytes;
use pixaven_imaging::FileInfo;
use pixaven_imaging::geometry::Rect;
use pixaven_ledger::{AccountId, Clock, StoredResult, UsageDelta};
use uuid::Uuid;

use super::blobs::Blobs;
use super::customer_bucket::{CustomerBuckets, NewObject};
use super::error::WorkError;
use super::request::Spec;
use super::result_names::{cdn_url, output_name, result_url, utc_day};
use super::sandbox::{Sandbox, Ticket, WorkerInput};
use super::source::{Source, Sources};
use super::watermarks::Watermarks;
use crate::runtime::blocking::BlockingThreads;
use crate::runtime::seal::Seal;

/// The components through which every image passes. A clone is cheap.
#[derive(Clone)]
pub struct Pipeline {
    /// Reads images.
    pub sources: Sources,
    /// Processes images.
    pub sandbox: Sandbox,
    /// Finds and reads the watermarks of accounts.
    pub watermarks: Watermarks,
    /// Stores results.
    pub blobs: Blobs,
    /// Stores results in the buckets of customers.
    pub customer_buckets: CustomerBuckets,
    /// Seals the secrets of accepted requests.
    pub seal: Seal,
    /// Runs computations that take long, such as parsing a large request.
    pub threads: BlockingThreads,
    /// The base URL of results on the CDN, without a slash at its end. `None` if the server has no CDN.
    pub cdn_base_url: Option<String>,
    /// The time for which a result is kept, in milliseconds.
    pub keep_results_ms: i64,
    /// The clock that gives the current time.
    pub clock: Clock,
}

/// An image to be processed, with its request and the caller that waits for it.
pub struct Order<'a> {
    /// The id of the request.
    pub id: Uuid,
    /// The account of the request.
    pub account: AccountId,
    /// The parsed and checked request.
    pub spec: &'a Spec,
    /// The place of the image in the queue for workers.
    pub ticket: &'a Ticket,
}

/// An image that a worker has processed, with its properties and its warnings.
pub struct ProcessedImage {
    /// Format, size and other properties of the input file.
    pub input: FileInfo,
    /// The rectangles of the faces in the input image, after the EXIF orientation was applied to the image.
    /// `None` if the request does not need faces.
    pub faces: Option<Vec<Rect>>,
    /// The input's file name.
    pub input_name: String,
    /// Format, size and other properties of the output file.
    pub output: FileInfo,
    /// The output's file name.
    pub output_name: String,
    /// The output. The memory of the output counts against the budget of the caller until the output is
    /// dropped.
    pub bytes: Bytes,
    /// Warnings for the client about parts of the request that the server ignored or could not carry out.
    pub warnings: Vec<String>,
}

impl ProcessedImage {
    /// The amounts that this image adds to the usage counters of its account.
    pub fn usage(&self) -> UsageDelta {
        UsageDelta { requests: 1, input_bytes: self.input.bytes, output_bytes: self.output.bytes }
    }
}

/// The place where a result is stored.
pub enum ResultPlace {
    /// This server keeps the result.
    Server(StoredResult),
    /// The result is an object in the bucket that the request names.
    CustomerBucket {
        /// The URL of the object.
        url: String,
    },
}

impl ResultPlace {
    /// Returns the result, if this server keeps it.
    pub fn stored(&self) -> Option<&StoredResult> {
        match self {
            Self::Server(result) => Some(result),
            Self::CustomerBucket { .. } => None,
        }
    }
}

impl Pipeline {
    /// Obtains, processes and stores one image. A result on this server expires `delay_ms` plus `keep_results_ms`
    /// milliseconds after it was stored.
    ///
    /// The caller must write the row of a result on this server through [`Pipeline::commit`]. If the row is never
    /// written, the sweep deletes the stored file after some days.
    pub async fn produce(
        &self,
        order: &Order<'_>,
        source: Source,
        delay_ms: i64,
    ) -> Result<(ProcessedImage, ResultPlace), WorkError> {
        let image = self.process(order, source).await?;
        let place = match &order.spec.store {
            None => ResultPlace::Server(self.store(order, &image, delay_ms).await?),
            Some(store) => {
                let object = NewObject {
                    name: &image.output_name,
                    media_type: image.output.format.media_type(),
                    bytes: image.bytes.clone(),
                };
                ResultPlace::CustomerBucket { url: self.customer_buckets.put(store, &object).await? }
            }
        };
        Ok((image, place))
    }

    /// Returns the URL of the result of the request `id`: on the CDN, if the server has one and the request does not
    /// forbid it, or below `base_url`, or in the bucket of the customer.
    pub fn url_of(&self, place: &ResultPlace, spec: &Spec, base_url: &str, id: Uuid) -> String {
        match (place, &self.cdn_base_url) {
            (ResultPlace::CustomerBucket { url }, _) => url.clone(),
            (ResultPlace::Server(result), Some(cdn)) if spec.cdn_push => cdn_url(cdn, id, &result.name),
            (ResultPlace::Server(result), _) => result_url(base_url, id, &result.name),
        }
    }

    /// Runs `write`, which writes the row of a stored result to the ledger. If the ledger certainly did not
    /// write the row, deletes the file of the result. An object in the bucket of a customer is kept.
    pub async fn commit<T>(
        &self,
        place: &ResultPlace,
        write: impl Future<Output = Result<T, pixaven_ledger::Error>>,
    ) -> Result<T, pixaven_ledger::Error> {
        let written = write.await;
        if let Some(result) = place.stored() {
            self.blobs.undo_if_rolled_back(&result.content, &written).await;
        }
        written
    }

    /// Obtains and processes one image without storing the result.
    async fn process(&self, order: &Order<'_>, source: Source) -> Result<ProcessedImage, WorkError> {
        let Order { account, spec, ticket, .. } = *order;
        let caller = ticket.caller();
        let found = match &spec.watermark {
            Some(watermark) => Some(self.watermarks.find(account, watermark, caller).await?),
            None => None,
        };
        let source = self.sources.obtain(source, caller).await?;
        let watermark = match found {
            Some(found) => Some(self.watermarks.obtain(found, &self.sources, caller).await?),
            None => None,
        };
        let input = WorkerInput {
            image: source.bytes.clone(),
            watermark: watermark.as_ref().map(|watermark| watermark.bytes.clone()),
        };
        let processed = self.sandbox.process(&input, &spec.plan, ticket).await?;
        let input_name =
            source.name.unwrap_or_else(|| format!("image.{}", processed.input.format.extension()));
        let output_name = output_name(&input_name, processed.input.format, processed.output.format);
        let warnings = spec.warnings.iter().cloned().chain(processed.warnings).collect();
        // The input is released before the result is counted, so that the memory of the input is free for the
        // result.
        drop((input, source.bytes, source.reservation, watermark));
        let bytes = self.sources.memory_of(caller).count(processed.bytes.into());
        Ok(ProcessedImage {
            input: processed.input,
            faces: processed.faces,
            input_name,
            output: processed.output,
            output_name,
            bytes,
            warnings,
        })
    }

    async fn store(
        &self,
        order: &Order<'_>,
        image: &ProcessedImage,
        delay_ms: i64,
    ) -> Result<StoredResult, WorkError> {
        let created_ms = self.clock.now_ms();
        let key = Blobs::new_result_key(order.id, &utc_day(created_ms), image.output.format.extension());
        let content =
            self.blobs.store(key, image.bytes.clone(), Some(image.output.format.media_type())).await?;
        Ok(StoredResult {
            id: order.id,
            account: order.account,
            name: image.output_name.clone(),
            content,
            media_type: image.output.format.media_type().to_owned(),
            bytes: image.output.bytes,
            sha1: image.output.sha1.clone(),
            created_ms,
            expires_ms: created_ms.saturating_add(delay_ms).saturating_add(self.keep_results_ms),
        })
    }
}
