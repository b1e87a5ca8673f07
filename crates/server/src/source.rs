//! Where an image comes from: bytes of an upload, a kept blob, or a URL. Here they become bytes in memory, counted
//! against the memory for inputs, and a file name.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pixaven_ledger::Content;
use url::Url;

use crate::blobs::Blobs;
use crate::error::{ApiError, Kind};
use crate::net::{FetchLimits, Net, NetError};
use crate::request::Spec;
use crate::sandbox::{Memory, Patience, Reservation};

/// A source that has not been read yet.
pub enum Source {
    /// The part of an upload, in memory already.
    Upload {
        /// The image.
        bytes: Bytes,
        /// Its file name, cleaned, if the client told one.
        name: Option<String>,
        /// What keeps its memory counted.
        reservation: Reservation,
    },
    /// An upload that was kept when its request was accepted.
    Kept {
        /// Its bytes.
        content: Content,
        /// Its file name, cleaned, if the client told one.
        name: Option<String>,
        /// Its size.
        n_bytes: usize,
    },
    /// A URL to fetch.
    Url {
        /// The URL.
        url: Url,
        /// Extra request headers.
        headers: Vec<(String, String)>,
    },
}

impl Source {
    /// The URL of a fetch, whose request always has one.
    pub fn of_url(spec: &Spec) -> Result<Self, ApiError> {
        let url = spec.source_url.clone().ok_or_else(|| ApiError::internal("a fetch has no url"))?;
        Ok(Self::Url { url, headers: spec.source_headers.clone() })
    }
}

/// The bytes of an image. Their memory is counted until this is dropped.
pub struct Obtained {
    /// All of it.
    pub bytes: Bytes,
    /// Its file name, cleaned, if there is one.
    pub name: Option<String>,
    _reservation: Reservation,
}

impl Obtained {
    /// Bytes, and what keeps them counted.
    pub fn new(bytes: Bytes, name: Option<String>, reservation: Reservation) -> Self {
        Self { bytes, name, _reservation: reservation }
    }
}

/// What is needed to obtain any source.
#[derive(Clone)]
pub struct Sources {
    /// Outbound HTTP.
    pub net: Net,
    /// Our files.
    pub blobs: Blobs,
    /// Memory for inputs whose callers wait.
    pub memory: Memory,
    /// Memory for inputs of accepted jobs: of its own, so that a backlog refuses nobody.
    pub job_memory: Memory,
    /// Limits of a fetch.
    pub limits: FetchLimits,
}

impl Sources {
    /// Reads `source` completely, capped and counted while it arrives.
    pub async fn obtain(&self, source: Source, patience: Patience) -> Result<Obtained, ApiError> {
        let obtained = match source {
            Source::Upload { bytes, name, reservation } => Obtained::new(bytes, name, reservation),
            Source::Kept { content, name, n_bytes } => {
                let mut reservation = self.job_memory.reserve();
                reservation.grow_when_free(n_bytes).await?;
                let bytes = self.blobs.read(&content).await?;
                let bytes =
                    bytes.ok_or_else(|| ApiError::internal(format!("the input {content:?} is gone")))?;
                Obtained::new(bytes, name, reservation)
            }
            Source::Url { url, headers } => self.fetch("url", &url, &headers, patience).await?,
        };
        not_empty(&obtained.bytes)?;
        Ok(obtained)
    }

    /// Fetches the document behind the attribute called `what`.
    pub async fn fetch(
        &self,
        what: &str,
        url: &Url,
        headers: &[(String, String)],
        patience: Patience,
    ) -> Result<Obtained, ApiError> {
        let mut reservation = self.memory_for(patience).reserve();
        let mut room = |n_bytes| reservation.grow(n_bytes).is_ok();
        let fetched = self.net.fetch(url, header_map(headers)?, self.limits, &mut room).await;
        let fetched = fetched.map_err(|error| not_fetched(what, error))?;
        Ok(Obtained::new(fetched.bytes, fetched.file_name, reservation))
    }

    /// The memory that counts for those who wait, or for jobs.
    pub fn memory_for(&self, patience: Patience) -> &Memory {
        match patience {
            Patience::Refuse => &self.memory,
            Patience::Wait => &self.job_memory,
        }
    }
}

/// Nothing is no image.
pub fn not_empty(image: &[u8]) -> Result<(), ApiError> {
    match image {
        [] => Err(ApiError::new(Kind::FormatUnsupported, "the image is empty: it has 0 bytes")),
        _ => Ok(()),
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, ApiError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(ApiError::internal)?;
        map.append(name, HeaderValue::try_from(value).map_err(ApiError::internal)?);
    }
    Ok(map)
}

/// What a caller is told about a URL that gave no image, or no watermark.
fn not_fetched(what: &str, error: NetError) -> ApiError {
    let kind = match error {
        NetError::Local(_) | NetError::Proxy(_) => Kind::Unavailable,
        NetError::NoRoom => Kind::Overloaded,
        NetError::TooLarge { .. } => Kind::BodyTooLarge,
        NetError::Status(_) | NetError::TooManyRedirects { .. } => Kind::SourceRefused,
        NetError::BadUrl(_) => Kind::InvalidRequest,
        NetError::BlockedAddress
        | NetError::Dns(_)
        | NetError::Refused(_)
        | NetError::Timeout
        | NetError::Tls(_)
        | NetError::Protocol(_)
        | NetError::Switched => Kind::SourceUnreachable,
    };
    ApiError::new(kind, format!("{what}: {}", error.public_text())).with_source(error)
}
