//! Decodes compressed response bodies. Some servers compress a body although the request refuses compression.
//! The decoded size is limited while the bytes arrive.

use std::io::{self, Write as _};

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::brotli_stream::BrotliStream;
use crate::piece_limit::PieceLimit;
use crate::zstd_stream::ZstdStream;
use crate::{EncodingError, NetError};

/// The number of decoded bytes that every body may have, even if its compressed form is tiny.
const FREE_BYTES: u64 = 1024 * 1024;
/// The largest number of decoded bytes for each compressed byte, in addition to [`FREE_BYTES`].
const MAX_RATIO: u64 = 1_000;
/// The size of the output buffer of `deflate`, in bytes.
const OUTPUT_BUFFER_BYTES: usize = 16 * 1024;
/// The largest number of compressed bytes that one step decodes.
const STEP_BYTES: usize = 1024;
/// The memory of a gzip or deflate decoder, in bytes: the window of DEFLATE, the tables of Huffman codes and
/// the output buffer.
const INFLATE_MEMORY_BYTES: usize = 128 * 1024;

/// A content coding (RFC 9110, section 8.4.1) other than `identity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// Reads the header `Content-Encoding`. `None` means that the body is not compressed. A header that lists
    /// more than one coding is refused like an unknown coding.
    fn of(headers: &HeaderMap) -> Result<Option<Self>, EncodingError> {
        let values: Vec<_> = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .collect();
        let names = values.join(",");
        let unknown = || {
            let shown = names.chars().filter(|c| !c.is_control()).take(40).collect();
            EncodingError::Unknown(shown)
        };
        let mut found = None;
        for name in names.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "identity")) {
            let coding = match name {
                "gzip" | "x-gzip" => Self::Gzip,
                "deflate" => Self::Deflate,
                "br" => Self::Brotli,
                "zstd" => Self::Zstd,
                _ => return Err(unknown()),
            };
            if found.replace(coding).is_some() {
                return Err(unknown());
            }
        }
        Ok(found)
    }
}

/// Collects the output of a decoder, up to a maximum number of bytes.
struct Output {
    /// The decoded bytes that the caller has not taken yet.
    bytes: Vec<u8>,
    /// The number of decoded bytes that may still be added.
    remaining: u64,
}

impl io::Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let Some(remaining) = self.remaining.checked_sub(data.len() as u64) else {
            self.remaining = 0;
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        };
        self.remaining = remaining;
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running decoder, one variant for each content coding.
enum State {
    Gzip(MultiGzDecoder<Output>),
    Deflate(Inflate, Output),
    Brotli(Box<BrotliStream>, Output),
    Zstd(Box<ZstdStream>, Output),
}

/// Decodes a compressed response body while the bytes arrive, in steps that take less than a few
/// milliseconds.
pub(crate) struct BodyDecoder {
    coding: Coding,
    state: State,
    limit_bytes: u64,
    n_encoded: u64,
    n_decoded: u64,
    steps: PieceLimit,
}

impl BodyDecoder {
    /// Creates the decoder for the body of a response. `None` means that the body is not compressed. The
    /// decoder refuses a body of more than `limit_bytes` decoded bytes.
    pub(crate) fn for_response(headers: &HeaderMap, limit_bytes: u64) -> Result<Option<Self>, NetError> {
        let Some(coding) = Coding::of(headers).map_err(NetError::Encoding)? else { return Ok(None) };
        let output = Output { bytes: Vec::new(), remaining: 0 };
        let state = match coding {
            Coding::Gzip => State::Gzip(MultiGzDecoder::new(output)),
            Coding::Deflate => State::Deflate(Inflate::default(), output),
            Coding::Brotli => State::Brotli(Box::default(), output),
            Coding::Zstd => State::Zstd(Box::default(), output),
        };
        let steps = PieceLimit::default();
        Ok(Some(Self { coding, state, limit_bytes, n_encoded: 0, n_decoded: 0, steps }))
    }

    /// Decodes some of the compressed bytes at the start of `encoded`, removes them from `encoded`, and
    /// returns the decoded bytes. The caller repeats the call until `encoded` is empty and [`Self::has_more`]
    /// is false.
    ///
    /// The size limit and the ratio limit the number of returned bytes, so that a few compressed bytes cannot
    /// become a large buffer. The number of steps is limited like the number of pieces of a body, because a
    /// step costs time even if it decodes nothing, such as an empty member of a gzip file.
    pub(crate) fn step(&mut self, encoded: &mut &[u8]) -> Result<Vec<u8>, NetError> {
        let mut input = &encoded[..encoded.len().min(STEP_BYTES)];
        let n_before = input.len();
        let allowed = self.n_encoded + n_before as u64;
        let decoded = self.run(allowed, |state| state.step(&mut input))?;
        let n_consumed = n_before - input.len();
        *encoded = &encoded[n_consumed..];
        self.n_encoded += n_consumed as u64;
        self.steps.count(n_consumed + decoded.len())?;
        Ok(decoded)
    }

    /// Returns whether the decoder can decode more bytes without further input.
    pub(crate) fn has_more(&self) -> bool {
        match &self.state {
            State::Gzip(_) => false,
            State::Deflate(inflate, _) => inflate.has_more,
            State::Brotli(stream, _) => stream.has_more(),
            State::Zstd(stream, _) => stream.has_more(),
        }
    }

    /// Returns an upper bound on the memory that the decoder itself holds, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.state {
            State::Gzip(_) | State::Deflate(..) => INFLATE_MEMORY_BYTES,
            State::Brotli(..) => BrotliStream::memory_bytes(self.n_decoded),
            State::Zstd(stream, _) => stream.memory_bytes(),
        }
    }

    /// Ends the body and returns the last decoded bytes. Fails when the compressed body is incomplete. An
    /// empty body counts as complete.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, NetError> {
        if self.n_encoded == 0 {
            return Ok(Vec::new());
        }
        self.run(self.n_encoded, State::finish)
    }

    /// Runs one step of the decoder, when the decoder has received at most `n_encoded` bytes.
    fn run(
        &mut self,
        n_encoded: u64,
        step: impl FnOnce(&mut State) -> io::Result<()>,
    ) -> Result<Vec<u8>, NetError> {
        let by_ratio = FREE_BYTES.saturating_add(n_encoded.saturating_mul(MAX_RATIO));
        self.state.output().remaining = by_ratio.min(self.limit_bytes).saturating_sub(self.n_decoded);
        let result = step(&mut self.state);
        let bytes = std::mem::take(&mut self.state.output().bytes);
        self.n_decoded += bytes.len() as u64;
        match result {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                Err(if by_ratio < self.limit_bytes {
                    NetError::Encoding(EncodingError::Ratio { max: MAX_RATIO })
                } else {
                    NetError::TooLarge { limit_bytes: self.limit_bytes }
                })
            }
            Err(_) => Err(NetError::Encoding(EncodingError::Malformed(self.coding.name()))),
        }
    }
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

impl State {
    fn output(&mut self) -> &mut Output {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(_, output) | Self::Brotli(_, output) | Self::Zstd(_, output) => output,
        }
    }

    /// Decodes some bytes at the start of `encoded`, and removes them from `encoded`.
    fn step(&mut self, encoded: &mut &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(_) if encoded.is_empty() => Ok(()),
            Self::Gzip(decoder) => match decoder.write(encoded)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n_consumed => {
                    *encoded = &encoded[n_consumed..];
                    Ok(())
                }
            },
            Self::Deflate(inflate, output) => inflate.step(encoded, output),
            Self::Brotli(stream, output) => stream.step(encoded, output),
            Self::Zstd(stream, output) => stream.step(encoded, output),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(Inflate { has_ended: true, .. }, _) => Ok(()),
            Self::Deflate(..) => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Brotli(stream, _) => stream.finish(),
            Self::Zstd(stream, output) => stream.finish(output),
        }
    }
}

/// A decoder of the content coding `deflate`.
#[derive(Default)]
struct Inflate {
    decompress: Option<Decompress>,
    has_ended: bool,
    /// Whether the last step filled its output buffer, so that the next step may decode more without further
    /// input.
    has_more: bool,
}

impl Inflate {
    /// Decodes `encoded` until one output buffer is full. Bytes after the end of the compressed stream are
    /// ignored.
    fn step(&mut self, encoded: &mut &[u8], output: &mut Output) -> io::Result<()> {
        let first = encoded.first().copied().unwrap_or_default();
        if self.has_ended || self.decompress.is_none() && encoded.is_empty() {
            *encoded = &[];
            return Ok(());
        }
        // The content coding `deflate` means a zlib stream, but some servers send bare DEFLATE data. A zlib
        // stream begins with a byte whose low four bits are 8. Bare DEFLATE data never begins with these four
        // bits: in bare DEFLATE data, these bits mean an uncompressed block with non-zero padding, and no
        // DEFLATE encoder writes such a block.
        let decompress = self.decompress.get_or_insert_with(|| Decompress::new(first & 0x0f == 8));
        let mut buffer = [0; OUTPUT_BUFFER_BYTES];
        let (n_in, n_out) = (decompress.total_in(), decompress.total_out());
        let status = decompress.decompress(encoded, &mut buffer, FlushDecompress::None)?;
        let n_read = usize::try_from(decompress.total_in() - n_in).map_err(io::Error::other)?;
        let n_written = usize::try_from(decompress.total_out() - n_out).map_err(io::Error::other)?;
        output.write_all(&buffer[..n_written])?;
        *encoded = &encoded[n_read..];
        self.has_ended = status == Status::StreamEnd;
        self.has_more = n_written == buffer.len() && !self.has_ended;
        Ok(())
    }
}
