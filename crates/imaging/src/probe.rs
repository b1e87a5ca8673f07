//! Reads the size of an image from its first bytes, without decoding. The server uses the size to estimate
//! the processing time of an image. No memory is allocated, nothing is decompressed, and at most
//! `SCANNED_BYTES` are read, so that a hostile file costs the server no more than a few microseconds.
//!
//! The probe returns the numbers that the file claims, and these can be wrong. Only the order in which images
//! are processed may depend on the numbers. The probe does not read the size of an SVG image, because finding it takes
//! a parser of XML; [`may_be_drawing`] only says whether a file can be such an image.

mod containers;

use crate::bytes::{u16_be, u16_le, u32_be, u32_le};
use crate::format::signature::{GZIP, ICO_ENTRY_BYTES, ICO_HEADER_BYTES, PNG};
use crate::format::{Format, sniff_binary};

/// The largest number of bytes of a file that are read. If a file is longer, the number of its frames or
/// scans is extrapolated from the bytes that are read.
const SCANNED_BYTES: usize = 1 << 20;

/// What a file claims about its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The format of the file, never [`Format::Svg`].
    pub format: Format,
    /// Width in pixels, before the EXIF orientation is applied.
    pub width: u32,
    /// Height in pixels, before the EXIF orientation is applied.
    pub height: u32,
    /// The number of frames of an animation, or 1 if the image is not an animation.
    pub n_frames: u32,
    /// The number of scans of a progressive JPEG, or 1 if the image is not a progressive JPEG.
    pub n_scans: u32,
}

/// Reads the size of an image. Returns `None` if the format is unknown or if the first bytes of the file do
/// not contain the size.
pub fn probe(input: &[u8]) -> Option<Probe> {
    let head = &input[..input.len().min(SCANNED_BYTES)];
    let format = sniff_binary(head)?;
    let (width, height) = size(head, format)?;
    let in_head = match format {
        Format::Gif => gif_frames(head),
        Format::Webp => webp_frames(head),
        Format::Jpeg => jpeg_scans(head),
        _ => 1,
    };
    let extrapolated = in_head as u64 * input.len() as u64 / head.len().max(1) as u64;
    let n = u32::try_from(extrapolated).unwrap_or(u32::MAX).max(1);
    let (n_frames, n_scans) = match format {
        Format::Apng => (apng_frames(head).unwrap_or(1).max(1), 1),
        Format::Heic | Format::Avif => (containers::heif_frames(head).unwrap_or(1).max(1), 1),
        Format::Jpeg => (1, n),
        _ => (n, 1),
    };
    Some(Probe { format, width, height, n_frames, n_scans })
}

/// Returns whether a file can be a drawing (SVG): whether the file begins like a text with markup or like a
/// compressed text. Only the first bytes are read, so many files of other kinds are also accepted.
pub fn may_be_drawing(input: &[u8]) -> bool {
    const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"];
    let has_mark = BYTE_ORDER_MARKS.iter().any(|mark| input.starts_with(mark));
    has_mark
        || input.starts_with(GZIP)
        || input[..input.len().min(SCANNED_BYTES)].trim_ascii_start().first() == Some(&b'<')
}

/// Returns the width and the height of an image in pixels.
fn size(head: &[u8], format: Format) -> Option<(u32, u32)> {
    let narrow = |x: Option<u16>, y: Option<u16>| x.map(u32::from).zip(y.map(u32::from));
    match format {
        Format::Png | Format::Apng => u32_be(head, 16).zip(u32_be(head, 20)),
        Format::Gif => narrow(u16_le(head, 6), u16_le(head, 8)),
        Format::Psd => u32_be(head, 18).zip(u32_be(head, 14)),
        Format::Bmp if u32_le(head, 14) == Some(12) => narrow(u16_le(head, 18), u16_le(head, 20)),
        Format::Bmp => {
            // A BMP file states a negative height if the rows are stored from top to bottom.
            let height = u32_le(head, 22)?.cast_signed().unsigned_abs();
            Some((u32_le(head, 18)?.cast_signed().unsigned_abs(), height))
        }
        Format::Ico => Some(icon_size(head)),
        Format::Jpeg => jpeg_size(head),
        Format::Webp => webp_size(head),
        Format::Tiff => containers::tiff_size(head),
        Format::Jp2 => containers::jp2_size(head),
        Format::Jxl => containers::jxl_size(head),
        Format::Heic | Format::Avif => containers::heif_size(head),
        Format::Svg | Format::Mp4 | Format::Webm => None,
    }
}

/// Returns the size of the largest picture in the directory of an icon file. A stored width or height of 0
/// means 256 pixels.
fn icon_size(head: &[u8]) -> (u32, u32) {
    let entries = head.get(ICO_HEADER_BYTES..).unwrap_or_default().chunks_exact(ICO_ENTRY_BYTES);
    let n_entries = usize::from(u16_le(head, 4).unwrap_or(0));
    let side = |byte: u8| if byte == 0 { 256 } else { u32::from(byte) };
    let sizes = entries.take(n_entries).map(|entry| (side(entry[0]), side(entry[1])));
    sizes.max_by_key(|&(width, height)| width * height).unwrap_or((256, 256))
}

/// Returns the size in the first frame header (SOF segment) of a JPEG file.
fn jpeg_size(head: &[u8]) -> Option<(u32, u32)> {
    let (_, at) = jpeg_frame(head)?;
    Some((u16_be(head, at + 7)?.into(), u16_be(head, at + 5)?.into()))
}

/// Returns the number of scans of a progressive JPEG file, or 1 if the JPEG file is not progressive.
fn jpeg_scans(head: &[u8]) -> u32 {
    let is_progressive = matches!(jpeg_frame(head), Some((0xc2 | 0xc6 | 0xca | 0xce, _)));
    if !is_progressive {
        return 1;
    }
    // Entropy-coded data never contain the bytes 0xff 0xda, the marker of a scan header. Metadata can contain
    // these two bytes. The estimated number of scans is then too high, which does no harm.
    let scans = memchr::memmem::find_iter(head, b"\xff\xda").count();
    u32::try_from(scans).unwrap_or(u32::MAX)
}

/// Returns the marker and the position of the first frame header of a JPEG file.
fn jpeg_frame(head: &[u8]) -> Option<(u8, usize)> {
    let mut at = 2;
    loop {
        at += memchr::memchr(0xff, head.get(at..)?)?;
        match *head.get(at + 1)? {
            0xff => at += 1,
            marker @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => return Some((marker, at)),
            // These markers are not followed by a length field.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 | 0xda => return None,
            _ => at += 2 + usize::from(u16_be(head, at + 2)?),
        }
    }
}

fn webp_size(head: &[u8]) -> Option<(u32, u32)> {
    match head.get(12..16)? {
        b"VP8X" => {
            let side = |at| Some((u32_le(head, at)? & 0x00ff_ffff) + 1);
            side(24).zip(side(27))
        }
        b"VP8L" => {
            let bits = u32_le(head, 21)?;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        _ => {
            let side = |at| Some(u32::from(u16_le(head, at)? & 0x3fff));
            side(26).zip(side(28))
        }
    }
}

/// Returns the number of `ANMF` chunks of a WebP file, each of which contains one frame of an animation.
fn webp_frames(head: &[u8]) -> u32 {
    let (mut at, mut n_frames) = (12usize, 0);
    while let (Some(kind), Some(length)) = (head.get(at..at.saturating_add(4)), u32_le(head, at + 4)) {
        n_frames += u32::from(kind == b"ANMF");
        // A chunk of odd length is followed by one padding byte.
        at = at.saturating_add(8 + (length as usize).next_multiple_of(2));
    }
    n_frames.max(1)
}

/// Returns the number of frames that the `acTL` chunk of an APNG file states. The chunk precedes the picture
/// data.
fn apng_frames(head: &[u8]) -> Option<u32> {
    let mut at = PNG.len();
    while head.get(at + 4..at + 8)? != b"acTL" {
        at = at.checked_add(12)?.checked_add(u32_be(head, at)? as usize)?;
    }
    u32_be(head, at + 8)
}

/// Returns the number of frames of a GIF file. Reads the lengths of the data blocks and skips their contents.
fn gif_frames(head: &[u8]) -> u32 {
    let mut n_frames = 0;
    let mut at = 13 + color_table_bytes(head.get(10));
    loop {
        match head.get(at) {
            Some(0x2c) => {
                n_frames += 1;
                // The descriptor of a frame has 10 bytes and is followed by the colour table and by one byte
                // with the code size of LZW.
                at += 10 + color_table_bytes(head.get(at + 9)) + 1;
            }
            Some(0x21) => at += 2,
            Some(0x3b) | None => return n_frames.max(1),
            Some(_) => {
                at += 1;
                continue;
            }
        }
        while let Some(&length) = head.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
    }
}

fn color_table_bytes(flags: Option<&u8>) -> usize {
    flags.map_or(0, |&flags| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) })
}
