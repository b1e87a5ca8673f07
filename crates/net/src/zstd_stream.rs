//! Decodes a zstd body (RFC 8878) block by block while it arrives.

use std::io::{self, Write};

use bytes::{Buf as _, BytesMut};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window, in bytes, that a zstd frame may require. RFC 9659 sets this limit for the content
/// coding `zstd`.
const MAX_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// The largest size of a zstd frame header, in bytes.
const MAX_FRAME_HEADER_BYTES: usize = 18;
/// The size of a zstd block header, in bytes.
const BLOCK_HEADER_BYTES: usize = 3;
/// The size of the checksum at the end of a zstd frame, in bytes.
const CHECKSUM_BYTES: usize = 4;
/// The largest number of bytes that one block decodes to (RFC 8878, section 3.1.1.2.4).
const MAX_BLOCK_BYTES: usize = 128 * 1024;

/// A decoder that receives a zstd body in pieces. The decoder stores compressed bytes only until the header
/// or block that they belong to is complete.
#[derive(Default)]
pub(crate) struct ZstdStream {
    /// Received bytes that are not decoded yet.
    pending: BytesMut,
    frame: Option<Frame>,
    /// Whether the last step decoded something, so that the next step may decode more without further input.
    has_more: bool,
}

/// A zstd frame whose header has been read.
struct Frame {
    decoder: FrameDecoder,
    has_checksum: bool,
    n_blocks: usize,
}

impl ZstdStream {
    /// Moves all bytes of `encoded` into the buffer of the decoder, then decodes one header or block and
    /// writes the decoded bytes to `output`.
    pub(crate) fn step(&mut self, encoded: &mut &[u8], output: &mut impl Write) -> io::Result<()> {
        self.pending.extend_from_slice(encoded);
        *encoded = &[];
        self.has_more = (self.frame.is_some() || self.pending.len() >= MAX_FRAME_HEADER_BYTES)
            && self.decode_one(output)?;
        Ok(())
    }

    /// Returns whether the next step may decode something without further input.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Returns an upper bound on the memory of the decoder. The decoder keeps decoded bytes up to the size of
    /// the window, and the buffer for these bytes may have twice this capacity.
    pub(crate) fn memory_bytes(&self) -> usize {
        let n_blocks = self.frame.as_ref().map_or(0, |frame| frame.n_blocks);
        let window = n_blocks.saturating_mul(2 * MAX_BLOCK_BYTES).min(2 * MAX_WINDOW_BYTES as usize);
        self.pending.capacity() + window + MAX_BLOCK_BYTES
    }

    /// Decodes the remaining bytes after the body has ended. The remaining bytes may contain a whole frame
    /// that is shorter than the largest frame header. Fails when the body is incomplete.
    pub(crate) fn finish(&mut self, output: &mut impl Write) -> io::Result<()> {
        while !self.pending.is_empty() || self.frame.is_some() {
            if !self.decode_one(output)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Decodes the next frame header or block. Returns `false` if the received bytes do not contain the whole
    /// block.
    fn decode_one(&mut self, output: &mut impl Write) -> io::Result<bool> {
        let mut source = &self.pending[..];
        let step = match &mut self.frame {
            None => {
                self.frame = Some(Frame::start(&mut source)?);
                Step::Block
            }
            Some(frame) => frame.decode_block(&mut source, output)?,
        };
        let n_decoded = self.pending.len() - source.len();
        self.pending.advance(n_decoded);
        match step {
            Step::Incomplete => return Ok(false),
            Step::Block => {}
            Step::EndOfFrame => self.frame = None,
        }
        Ok(true)
    }
}

/// The result of an attempt to decode one block.
enum Step {
    Incomplete,
    Block,
    EndOfFrame,
}

impl Frame {
    /// Reads the header of a zstd frame.
    fn start(source: &mut &[u8]) -> io::Result<Self> {
        // Bit 2 of the frame header descriptor (mask 4) says whether the frame has a checksum (RFC 8878,
        // section 3.1.1.1.1). The descriptor follows the four bytes of the magic number.
        let has_checksum = source.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        decoder.init(source).map_err(io::Error::other)?;
        Ok(Self { decoder, has_checksum, n_blocks: 0 })
    }

    /// Decodes the next zstd block if `source` contains the whole block.
    fn decode_block(&mut self, source: &mut &[u8], output: &mut impl Write) -> io::Result<Step> {
        let Some(&[low, middle, high]) = source.first_chunk::<BLOCK_HEADER_BYTES>() else {
            return Ok(Step::Incomplete);
        };
        // The layout of a block header (RFC 8878, section 3.1.1.2): bit 0 marks the last block, bits 1 and 2
        // are the type, and the other bits are the size. A block of type 1 contains one byte, which the
        // decoder repeats `size` times.
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let (is_last, is_repeated_byte) = (header & 1 == 1, header >> 1 & 3 == 1);
        let n_content = if is_repeated_byte { 1 } else { (header >> 3) as usize };
        let n_checksum = if is_last && self.has_checksum { CHECKSUM_BYTES } else { 0 };
        if source.len() < BLOCK_HEADER_BYTES + n_content + n_checksum {
            return Ok(Step::Incomplete);
        }
        self.decoder.decode_blocks(source, BlockDecodingStrategy::UptoBlocks(1)).map_err(io::Error::other)?;
        self.n_blocks += 1;
        self.decoder.collect_to_writer(output)?;
        Ok(if is_last { Step::EndOfFrame } else { Step::Block })
    }
}
