//! Declares the reasons why an image request fails, and whose fault each failure is. `api/error.rs` maps
//! every variant to an HTTP status, an error word such as `image_corrupt`, a public text and a log level.
//! This module and the modules that it uses contain neither HTTP statuses nor error words.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use pixaven_imaging::Error as ImagingError;
use pixaven_imaging::limits::Limit;
use pixaven_net::NetError;
use serde::{Deserialize, Serialize};

use super::memory_budget::BudgetExceeded;
use super::request::RequestError;
use super::store_failure::StoreFailure;

/// The cause of an error, of any type. A cause is written to the log and is never sent to a client.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// The reason why a request did not produce an image.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The caller's fault: the request is malformed, or a value of the request is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The caller's fault: `watermark.id` names no watermark of the account.
    #[error("the account has no watermark {id:?}")]
    UnknownWatermark {
        /// The watermark id that the request contains.
        id: String,
    },
    /// The caller's fault: the account already has as many watermarks as its quota allows.
    #[error("the account has {max} watermarks already")]
    TooManyWatermarks {
        /// The largest number of watermarks that one account may have.
        max: u64,
    },
    /// The caller's fault: the files of the account's watermarks would exceed its quota.
    #[error("the account's watermarks would have more than {max} bytes")]
    TooManyWatermarkBytes {
        /// The largest total size, in bytes, of the watermarks of one account.
        max: u64,
    },
    /// The image's fault: the file has no bytes.
    #[error("the image is empty")]
    EmptyImage,
    /// The image's fault, in most cases: a worker could not process the image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image's fault: a worker used more of a resource than one image may use, and was killed.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The source's fault, in most cases: the file behind a URL of the request could not be fetched.
    #[error("{attribute} could not be fetched")]
    Fetch {
        /// The attribute of the request that holds the URL, such as `url` or `watermark.url`.
        attribute: &'static str,
        /// The reason why the fetch failed.
        source: NetError,
    },
    /// The customer's or the provider's fault, in most cases: the result was not stored in the bucket that the
    /// request names.
    #[error("the result could not be stored in the bucket of the request")]
    Store(#[source] StoreFailure),
    /// This server's fault: the memory for images is used up. The same request can succeed later.
    #[error("too many images are in memory")]
    Overloaded,
    /// This server's fault: the queue for workers is full, or the image would probably wait too long for a
    /// worker. The same request can succeed later.
    #[error("a worker would be free in {} s", wait.as_secs_f32())]
    LongQueue {
        /// The time for which the image would probably wait for a worker.
        wait: Duration,
    },
    /// This server's fault: a file could not be written, for example because the disk is full.
    #[error("a file could not be stored")]
    StorageWrite(#[source] Cause),
    /// This server's fault: a stored file could not be read, listed or deleted.
    #[error("a stored file could not be read")]
    StorageRead(#[source] Cause),
    /// This server's fault: the operating system did not start a worker process.
    #[error("an image worker could not be started")]
    WorkerStart(#[source] io::Error),
    /// This server's fault: an operation of the ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] pixaven_ledger::Error),
    /// The cause is unknown: the worker process ended while it processed the image. A second run of the job
    /// may succeed.
    #[error("an image worker ended unexpectedly: {0}")]
    WorkerCrashed(String),
    /// This server's fault: a bug in this program, or a file that is missing although a row of the ledger
    /// refers to it.
    #[error("internal error")]
    Internal(#[source] Cause),
}

impl WorkError {
    /// Creates an internal error from a cause that only a bug can produce.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// Returns whether the failure has its cause in this machine, so that the same request can succeed later.
    /// The server does not count a run of a job that ends with such a failure.
    pub fn is_local_trouble(&self) -> bool {
        match self {
            Self::Overloaded
            | Self::LongQueue { .. }
            | Self::StorageWrite(_)
            | Self::StorageRead(_)
            | Self::WorkerStart(_) => true,
            Self::Ledger(error) => !matches!(error, pixaven_ledger::Error::WrongStatus(_)),
            Self::Fetch { source, .. } => {
                source.is_local_trouble() || matches!(source, NetError::OutOfMemoryBudget)
            }
            Self::Store(StoreFailure::Unreachable(source)) => source.is_local_trouble(),
            Self::Store(StoreFailure::Refused(_) | StoreFailure::Unavailable(_)) => false,
            Self::Request(_)
            | Self::UnknownWatermark { .. }
            | Self::TooManyWatermarks { .. }
            | Self::TooManyWatermarkBytes { .. }
            | Self::EmptyImage
            | Self::Image(_)
            | Self::LimitExceeded(_)
            | Self::WorkerCrashed(_)
            | Self::Internal(_) => false,
        }
    }

    /// Returns whether the bucket of the customer did not take the result, but may take the result later. A
    /// job that ends with such a failure is repeated for some time.
    pub fn is_bucket_trouble(&self) -> bool {
        matches!(self, Self::Store(failure) if failure.may_pass())
    }
}

impl From<BudgetExceeded> for WorkError {
    fn from(BudgetExceeded: BudgetExceeded) -> Self {
        Self::Overloaded
    }
}

/// A resource limit that one image exceeded. The fields hold the configured value of the limit.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LimitExceeded {
    /// The limit on the resident memory of the worker process.
    #[error("processing takes more than {max_bytes} bytes of memory")]
    Memory {
        /// The limit.
        max_bytes: u64,
    },
    /// The limit on CPU time.
    #[error("processing takes more than {max:?} of CPU time")]
    CpuTime {
        /// The limit.
        max: Duration,
    },
    /// The limit on wall time, which is measured from the moment at which a worker received the image.
    #[error("processing takes more than {max:?}")]
    WallTime {
        /// The limit.
        max: Duration,
    },
}

/// The error that a worker reports for an image that it could not process. The worker sends this value to the
/// server through a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ImageError {
    /// The cause of the failure.
    pub fault: ImageFault,
    /// The error message of the crate `pixaven_imaging`: a sentence that says what is wrong. For an image
    /// that is cut off or exceeds a limit, the name of the setting follows that accepts such images.
    pub message: String,
}

/// The cause of an [`ImageError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageFault {
    /// The bytes have no image format that this server can read.
    UnknownFormat,
    /// The image or the watermark is damaged, or uses a feature that cannot be read.
    Corrupt,
    /// The image or the watermark is cut off, and the setting `input.truncated` refuses such files.
    Truncated,
    /// The image or the watermark exceeds a limit on pixels, frames, scans or similar counts, or needs more memory
    /// than a worker has.
    TooLarge,
    /// The request cannot be carried out on this image.
    ImpossiblePlan,
    /// The file cannot be used as a watermark.
    UnusableWatermark,
    /// An encoder failed, which is a fault of this program.
    Encoder,
}

impl From<ImagingError> for ImageError {
    fn from(error: ImagingError) -> Self {
        let fault = match &error {
            ImagingError::UnknownFormat { .. } => ImageFault::UnknownFormat,
            ImagingError::Corrupt { .. } | ImagingError::Unsupported { .. } => ImageFault::Corrupt,
            ImagingError::Truncated { .. } => ImageFault::Truncated,
            ImagingError::Limit { .. } | ImagingError::Memory { .. } => ImageFault::TooLarge,
            ImagingError::Plan(_) => ImageFault::ImpossiblePlan,
            ImagingError::Watermark(inner) => match **inner {
                ImagingError::Corrupt { .. } | ImagingError::Unsupported { .. } => ImageFault::Corrupt,
                ImagingError::Truncated { .. } => ImageFault::Truncated,
                ImagingError::Limit { .. } | ImagingError::Memory { .. } => ImageFault::TooLarge,
                ImagingError::UnknownFormat { .. }
                | ImagingError::Plan(_)
                | ImagingError::Watermark(_)
                | ImagingError::Encode { .. } => ImageFault::UnusableWatermark,
            },
            ImagingError::Encode { .. } => ImageFault::Encoder,
        };
        let message = match (fault, setting(&error)) {
            (ImageFault::Truncated, _) => {
                format!("{error}; `input.truncated = \"warn\"` in the configuration accepts such images")
            }
            (_, Some(setting)) => format!("{error} (the setting `{setting}`)"),
            (_, None) => error.to_string(),
        };
        Self { fault, message }
    }
}

/// Returns the name of the setting with the limit that an image exceeded. `None` if the error is not about a
/// limit.
fn setting(error: &ImagingError) -> Option<&'static str> {
    Some(match error {
        ImagingError::Watermark(inner) => return setting(inner),
        ImagingError::Memory { .. } => "images.memory_bytes",
        ImagingError::Limit { limit, .. } => match limit {
            Limit::Pixels => "limits.pixels",
            Limit::InputSide => "limits.input_side_px",
            Limit::Frames => "limits.frames",
            Limit::OutputSide => "limits.output_side_px",
            Limit::Scans => "limits.scans",
            Limit::Parts => "limits.parts",
            Limit::MetadataBytes => "limits.metadata_bytes",
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::config;

    #[test]
    fn the_message_about_an_exceeded_limit_of_an_image_names_a_setting_of_the_configuration() {
        let sections = config::sections();
        let settings: Vec<String> = sections
            .iter()
            .flat_map(|section| section.settings.iter().map(move |s| format!("{}.{}", section.name, s.key)))
            .collect();
        let limits = [
            Limit::Pixels,
            Limit::InputSide,
            Limit::Frames,
            Limit::OutputSide,
            Limit::Scans,
            Limit::Parts,
            Limit::MetadataBytes,
        ];
        let mut errors: Vec<ImagingError> =
            limits.into_iter().map(|limit| ImagingError::Limit { limit, max: 1, got: 2 }).collect();
        errors.push(ImagingError::Memory { needed_bytes: 600 << 20, max_bytes: 512 << 20 });
        for error in errors {
            let of_watermark = ImageError::from(ImagingError::Watermark(Box::new(error.clone())));
            let of_image = ImageError::from(error);
            for ImageError { fault, message } in [of_image, of_watermark] {
                assert_eq!(fault, ImageFault::TooLarge, "{message}");
                let named = message.split('`').nth(1).unwrap_or_default();
                assert!(settings.iter().any(|setting| setting == named), "{message}");
            }
        }
    }

    #[test]
    fn the_message_about_memory_names_the_need_the_limit_and_the_setting() {
        let error = ImagingError::Memory { needed_bytes: (600 << 20) + 1, max_bytes: 512 << 20 };
        let expected = "processing this image needs about 601 MiB of memory, and an image may use 512 MiB \
                        (the setting `images.memory_bytes`)";
        assert_eq!(ImageError::from(error).message, expected);
    }
}
