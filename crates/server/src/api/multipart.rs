//! Parses the body of an upload: the parts `file` and `data`, in either order. The official clients also send
//! `multipart/mixed`, empty file names, and parts with their own `Content-Length`, so all these are accepted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, header};
use multer::{Field, Multipart};
use pixaven_net::{PieceLimit, TooManyPieces};
use tokio::task::coop::consume_budget;

use super::body::{cut_off, too_large, too_slow};
use super::error::{ApiError, ErrorKind};
use crate::work::memory_budget::{BudgetExceeded, MemoryBudget, MemoryReservation};

/// The largest number of parts that the body of an upload may have. A part that is neither `file` nor `data`
/// is read and discarded.
const N_PARTS_MAX: usize = 16;

/// The largest number of bytes that the multipart parser may read without finding a boundary or the end of a
/// part's headers. The parser searches all these bytes again after each piece of the body.
const UNPARSED_MAX_BYTES: usize = 256 << 10;

/// The memory that reading an upload takes besides the parts of the upload, in bytes: the buffers of the
/// connection and of the multipart parser.
const BUFFERS_BYTES: usize = UNPARSED_MAX_BYTES;

/// A parsed upload.
pub(super) struct Upload {
    /// The image.
    pub(super) file: Bytes,
    /// The reservation that counts the memory of `file`.
    pub(super) reservation: MemoryReservation,
    /// The file name of the image as the client sent it, if the client sent one. Folder names and control
    /// characters in this name are not removed yet.
    pub(super) name: Option<String>,
    /// The JSON of the request. It has zero bytes if the body has no part `data`. Its memory is counted until
    /// it is dropped.
    pub(super) data: Bytes,
}

/// The limits on the size of an upload and on the time that reading may take.
pub(super) struct UploadLimits {
    pub(super) file_bytes: usize,
    pub(super) data_bytes: usize,
    pub(super) timeout: Duration,
}

impl UploadLimits {
    /// The largest length of the image, with the name of its setting.
    fn file_limit(&self) -> (usize, &'static str) {
        (self.file_bytes, "limits.body_bytes")
    }

    /// The largest length of every other part, with the name of its setting.
    fn data_limit(&self) -> (usize, &'static str) {
        (self.data_bytes, "limits.json_bytes")
    }
}

/// Reads and parses an upload within its limits. The budget `memory` counts the bytes of the upload as they
/// arrive.
pub(super) async fn read(
    headers: &HeaderMap,
    chunks: &mut BodyDataStream,
    limits: &UploadLimits,
    memory: &MemoryBudget,
) -> Result<Upload, ApiError> {
    let boundary = boundary(headers)?;
    let mut buffers = memory.reserve();
    buffers.grow(BUFFERS_BYTES)?;
    let unparsed = Arc::new(AtomicUsize::new(0));
    let pieces = PieceLimit::default();
    let paced = PacedBody { chunks, unparsed: Arc::clone(&unparsed), pieces, yields_next: false };
    let mut parts = Parts { multipart: Multipart::new(paced, boundary), unparsed };
    let reading = read_parts(&mut parts, limits, memory, content_length(headers));
    tokio::time::timeout(limits.timeout, reading).await.unwrap_or_else(|_| Err(too_slow(limits.timeout)))
}

async fn read_parts(
    parts: &mut Parts<'_>,
    limits: &UploadLimits,
    memory: &MemoryBudget,
    content_length: usize,
) -> Result<Upload, ApiError> {
    let (mut file, mut name, mut data) = (None, None, Bytes::new());
    let (mut reservation, mut data_reservation) = (memory.reserve(), memory.reserve());
    let unparsed = Arc::clone(&parts.unparsed);
    let unparsed = &*unparsed;
    let mut n_parts = 0;
    while let Some(part) = parts.next().await? {
        n_parts += 1;
        if n_parts > N_PARTS_MAX {
            let message = format!("the upload has more than {N_PARTS_MAX} parts");
            return Err(ApiError::new(ErrorKind::MalformedRequest, message));
        }
        match part.name() {
            Some("file") if file.is_none() => {
                name = part.file_name().filter(|name| !name.is_empty()).map(str::to_owned);
                let mut bytes = PartBytes::new("the image", limits.file_limit(), &mut reservation);
                bytes.allocate(content_length)?;
                file = Some(read_part(part, unparsed, bytes).await?);
            }
            Some("data") if data.is_empty() => {
                let bytes = PartBytes::new("the part data", limits.data_limit(), &mut data_reservation);
                data = read_part(part, unparsed, bytes).await?;
            }
            Some(twice @ ("file" | "data")) => {
                return Err(ApiError::new(
                    ErrorKind::MalformedRequest,
                    format!("the part {twice} was sent twice"),
                ));
            }
            _ => {
                let (what, mut other) = ("a part that is neither file nor data", memory.reserve());
                read_part(part, unparsed, PartBytes::new(what, limits.data_limit(), &mut other)).await?;
            }
        }
    }
    let file = file.ok_or_else(|| {
        ApiError::new(ErrorKind::MalformedRequest, "the upload has no part named file, which holds the image")
    })?;
    Ok(Upload { file, reservation, name, data: data_reservation.attach_to(data) })
}

/// Returns the length of the body that the client announces, or 0 if the client announces none.
fn content_length(headers: &HeaderMap) -> usize {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The bytes of one part that have arrived so far.
struct PartBytes<'a> {
    bytes: Vec<u8>,
    what: &'static str,
    max_bytes: usize,
    /// The name of the setting with the value of `max_bytes`.
    setting: &'static str,
    reservation: &'a mut MemoryReservation,
}

impl<'a> PartBytes<'a> {
    /// `what` names the part in messages. The second argument is the largest length of the part, with the name of its setting.
    fn new(
        what: &'static str,
        (max_bytes, setting): (usize, &'static str),
        reservation: &'a mut MemoryReservation,
    ) -> Self {
        Self { bytes: Vec::new(), what, max_bytes, setting, reservation }
    }

    /// Allocates a buffer for a part of `n_bytes` bytes. The operating system provides the memory of the
    /// buffer only when bytes are written to it.
    fn allocate(&mut self, n_bytes: usize) -> Result<(), ApiError> {
        self.bytes.try_reserve_exact(n_bytes.min(self.max_bytes)).map_err(|_| BudgetExceeded.into())
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        if self.bytes.len() + chunk.len() > self.max_bytes {
            return Err(too_large(self.what, self.max_bytes, self.setting));
        }
        self.reservation.grow(chunk.len())?;
        self.bytes.try_reserve(chunk.len()).map_err(|_| BudgetExceeded)?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

async fn read_part(
    mut part: Field<'_>,
    unparsed: &AtomicUsize,
    mut bytes: PartBytes<'_>,
) -> Result<Bytes, ApiError> {
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        unparsed.store(0, Relaxed);
        bytes.append(&chunk)?;
        consume_budget().await;
    }
    Ok(bytes.bytes.into())
}

/// The multipart parser of a body, and the number of bytes that the parser has read since it last returned a
/// part or some bytes of a part.
struct Parts<'a> {
    multipart: Multipart<'a>,
    unparsed: Arc<AtomicUsize>,
}

impl<'a> Parts<'a> {
    async fn next(&mut self) -> Result<Option<Field<'a>>, ApiError> {
        let part = self.multipart.next_field().await.map_err(malformed)?;
        self.unparsed.store(0, Relaxed);
        Ok(part)
    }
}

/// Passes the body of an upload to the multipart parser in pieces, one piece for each call of the parser, and
/// counts the bytes. The parser buffers all bytes that it can read until it finds a boundary or the end of a
/// part's headers. The count has a limit, because a body without a boundary and without an end of headers
/// would otherwise fill the memory.
struct PacedBody<'a> {
    chunks: &'a mut BodyDataStream,
    unparsed: Arc<AtomicUsize>,
    pieces: PieceLimit,
    /// Whether the next poll returns `Pending` and reads nothing. This pause makes the multipart parser
    /// process one piece of the body before it reads the next piece.
    yields_next: bool,
}

impl Stream for PacedBody<'_> {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.yields_next) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(Pin::new(&mut *self.chunks).poll_next(context));
        self.yields_next = true;
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.pieces.count(piece.len())?;
            let n_unparsed = self.unparsed.fetch_add(piece.len(), Relaxed) + piece.len();
            if n_unparsed > UNPARSED_MAX_BYTES { Err(NoBoundary.into()) } else { Ok(piece) }
        }))
    }
}

/// The error for a body that has too many bytes without a boundary or the end of a part's headers.
#[derive(Debug, thiserror::Error)]
#[error("{UNPARSED_MAX_BYTES} bytes without a boundary or the end of a part's headers")]
struct NoBoundary;

/// Returns the boundary of a multipart body. Every `multipart/…` type is accepted, because the server
/// distinguishes the parts only by their `Content-Disposition`.
fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let not_multipart = || {
        let message = "an upload must be multipart/form-data with the parts file and data";
        ApiError::new(ErrorKind::MalformedRequest, message)
    };
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type: mime::Mime = value.and_then(|value| value.parse().ok()).ok_or_else(not_multipart)?;
    let boundary = media_type.get_param(mime::BOUNDARY).filter(|_| media_type.type_() == mime::MULTIPART);
    Ok(boundary.ok_or_else(not_multipart)?.as_str().to_owned())
}

fn malformed(error: multer::Error) -> ApiError {
    match &error {
        multer::Error::StreamReadFailed(cause) if cause.is::<TooManyPieces>() => {
            ApiError::new(ErrorKind::MalformedRequest, cause.to_string())
        }
        multer::Error::StreamReadFailed(cause) if cause.is::<NoBoundary>() => {
            ApiError::new(ErrorKind::MalformedRequest, format!("the multipart body has {NoBoundary}"))
        }
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => cut_off().with_source(error),
        _ => ApiError::new(ErrorKind::MalformedRequest, format!("the multipart body is malformed: {error}")),
    }
}
