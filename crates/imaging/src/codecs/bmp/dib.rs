//! Reads the headers of a device-independent bitmap and its colour table. All header versions are supported,
//! from OS/2 version 1 (12 bytes) to Windows V5 (124 bytes).

use std::ops::Range;

use super::corrupt;
use crate::Error;
use crate::bytes::{u16_le, u32_le};

/// How the pixels of a DIB are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codecs) enum Coding {
    /// Uncompressed.
    Uncompressed,
    /// Run-length coding of 4-bit pixels.
    Rle4,
    /// Run-length coding of 8-bit pixels.
    Rle8,
    /// Run-length coding of 24-bit pixels, which only OS/2 bitmaps use.
    Rle24,
    /// The pixel data are a complete JPEG file.
    Jpeg,
    /// The pixel data are a complete PNG file.
    Png,
}

/// The properties of a DIB that its headers state.
#[derive(Debug)]
pub(in crate::codecs) struct Dib {
    /// Width in pixels, at least 1.
    pub(in crate::codecs) width: u32,
    /// Height in pixels, at least 1. In an icon, this is the height of the picture plus the height of its
    /// mask.
    pub(in crate::codecs) height: u32,
    /// Whether rows are stored from the top to the bottom, instead of the usual bottom-up order.
    pub(super) top_down: bool,
    /// Bits per pixel: 1, 2, 4, 8, 16, 24 or 32. If the coding is JPEG or PNG, the field can have any value.
    pub(in crate::codecs) bits: u16,
    pub(super) coding: Coding,
    /// The masks that select the bits of red, green, blue and alpha in a pixel of 16 or 32 bits.
    pub(super) masks: [u32; 4],
    /// The entries of the colour table: the red, green and blue value of each.
    pub(super) colors: Vec<[u8; 3]>,
    /// The byte range of the ICC profile, counted from the first byte of the header.
    pub(super) profile: Option<Range<usize>>,
    /// The offset of the pixels, counted from the first byte of the header.
    pub(in crate::codecs) pixels_at: usize,
}

/// The bytes `MBED` as an integer. A V5 header with this value states that the file contains an ICC profile.
const PROFILE_EMBEDDED: u32 = 0x4d42_4544;

/// The default masks of red, green and blue in a pixel of 16 bits. The highest bit is unused.
const MASKS_555: [u32; 4] = [0x7c00, 0x03e0, 0x001f, 0];

/// The default masks of red, green and blue in a pixel of 32 bits. The highest byte is unused.
const MASKS_888: [u32; 4] = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0];

impl Dib {
    /// Reads the headers of a DIB in a file. The file header states the offset of the pixels, `pixels_at`.
    pub(super) fn of_file(bytes: &[u8], pixels_at: usize) -> Result<Self, Error> {
        Self::read(bytes, Some(pixels_at))
    }

    /// Reads the headers of a DIB in an icon. The pixels follow the colour table. With 32 bits and default
    /// masks, the highest eight bits are alpha.
    pub(in crate::codecs) fn of_icon(bytes: &[u8]) -> Result<Self, Error> {
        let mut dib = Self::read(bytes, None)?;
        if dib.bits == 32 && dib.masks == MASKS_888 {
            dib.masks[3] = 0xff00_0000;
        }
        Ok(dib)
    }

    /// Whether a pixel can be transparent or translucent.
    pub(in crate::codecs) fn has_alpha(&self) -> bool {
        self.masks[3] != 0 && self.bits > 8
    }

    /// Whether the pixels are stored as a bitmap, and not as an embedded JPEG or PNG file.
    pub(in crate::codecs) fn is_bitmap(&self) -> bool {
        !matches!(self.coding, Coding::Jpeg | Coding::Png)
    }

    fn read(bytes: &[u8], pixels_at: Option<usize>) -> Result<Self, Error> {
        let truncated = || corrupt("the header is cut off");
        let header_bytes = u32_le(bytes, 0).ok_or_else(truncated)? as usize;
        if header_bytes < 12 || header_bytes == 13 || header_bytes > 4096 {
            return Err(corrupt(format!("a header of {header_bytes} bytes is not known")));
        }
        let core = header_bytes < 16;
        let u16_at = |at| u16_le(bytes, at).ok_or_else(truncated);
        let (width, height, bits) = if core {
            (i32::from(u16_at(4)?), i32::from(u16_at(6)?), u16_at(10)?)
        } else {
            let side = |at| u32_le(bytes, at).map(u32::cast_signed).ok_or_else(truncated);
            (side(4)?, side(8)?, u16_at(14)?)
        };
        if width <= 0 || height == 0 {
            return Err(corrupt(format!("a picture of {width}x{height} pixels")));
        }
        // If the header is so short that it does not contain a field, the value of the field is zero.
        let field = |at: usize| if at + 4 <= header_bytes { u32_le(bytes, at).unwrap_or(0) } else { 0 };
        let compression = field(16);
        let coding = coding(compression, bits, is_os2(header_bytes))?;
        let masked = matches!(compression, 3 | 6) && bits > 8;
        let masks_behind =
            if masked && header_bytes == 40 { if compression == 6 { 16 } else { 12 } } else { 0 };
        let masks = if masked {
            let has_alpha = compression == 6 || header_bytes >= 56;
            let mask = |i: usize| u32_le(bytes, 40 + 4 * i).ok_or_else(truncated);
            [mask(0)?, mask(1)?, mask(2)?, if has_alpha { mask(3)? } else { 0 }]
        } else if bits == 16 {
            MASKS_555
        } else {
            MASKS_888
        };
        let table_at = header_bytes + masks_behind;
        // The pixels cannot begin inside the headers. If the stated offset points into the headers, the
        // pixels are expected after the colour table.
        let pixels_at = pixels_at.filter(|&at| at >= table_at);
        let entry_bytes = if core { 3 } else { 4 };
        let n_colors = n_colors(bits, field(32), pixels_at.map(|at| (at - table_at) / entry_bytes));
        let table = bytes.get(table_at..).unwrap_or_default().chunks_exact(entry_bytes).take(n_colors);
        let colors: Vec<[u8; 3]> = table.map(|entry| [entry[2], entry[1], entry[0]]).collect();
        if bits <= 8 && coding != Coding::Jpeg && coding != Coding::Png && colors.is_empty() {
            return Err(corrupt("the colour table is missing"));
        }
        let profile = (header_bytes >= 124 && field(56) == PROFILE_EMBEDDED)
            .then(|| (field(112) as usize, field(116) as usize))
            .map(|(at, size)| at..at.saturating_add(size));
        Ok(Self {
            width: width.unsigned_abs(),
            height: height.unsigned_abs(),
            top_down: height < 0,
            bits,
            coding,
            masks,
            pixels_at: pixels_at.unwrap_or(table_at + n_colors * entry_bytes),
            colors,
            profile,
        })
    }
}

/// Whether a header of this length is a header of OS/2 version 2. The length must be more than 12 bytes. A
/// header of OS/2 version 2 has no fixed length, because it may end after any field.
fn is_os2(header_bytes: usize) -> bool {
    matches!(header_bytes, 16..=64) && !matches!(header_bytes, 40 | 52 | 56)
}

/// Returns the coding with this number. Windows and OS/2 use some numbers for different codings.
fn coding(compression: u32, bits: u16, os2: bool) -> Result<Coding, Error> {
    let unsupported = |reason: String| Err(Error::Unsupported { format: "BMP", reason });
    match (compression, bits) {
        (1, 8) => Ok(Coding::Rle8),
        (2, 4) => Ok(Coding::Rle4),
        (4, 24) if os2 => Ok(Coding::Rle24),
        (3, _) if os2 => unsupported("Huffman coding".to_owned()),
        (4, _) if !os2 => Ok(Coding::Jpeg),
        (5, _) if !os2 => Ok(Coding::Png),
        (0 | 3 | 6, 16 | 32) | (0 | 3, 1 | 2 | 4 | 8 | 24) => Ok(Coding::Uncompressed),
        (0..=6, _) => unsupported(format!("{bits} bits per pixel with coding {compression}")),
        _ => unsupported(format!("coding {compression}")),
    }
}

/// Returns the number of entries of the colour table, which is at most `room`, the number of entries that fit
/// before the pixels. The header states the number. If the header states 0, the table has one entry for each
/// possible index. Pixels of more than 8 bits are not indices; a colour table in such a file is only a hint
/// for displays with few colours.
fn n_colors(bits: u16, stated: u32, room: Option<usize>) -> usize {
    let n_values = if bits <= 8 { 1 << bits } else { 0 };
    let n = match stated {
        0 => n_values,
        n if bits <= 8 => (n as usize).min(n_values),
        n => (n as usize).min(256),
    };
    n.min(room.unwrap_or(usize::MAX))
}
