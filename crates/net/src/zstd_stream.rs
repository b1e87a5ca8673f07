//! Decodes a zstd body (RFC 8878) block by block while it arrives.

use std::io::{self, Write};

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

/// A decoder that receives a zstd body in pieces. The decoder stores compressed bytes only until the header
/// or block that they belong to is complete.
#[derive(Default)]
pub(crate) struct ZstdStream {
    /// Received bytes that cannot be decoded yet, because their header or block is incomplete.
    pending: Vec<u8>,
    frame: Option<Frame>,
}

/// A zstd frame whose header has been read.
struct Frame {
    decoder: FrameDecoder,
    has_checksum: bool,
}

impl ZstdStream {
    /// Decodes all complete zstd blocks and writes the decoded bytes to `output`.
    pub(crate) fn write(&mut self, encoded: &[u8], output: &mut impl Write) -> io::Result<()> {
        self.pending.extend_from_slice(encoded);
        let mut source = &self.pending[..];
        loop {
            match &mut self.frame {
                None if source.len() < MAX_FRAME_HEADER_BYTES => break,
                None => self.frame = Some(Frame::start(&mut source)?),
                Some(frame) => match frame.decode_block(&mut source, output)? {
                    Step::Incomplete => break,
                    Step::Block => {}
                    Step::EndOfFrame => self.frame = None,
                },
            }
        }
        let n_decoded = self.pending.len() - source.len();
        self.pending.drain(..n_decoded);
        Ok(())
    }

    /// Decodes the remaining bytes after the body has ended. The remaining bytes may contain a whole frame
    /// that is shorter than the largest frame header. Fails when the body is incomplete.
    pub(crate) fn finish(&mut self, output: &mut impl Write) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let mut source = &pending[..];
        while !source.is_empty() || self.frame.is_some() {
            match &mut self.frame {
                None => self.frame = Some(Frame::start(&mut source)?),
                Some(frame) => match frame.decode_block(&mut source, output)? {
                    Step::Incomplete => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Step::Block => {}
                    Step::EndOfFrame => self.frame = None,
                },
            }
        }
        Ok(())
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
        Ok(Self { decoder, has_checksum })
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
        self.decoder.collect_to_writer(output)?;
        Ok(if is_last { Step::EndOfFrame } else { Step::Block })
    }
}
