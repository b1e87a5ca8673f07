//! Decodes the most common kind of PNG row by row. A PNG of this kind is a still picture of eight bits per
//! sample that is not interlaced and has neither a palette nor a colour key. The `png` crate decodes all
//! other files. This module inflates the picture data and undoes the filters itself. Therefore the whole
//! picture is never in memory, and every row is processed while it is in the cache.

use flate2::{Decompress, FlushDecompress, Status};

use super::unfilter::unfilter;
use super::{BAD_CHECKSUM, corrupt};
use crate::Error;
use crate::codecs::codec::Header;
use crate::color::Layout;
use crate::geometry::Size;
use crate::rows::Rows;
use crate::truncation::{MissingPart, Truncation};

/// Number of bytes that are inflated at a time. The number is so small that the inflated bytes are still in
/// the second-level cache of the processor when their filters are undone.
const PIECE_BYTES: usize = 128 << 10;

/// The decoder of one picture, with its state between two rows.
pub(super) struct PngRows<'a> {
    size: Size,
    layout: Layout,
    data: Data<'a>,
    inflate: Decompress,
    /// The bytes of the current `IDAT` chunk that were not inflated yet.
    chunk: &'a [u8],
    /// The inflated rows. Each row is stored as the number of its filter, followed by the filtered bytes.
    filtered: Vec<u8>,
    /// The row that was decoded last. Before the first row is decoded, all bytes are zero (ISO/IEC 15948,
    /// 9.2).
    above: Vec<u8>,
    n_left: u32,
    /// The header of the file. The decoder adds a warning to the header if a checksum is wrong, and stores
    /// the share of missing rows in the header if the file is cut off.
    header: &'a mut Header,
}

impl<'a> PngRows<'a> {
    /// Starts decoding the picture of a file whose header was read. A wrong checksum of a chunk is reported
    /// as a warning, not as an error. If the file is cut off within the picture, the missing rows are black or
    /// transparent.
    pub(super) fn new(input: &'a [u8], layout: Layout, header: &'a mut Header) -> Result<Self, Error> {
        let size = Size::new(header.info.width, header.info.height);
        let stride = size.width as usize * layout.count();
        let mut rows = Self {
            size,
            layout,
            data: Data {
                rest: input.get(8..).unwrap_or_default(),
                has_begun: false,
                is_damaged: false,
                is_cut_off: false,
            },
            inflate: Decompress::new(false),
            chunk: &[],
            filtered: Vec::new(),
            above: vec![0; stride],
            n_left: size.height,
            header,
        };
        // The zlib header (RFC 1950, 2.2). The checksum at the end of the zlib stream is ignored, because
        // every chunk has its own checksum.
        let [method, flags] = [rows.byte()?, rows.byte()?];
        let is_whole = u16::from_be_bytes([method, flags]) % 31 == 0;
        if method & 15 != 8 || flags & 0x20 != 0 || !is_whole {
            return Err(corrupt("the header of the compressed data is broken"));
        }
        Ok(rows)
    }

    /// Returns the next byte of the compressed picture data.
    fn byte(&mut self) -> Result<u8, Error> {
        self.next_chunk();
        let (&byte, rest) = self.chunk.split_first().ok_or_else(too_short)?;
        self.chunk = rest;
        Ok(byte)
    }

    /// If the current chunk is used up, continues with the next chunk that is not empty. After the last chunk,
    /// the current chunk stays empty.
    fn next_chunk(&mut self) {
        while self.chunk.is_empty() {
            let was_damaged = self.data.is_damaged;
            let Some(chunk) = self.data.next() else { return };
            self.chunk = chunk;
            if self.data.is_damaged && !was_damaged {
                self.header.warnings.push(BAD_CHECKSUM.to_owned());
            }
        }
    }

    /// Inflates data until `self.filtered` contains `n_bytes` bytes. Returns the number of inflated bytes,
    /// which is smaller than `n_bytes` only if the file is cut off.
    fn inflate(&mut self, n_bytes: usize) -> Result<usize, Error> {
        self.filtered.resize(n_bytes, 0);
        let mut n_done = 0;
        while n_done < n_bytes {
            self.next_chunk();
            let (n_in, n_out) = (self.inflate.total_in(), self.inflate.total_out());
            let to = &mut self.filtered[n_done..];
            let status = self.inflate.decompress(self.chunk, to, FlushDecompress::None).map_err(corrupt)?;
            let (n_in, n_out) = (self.inflate.total_in() - n_in, self.inflate.total_out() - n_out);
            self.chunk = &self.chunk[n_in as usize..];
            n_done += n_out as usize;
            let is_stuck = n_in == 0 && n_out == 0;
            if is_stuck && self.chunk.is_empty() && self.data.is_cut_off {
                break;
            }
            if n_done < n_bytes && (status == Status::StreamEnd || is_stuck) {
                return Err(too_short());
            }
        }
        Ok(n_done)
    }
}

impl Rows for PngRows<'_> {
    fn size(&self) -> Size {
        self.size
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<(), Error> {
        let stride = self.above.len();
        let n_at_once = (PIECE_BYTES / stride).max(1);
        for piece in rows.chunks_mut(n_at_once * stride) {
            let n_rows = piece.len() / stride;
            debug_assert!(
                n_rows <= self.n_left as usize,
                "the caller reads no more rows than the picture has"
            );
            let n_good = self.inflate(n_rows * (stride + 1))? / (stride + 1);
            let (good, missing) = piece.split_at_mut(n_good * stride);
            unfilter(&self.filtered[..n_good * (stride + 1)], &self.above, good, self.layout.count())
                .map_err(corrupt)?;
            missing.fill(0);
            if !missing.is_empty() && self.header.truncation.is_none() {
                let n_missing = u64::from(self.n_left) - n_good as u64;
                if n_missing == u64::from(self.size.height) {
                    return Err(too_short());
                }
                let of = self.size.height.into();
                self.header.truncation = Truncation::new(MissingPart::Picture, n_missing, of);
            }
            if let Some(last) = good.len().checked_sub(stride) {
                self.above.copy_from_slice(&good[last..]);
            }
            self.n_left -= n_rows as u32;
        }
        Ok(())
    }
}

fn too_short() -> Error {
    corrupt("the picture's data end too early")
}

/// Iterates over the data of the consecutive `IDAT` chunks and verifies their checksums.
struct Data<'a> {
    rest: &'a [u8],
    has_begun: bool,
    is_damaged: bool,
    /// Whether the file ends within an `IDAT` chunk or directly after an `IDAT` chunk.
    is_cut_off: bool,
}

impl<'a> Iterator for Data<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let Some((&[l0, l1, l2, l3, ref kind @ ..], after)) = self.rest.split_first_chunk::<8>() else {
                self.is_cut_off = true;
                return None;
            };
            let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
            let data = &after[..length.min(after.len())];
            let checksum = after.get(length..).and_then(<[u8]>::first_chunk).map(|c| u32::from_be_bytes(*c));
            self.rest = after.get(length.saturating_add(4)..).unwrap_or_default();
            if kind == b"IDAT" {
                self.has_begun = true;
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(kind);
                hasher.update(data);
                self.is_damaged |= checksum.is_some_and(|checksum| checksum != hasher.finalize());
                return Some(data);
            }
            if self.has_begun {
                return None;
            }
        }
    }
}
