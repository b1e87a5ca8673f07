//! Computes the length that a file should have according to its own headers. A file with fewer bytes is cut
//! off.

use super::{ico, png, psd, tiff};
use crate::bytes::u32_le;
use crate::format::Format;
use crate::format::signature::{JP2_CODESTREAM, JXL_CONTAINER};
use crate::isobmff;

/// Returns the smallest number of bytes that a complete file can have, according to the lengths and offsets
/// in the headers of the file. Returns `None` if the format has no such header, or if the part of the file
/// that contains the header is missing.
pub(crate) fn announced_bytes(format: Format, input: &[u8]) -> Option<u64> {
    match format {
        // The length field of the RIFF header ends after eight bytes and states the number of bytes that
        // follow the field.
        Format::Webp => u32_le(input, 4).map(|n_bytes| u64::from(n_bytes) + 8),
        Format::Bmp => u32_le(input, 2).map(u64::from),
        Format::Ico => ico::announced_bytes(input),
        Format::Png | Format::Apng => png::announced_bytes(input),
        Format::Psd => psd::announced_bytes(input),
        Format::Tiff => tiff::announced_bytes(input),
        Format::Heic | Format::Avif => isobmff::announced_bytes(input),
        Format::Jxl if input.starts_with(JXL_CONTAINER) => isobmff::announced_bytes(input),
        Format::Jp2 if !input.starts_with(JP2_CODESTREAM) => isobmff::announced_bytes(input),
        Format::Jpeg | Format::Gif | Format::Jxl | Format::Jp2 | Format::Svg | Format::Mp4 | Format::Webm => {
            None
        }
    }
}
