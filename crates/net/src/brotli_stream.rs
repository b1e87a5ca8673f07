//! Decodes a brotli body (RFC 7932) in steps while it arrives.

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

/// The size of the output buffer, in bytes.
const OUTPUT_BUFFER_BYTES: usize = 16 * 1024;
/// The largest window of a brotli stream, in bytes (RFC 7932, section 9.1). The decoder refuses the larger
/// windows of the extension "large window", which the content coding `br` does not include.
const MAX_WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// The memory that a brotli decoder needs in addition to the window, in bytes.
const TABLES_BYTES: usize = 256 * 1024;

/// A decoder that receives a brotli body in pieces, and returns the decoded bytes in short steps.
pub(crate) struct BrotliStream {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    buffer: Box<[u8; OUTPUT_BUFFER_BYTES]>,
    total_out: usize,
    progress: Progress,
}

/// What the decoder needs before the decoder can run another step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NeedsInput,
    HasMore,
    Ended,
}

impl Default for BrotliStream {
    fn default() -> Self {
        let alloc = StandardAlloc::default();
        Self {
            state: BrotliState::new_strict(alloc, alloc, alloc),
            buffer: Box::new([0; OUTPUT_BUFFER_BYTES]),
            total_out: 0,
            progress: Progress::NeedsInput,
        }
    }
}

impl BrotliStream {
    /// Decodes at most one buffer of bytes from the start of `encoded`, and writes them to `output`. Bytes
    /// after the end of the compressed stream are an error.
    pub(crate) fn step(&mut self, encoded: &mut &[u8], output: &mut impl Write) -> io::Result<()> {
        if self.progress == Progress::Ended {
            return if encoded.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        let (mut n_in, mut n_consumed) = (encoded.len(), 0);
        let (mut n_free, mut n_out) = (self.buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut n_in,
            &mut n_consumed,
            encoded,
            &mut n_free,
            &mut n_out,
            &mut self.buffer[..],
            &mut self.total_out,
            &mut self.state,
        );
        *encoded = &encoded[n_consumed..];
        output.write_all(&self.buffer[..n_out])?;
        self.progress = match result {
            BrotliResult::NeedsMoreInput => Progress::NeedsInput,
            BrotliResult::NeedsMoreOutput => Progress::HasMore,
            BrotliResult::ResultSuccess => Progress::Ended,
            BrotliResult::ResultFailure => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok(())
    }

    /// Returns whether the decoder can decode more bytes without further input.
    pub(crate) fn has_more(&self) -> bool {
        self.progress == Progress::HasMore
    }

    /// Returns an error if the compressed body has ended before the end of the brotli stream.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if self.progress == Progress::Ended { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns an upper bound on the memory of a decoder that has returned `n_decoded` bytes. The window of
    /// the decoder grows with the number of decoded bytes.
    pub(crate) fn memory_bytes(n_decoded: u64) -> usize {
        let n_window = usize::try_from(n_decoded.saturating_mul(2)).unwrap_or(usize::MAX);
        n_window.min(MAX_WINDOW_BYTES) + TABLES_BYTES
    }
}
