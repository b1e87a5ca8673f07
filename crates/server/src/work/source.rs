//! The source of an image: an upload in memory, a stored upload, or a URL. [`Sources::obtain`] reads a source
//! into memory and returns its bytes and its file name. The bytes count against a memory budget.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_ledger::StoredContent;
use pixaven_net::{FetchLimits, Net, NetError};
use url::Url;

use super::Caller;
use super::blobs::Blobs;
use super::error::WorkError;
use super::memory_budget::{MemoryBudget, MemoryReservation};
use super::request::Spec;

/// The source of an image that has not been read yet.
pub enum Source {
    /// The image file of an upload, which is already in memory.
    Upload {
        /// The image.
        bytes: Bytes,
        /// The file name that the client sent, without parts that are unsafe in URLs and headers. `None` if
        /// the client sent no usable name.
        name: Option<String>,
        /// The reservation that counts the memory of `bytes`.
        reservation: MemoryReservation,
    },
    /// An upload that was stored when its request was accepted.
    Stored {
        /// The stored bytes of the upload, which are either in a row of the ledger or in a file.
        content: StoredContent,
        /// The file name that the client sent, without parts that are unsafe in URLs and headers. `None` if
        /// the client sent no usable name.
        name: Option<String>,
        /// The size of the upload in bytes.
        n_bytes: usize,
    },
    /// A URL from which the image is downloaded.
    Url {
        /// The URL.
        url: Url,
        /// The HTTP headers to add to the download request.
        headers: Vec<(String, String)>,
    },
}

impl Source {
    /// Returns the source of a `fetch` request, whose checked form (`Spec`) always has a URL.
    pub fn of_url(spec: &Spec) -> Result<Self, WorkError> {
        let url = spec.source_url.clone().ok_or_else(|| WorkError::internal("a fetch has no url"))?;
        Ok(Self::Url { url, headers: spec.source_headers.clone() })
    }
}

/// The bytes of an image that was read from its source. Their memory stays reserved until this value is
/// dropped.
pub struct SourceBytes {
    /// All bytes of the image file.
    pub bytes: Bytes,
    /// The file name of the image, without parts that are unsafe in URLs and headers. `None` if the source
    /// has no name.
    pub name: Option<String>,
    /// The reservation that counts the memory of `bytes`.
    pub reservation: MemoryReservation,
}

impl SourceBytes {
    /// Combines bytes with the reservation that counts their memory.
    pub fn new(bytes: Bytes, name: Option<String>, reservation: MemoryReservation) -> Self {
        Self { bytes, name, reservation }
    }
}

/// Reads images from their sources into memory. A clone is cheap.
#[derive(Clone)]
pub struct Sources {
    /// Fetches URLs.
    pub net: Net,
    /// Reads stored uploads.
    pub blobs: Blobs,
    /// The memory budget of interactive requests.
    pub memory: MemoryBudget,
    /// The memory budget of jobs. Jobs have a budget of their own, so that a backlog of jobs never causes the
    /// refusal of an interactive request.
    pub job_memory: MemoryBudget,
    /// The limits of a download: its size, its duration and the number of redirects.
    pub limits: FetchLimits,
}

impl Sources {
    /// Reads a whole image from its source into memory. The size of the image is limited, and memory is
    /// reserved for its bytes while they arrive.
    pub async fn obtain(&self, source: Source, caller: Caller) -> Result<SourceBytes, WorkError> {
        let obtained = match source {
            Source::Upload { bytes, name, reservation } => SourceBytes::new(bytes, name, reservation),
            Source::Stored { content, name, n_bytes } => {
                let mut reservation = self.job_memory.reserve();
                reservation.grow_when_free(n_bytes).await;
                let bytes = self.blobs.read(&content).await?;
                let bytes =
                    bytes.ok_or_else(|| WorkError::internal(format!("the input {content:?} is gone")))?;
                SourceBytes::new(bytes, name, reservation)
            }
            Source::Url { url, headers } => self.fetch("url", &url, &headers, caller).await?,
        };
        check_not_empty(&obtained.bytes)?;
        Ok(obtained)
    }

    /// Fetches the document behind a URL of the request. `attribute` is the name of the attribute that
    /// contains the URL, for error messages.
    pub async fn fetch(
        &self,
        attribute: &'static str,
        url: &Url,
        headers: &[(String, String)],
        caller: Caller,
    ) -> Result<SourceBytes, WorkError> {
        let mut reservation = self.memory_of(caller).reserve();
        let mut hold = |n_bytes| reservation.resize(n_bytes).is_ok();
        let fetched = self.net.fetch(url, header_map(headers)?, self.limits, &mut hold).await;
        let fetched = fetched.map_err(|source| {
            if let NetError::BlockedAddress { .. } = source {
                // If the setting `network.terse` is on, the answer to the client does not name the rule that
                // blocked the address. In this case only the log names the rule.
                tracing::info!(attribute, host = url.host_str(), error = %source, "the address policy blocked a fetch");
            }
            WorkError::Fetch { attribute, source }
        })?;
        Ok(SourceBytes::new(fetched.bytes, fetched.file_name, reservation))
    }

    /// Returns the memory budget against which the images of a caller count.
    pub fn memory_of(&self, caller: Caller) -> &MemoryBudget {
        match caller {
            Caller::Interactive => &self.memory,
            Caller::Job => &self.job_memory,
        }
    }
}

/// Returns an error if an image file has no bytes.
pub fn check_not_empty(image: &[u8]) -> Result<(), WorkError> {
    match image {
        [] => Err(WorkError::EmptyImage),
        _ => Ok(()),
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, WorkError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(WorkError::internal)?;
        map.append(name, HeaderValue::try_from(value).map_err(WorkError::internal)?);
    }
    Ok(map)
}
