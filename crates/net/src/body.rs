//! Reads the whole body of a response into memory. The number of bytes, the number of pieces, the time and
//! the memory are limited while the body arrives. The module `exchange` reads the beginning of a body.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::NetError;
use crate::connection::Connection;
use crate::content_encoding::BodyDecoder;
use crate::deadline::Deadline;
use crate::piece_limit::PieceLimit;

/// The memory that one connection occupies, in bytes: the two buffers of hyper and the buffers of TLS.
const CONNECTION_BYTES: usize = 128 * 1024;

/// A callback that sets the number of bytes of memory that a fetch holds: the body, the connection and the
/// decoder of a compressed body. The fetch calls it before the fetch holds more bytes, and after the fetch
/// holds fewer bytes. `false` means that the memory budget is used up, and the fetch ends with
/// [`NetError::OutOfMemoryBudget`].
pub type HoldBytes<'a> = dyn FnMut(usize) -> bool + Send + 'a;

/// The limits for reading one body.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits<'a> {
    /// The largest permitted number of bytes of the decoded body.
    pub(crate) max_bytes: u64,
    /// The time at which reading ends with [`NetError::Timeout`]. The caller of the fetch has a timer for the
    /// same time, but the timer may fire late when the runtime is busy.
    pub(crate) deadline: &'a Deadline,
    /// The permits for decoding steps. A decoding step of brotli can take several milliseconds. Without a
    /// limit, many simultaneous fetches would keep all threads of the runtime busy.
    pub(crate) decoding: &'a Semaphore,
}

/// Reads the whole body of a response. A compressed body is decoded. When the function returns, `hold` was
/// called with the size of the returned body.
pub(crate) async fn read(
    connection: &mut Connection,
    mut body: Incoming,
    headers: &HeaderMap,
    limits: BodyLimits<'_>,
    hold: &mut HoldBytes<'_>,
) -> Result<Bytes, NetError> {
    let content_length =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if content_length > limits.max_bytes {
        return Err(NetError::TooLarge { limit_bytes: limits.max_bytes });
    }
    let mut decoder = BodyDecoder::for_response(headers, limits.max_bytes)?;
    let mut pieces = PieceLimit::default();
    let mut document = Document { bytes: Vec::new(), max_bytes: limits.max_bytes, hold };
    if decoder.is_none() {
        document.allocate(content_length)?;
    }
    while let Some(frame) = connection.next_frame(&mut body).await {
        let frame = frame.map_err(NetError::from_http)?;
        let Some(data) = frame.data_ref() else { continue };
        pieces.count(data.len())?;
        check_deadline(limits.deadline)?;
        match &mut decoder {
            None => document.append(data, 0)?,
            Some(decoder) => decode(decoder, data, &mut document, limits).await?,
        }
    }
    if let Some(decoder) = &mut decoder {
        let last = decoder.finish()?;
        document.append(&last, decoder.memory_bytes())?;
    }
    document.into_bytes()
}

/// Decodes one piece of a compressed body in short steps, so that other tasks run between the steps.
async fn decode(
    decoder: &mut BodyDecoder,
    mut encoded: &[u8],
    document: &mut Document<'_, '_>,
    limits: BodyLimits<'_>,
) -> Result<(), NetError> {
    loop {
        let permit = limits.decoding.acquire().await.expect("the semaphore is never closed");
        let decoded = decoder.step(&mut encoded)?;
        drop(permit);
        document.append(&decoded, decoder.memory_bytes())?;
        if encoded.is_empty() && !decoder.has_more() {
            return Ok(());
        }
        check_deadline(limits.deadline)?;
        yield_now().await;
    }
}

fn check_deadline(deadline: &Deadline) -> Result<(), NetError> {
    if deadline.has_passed() { Err(NetError::Timeout) } else { Ok(()) }
}

/// The bytes of a document that have arrived so far.
struct Document<'a, 'b> {
    bytes: Vec<u8>,
    max_bytes: u64,
    hold: &'a mut HoldBytes<'b>,
}

impl Document<'_, '_> {
    /// Allocates a buffer for a document of `n_bytes` bytes. The operating system provides the memory of the
    /// buffer only when bytes are written to it, so a peer that announces a large document and sends nothing
    /// costs nothing.
    fn allocate(&mut self, n_bytes: u64) -> Result<(), NetError> {
        let n_bytes = usize::try_from(n_bytes).map_err(|_| NetError::OutOfMemoryBudget)?;
        self.bytes.try_reserve_exact(n_bytes).map_err(|_| NetError::OutOfMemoryBudget)
    }

    /// Appends `data`. The decoder of a compressed document holds `decoder_bytes` bytes of memory.
    fn append(&mut self, data: &[u8], decoder_bytes: usize) -> Result<(), NetError> {
        let n_bytes = self.bytes.len() + data.len();
        if n_bytes as u64 > self.max_bytes {
            return Err(NetError::TooLarge { limit_bytes: self.max_bytes });
        }
        let is_free = (self.hold)(n_bytes + decoder_bytes + CONNECTION_BYTES);
        if !is_free || self.bytes.try_reserve(data.len()).is_err() {
            return Err(NetError::OutOfMemoryBudget);
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn into_bytes(self) -> Result<Bytes, NetError> {
        let is_free = (self.hold)(self.bytes.len());
        if is_free { Ok(self.bytes.into()) } else { Err(NetError::OutOfMemoryBudget) }
    }
}
