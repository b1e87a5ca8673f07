//! Decodes compressed response bodies. Some servers compress a body although the request refuses compression.
//! The decoded size is limited while the bytes arrive.

use std::io::{self, Write as _};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::zstd_stream::ZstdStream;
use crate::{EncodingError, NetError};

/// The number of decoded bytes that every body may have, even if its compressed form is tiny.
const FREE_BYTES: u64 = 1024 * 1024;
/// The largest number of decoded bytes for each compressed byte, in addition to [`FREE_BYTES`].
const MAX_RATIO: u64 = 1_000;
/// The size of a decoder's output buffer, in bytes.
const OUTPUT_BUFFER_BYTES: usize = 16 * 1024;

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
    Deflate { decompress: Option<Decompress>, has_ended: bool, output: Output },
    Brotli(Box<DecompressorWriter<Output>>),
    Zstd(Box<ZstdStream>, Output),
}

/// Decodes a compressed response body while the bytes arrive.
pub(crate) struct BodyDecoder {
    coding: Coding,
    state: State,
    limit_bytes: u64,
    n_encoded: u64,
    n_decoded: u64,
}

impl BodyDecoder {
    /// Creates the decoder for the body of a response. `None` means that the body is not compressed. The
    /// decoder refuses a body of more than `limit_bytes` decoded bytes.
    pub(crate) fn for_response(headers: &HeaderMap, limit_bytes: u64) -> Result<Option<Self>, NetError> {
        let Some(coding) = Coding::of(headers).map_err(NetError::Encoding)? else { return Ok(None) };
        let output = Output { bytes: Vec::new(), remaining: 0 };
        let state = match coding {
            Coding::Gzip => State::Gzip(MultiGzDecoder::new(output)),
            Coding::Deflate => State::Deflate { decompress: None, has_ended: false, output },
            Coding::Brotli => State::Brotli(Box::new(DecompressorWriter::new(output, OUTPUT_BUFFER_BYTES))),
            Coding::Zstd => State::Zstd(Box::default(), output),
        };
        Ok(Some(Self { coding, state, limit_bytes, n_encoded: 0, n_decoded: 0 }))
    }

    /// Decodes the next compressed bytes of the body and returns the decoded bytes.
    ///
    /// The size limit and the ratio limit the number of returned bytes, so that a few compressed bytes cannot
    /// become a large buffer. A caller that passes short pieces gets short results.
    pub(crate) fn decode(&mut self, encoded: &[u8]) -> Result<Vec<u8>, NetError> {
        self.n_encoded += encoded.len() as u64;
        self.run(|state| state.write(encoded))
    }

    /// Ends the body and returns the last decoded bytes. Fails when the compressed body is incomplete. An
    /// empty body counts as complete.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, NetError> {
        if self.n_encoded == 0 {
            return Ok(Vec::new());
        }
        self.run(State::finish)
    }

    fn run(&mut self, step: impl FnOnce(&mut State) -> io::Result<()>) -> Result<Vec<u8>, NetError> {
        let by_ratio = FREE_BYTES.saturating_add(self.n_encoded.saturating_mul(MAX_RATIO));
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
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Deflate { output, .. } | Self::Zstd(_, output) => output,
        }
    }

    fn write(&mut self, encoded: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(encoded),
            Self::Brotli(decoder) => decoder.write_all(encoded),
            Self::Deflate { decompress, has_ended, output } => {
                let Some(first) = encoded.first() else { return Ok(()) };
                // The content coding `deflate` means a zlib stream, but some servers send bare DEFLATE data.
                // A zlib stream begins with a byte whose low four bits are 8. Bare DEFLATE data does not
                // begin with these bits: they would start an uncompressed block with non-zero padding, which
                // no DEFLATE encoder writes.
                let decompress = decompress.get_or_insert_with(|| Decompress::new(first & 0x0f == 8));
                inflate(decompress, has_ended, encoded, output)
            }
            Self::Zstd(stream, output) => stream.write(encoded, output),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
            Self::Deflate { has_ended: true, .. } => Ok(()),
            Self::Deflate { .. } => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Zstd(stream, output) => stream.finish(output),
        }
    }
}

/// Inflates all of `encoded`. Bytes after the end of the compressed stream are ignored.
fn inflate(
    decompress: &mut Decompress,
    has_ended: &mut bool,
    mut encoded: &[u8],
    output: &mut Output,
) -> io::Result<()> {
    let mut buffer = [0; OUTPUT_BUFFER_BYTES];
    while !*has_ended {
        let (n_in, n_out) = (decompress.total_in(), decompress.total_out());
        let status = decompress.decompress(encoded, &mut buffer, FlushDecompress::None)?;
        let n_read = usize::try_from(decompress.total_in() - n_in).map_err(io::Error::other)?;
        let n_written = usize::try_from(decompress.total_out() - n_out).map_err(io::Error::other)?;
        output.write_all(&buffer[..n_written])?;
        encoded = &encoded[n_read..];
        *has_ended = status == Status::StreamEnd;
        if n_written < buffer.len() && encoded.is_empty() || n_read == 0 && n_written == 0 {
            break;
        }
    }
    Ok(())
}
