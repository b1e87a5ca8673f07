//! Decodes a zstd body (RFC 8878) block by block while it arrives.

use std::io::{self, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window, in bytes, that a frame may need. RFC 9659 sets this limit for the content coding
/// `zstd`.
const MAX_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// The longest header of a frame, in bytes.
const MAX_FRAME_HEADER_BYTES: usize = 18;
/// The size of the header of a block, in bytes.
const BLOCK_HEADER_BYTES: usize = 3;
/// The size of a frame's checksum, in bytes.
const CHECKSUM_BYTES: usize = 4;

/// A decoder that is fed with the pieces of a body. It keeps at most one block that is not complete yet.
#[derive(Default)]
pub(crate) struct ZstdStream {
    /// Bytes that were not decoded yet, because their header or block is incomplete.
    pending: Vec<u8>,
    frame: Option<Frame>,
}

/// A frame whose header was read.
struct Frame {
    decoder: FrameDecoder,
    has_checksum: bool,
}

impl ZstdStream {
    /// Decodes all complete blocks and writes their content to `output`.
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

    /// Decodes the rest, which may be a frame shorter than the longest header. Fails when the body is
    /// incomplete.
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

/// The result of one step of decoding.
enum Step {
    Incomplete,
    Block,
    EndOfFrame,
}

impl Frame {
    /// Reads the header of a frame.
    fn start(source: &mut &[u8]) -> io::Result<Self> {
        // The bit 4 of the descriptor, which follows the four bytes of the magic number, announces a
        // checksum.
        let has_checksum = source.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        decoder.init(source).map_err(io::Error::other)?;
        Ok(Self { decoder, has_checksum })
    }

    /// Decodes the next block if `source` contains it completely.
    fn decode_block(&mut self, source: &mut &[u8], output: &mut impl Write) -> io::Result<Step> {
        let Some(&[low, middle, high]) = source.first_chunk::<BLOCK_HEADER_BYTES>() else {
            return Ok(Step::Incomplete);
        };
        // A block header (RFC 8878, section 3.1.1.2): bit 0 marks the last block, bits 1 and 2 are the type,
        // and the other bits are the size. A block of type 1 repeats one byte `size` times.
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
