//! Reads the sizes of images in files whose header is a directory, a sequence of boxes, or a sequence of
//! bits.

use crate::bytes::{u16_be, u16_le, u32_be, u32_le};
use crate::format::signature::{JP2_CODESTREAM, JXL_CODESTREAM};
use crate::isobmff::{Boxes, Fields, child};

/// The largest number of entries of a TIFF directory that are read. The entries with the width and the height
/// are among the first, because entries are sorted by their tags.
const TIFF_ENTRIES_MAX: u64 = 64;

/// Returns the size in the first directory of a TIFF or BigTIFF file.
pub(super) fn tiff_size(head: &[u8]) -> Option<(u32, u32)> {
    let is_little = head.starts_with(b"II");
    let u16_at = |at| if is_little { u16_le(head, at) } else { u16_be(head, at) };
    let u32_at = |at| if is_little { u32_le(head, at) } else { u32_be(head, at) };
    let u64_at = |at: usize| {
        let (low, high) = if is_little { (at, at + 4) } else { (at + 4, at) };
        Some(u64::from(u32_at(low)?) | u64::from(u32_at(high)?) << 32)
    };
    let is_big = u16_at(2)? == 43;
    let directory = if is_big { usize::try_from(u64_at(8)?).ok()? } else { u32_at(4)? as usize };
    if directory >= head.len() {
        return None;
    }
    let (n_entries, entries, entry_bytes) = if is_big {
        (u64_at(directory)?, directory + 8, 20)
    } else {
        (u64::from(u16_at(directory)?), directory + 2, 12)
    };
    let (mut width, mut height) = (None, None);
    for n in 0..n_entries.min(TIFF_ENTRIES_MAX) as usize {
        let entry = entries + n * entry_bytes;
        let value_at = entry + if is_big { 12 } else { 8 };
        let value = match u16_at(entry + 2)? {
            3 => u16_at(value_at).map(u32::from),
            16 => u64_at(value_at).and_then(|value| u32::try_from(value).ok()),
            _ => u32_at(value_at),
        };
        match u16_at(entry)? {
            256 => width = value,
            257 => height = value,
            _ => {}
        }
    }
    width.zip(height)
}

/// Returns the size in the box `ihdr` of a JPEG 2000 file, or in the marker segment SIZ of a codestream.
pub(super) fn jp2_size(head: &[u8]) -> Option<(u32, u32)> {
    if head.starts_with(JP2_CODESTREAM) {
        let side = |end, start| u32_be(head, end)?.checked_sub(u32_be(head, start)?);
        return side(8, 16).zip(side(12, 20));
    }
    let header = child(head, b"jp2h")?;
    let size = child(header, b"ihdr")?;
    u32_be(size, 4).zip(u32_be(size, 0))
}

/// Returns the largest size that a property of a HEIF file states. A picture that consists of tiles has a
/// property with its own size, which is larger than the size of a tile. A file without such properties is an
/// animation, and the description of its first track states the size.
pub(super) fn heif_size(head: &[u8]) -> Option<(u32, u32)> {
    let properties = child(head, b"meta").and_then(|meta| child(child(meta.get(4..)?, b"iprp")?, b"ipco"));
    let Some(properties) = properties else {
        let path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
        // The first sample description begins after 8 bytes, and states the size after 32 bytes of its own.
        let descriptions = path.into_iter().try_fold(head, child)?;
        return u16_be(descriptions, 40).map(u32::from).zip(u16_be(descriptions, 42).map(u32::from));
    };
    let sizes = Boxes::new(properties).filter(|(kind, _)| kind == b"ispe").filter_map(|(_, content)| {
        let mut fields = Fields::new(content);
        fields.version_and_flags()?;
        fields.u32().zip(fields.u32())
    });
    sizes.max_by_key(|&(width, height)| u64::from(width) * u64::from(height))
}

/// Returns the number of samples in the first track of a HEIF file, which is an animation if it has tracks.
pub(super) fn heif_frames(head: &[u8]) -> Option<u32> {
    let path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"];
    let sizes = path.into_iter().try_fold(head, child)?;
    u32_be(sizes, 8)
}

/// Returns the size in the size header of a JPEG XL codestream (ISO/IEC 18181-1, D.2).
pub(super) fn jxl_size(head: &[u8]) -> Option<(u32, u32)> {
    let stream = if head.starts_with(JXL_CODESTREAM) {
        head
    } else {
        let mut boxes = Boxes::new(head);
        boxes.find_map(|(kind, content)| match &kind {
            b"jxlc" => Some(content),
            // The box `jxlp` contains the number of a part of the codestream in four bytes, and then the
            // part.
            b"jxlp" => content.get(4..),
            _ => None,
        })?
    };
    let mut bytes = [0; 16];
    let stream = stream.strip_prefix(JXL_CODESTREAM)?;
    let n_bytes = stream.len().min(bytes.len());
    bytes[..n_bytes].copy_from_slice(&stream[..n_bytes]);
    let mut bits = Bits(u128::from_le_bytes(bytes));
    let is_small = bits.take(1) == 1;
    let height = bits.side(is_small);
    // The header states the ratio of width to height as one of the numbers 1 to 7. The number 0 means that
    // the header states the width instead.
    let width = match bits.take(3) {
        0 => bits.side(is_small),
        ratio => {
            const RATIOS: [(u64, u64); 7] = [(1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)];
            let (width, per_height) = RATIOS[ratio as usize - 1];
            u32::try_from(u64::from(height) * width / per_height).ok()?
        }
    };
    Some((width, height))
}

/// A sequence of bits that are read from the lowest bit to the highest bit.
struct Bits(u128);

impl Bits {
    fn take(&mut self, n: u32) -> u32 {
        let taken = self.0 & ((1 << n) - 1);
        self.0 >>= n;
        taken as u32
    }

    fn side(&mut self, is_small: bool) -> u32 {
        if is_small {
            return (self.take(5) + 1) * 8;
        }
        let n_bits = [9, 13, 18, 30][self.take(2) as usize];
        self.take(n_bits) + 1
    }
}
