//! Predicts how much memory encoders need.
//!
//! The numbers of bytes per pixel in this module were measured with pictures of 4 to 24 megapixels, and are
//! rounded up. The test `memory.rs` compares the prediction with the memory that a process really uses.

use super::codec::Sequence;
use super::memory::area;
use super::{auto, avif, png, score};
use crate::format::Format;
use crate::geometry::Size;
use crate::plan::Output;

/// The memory that an encoder needs besides the picture that it encodes, in bytes, with the encoded file.
/// `n_channels` is the number of bytes of a pixel.
pub(crate) fn encoder_memory(
    format: Option<Format>,
    output: &Output,
    size: Size,
    n_channels: u64,
    sequence: Sequence,
) -> u64 {
    let n_pixels = area(size.width, size.height);
    let is_translucent = n_channels == 4;
    let Some(format) = format else {
        // The candidates of `auto` are encoded one after the other from copies of the picture, and the best file
        // so far is kept.
        let of = |format| encoder_memory(Some(format), output, size, n_channels, sequence);
        let avif = if n_pixels <= auto::MAX_AVIF_PIXELS { of(Format::Avif) } else { 0 };
        let most = [Format::Webp, Format::Jpeg, Format::Png].into_iter().map(of).fold(avif, u64::max);
        return n_pixels * (n_channels + 1) + most.max(score::needed_bytes(n_pixels));
    };
    if output.target.is_some() {
        // The search may reach the highest quality.
        let best = Output { target: None, quality: Some(100), ..*output };
        let encoding = encoder_memory(Some(format), &best, size, n_channels, sequence);
        return n_pixels * (n_channels + 1) + encoding.max(score::needed_bytes(n_pixels));
    }
    let raw = n_pixels * n_channels;
    if sequence.n_frames > 1 {
        // An animation keeps a frame or two for comparison, and the compressed frames.
        return match format {
            Format::Webp => n_pixels * 30 + raw * u64::from(sequence.n_frames) / 4,
            _ => 4 * raw + raw * u64::from(sequence.n_frames) / 4,
        };
    }
    match format {
        // A picture that is compressed as a whole is filtered into a second buffer and copied several times.
        // A larger one needs the index of each pixel while its colours are counted, and then its file.
        Format::Png | Format::Apng | Format::Ico => png::encoder_bytes(n_pixels, n_channels),
        Format::Jpeg => n_pixels * if is_translucent { 8 } else { 5 },
        Format::Gif => n_pixels * 11,
        Format::Webp if output.lossless || is_translucent => n_pixels * 20,
        Format::Webp => n_pixels * 2 + if n_channels == 1 { n_pixels * 3 } else { 0 },
        Format::Tiff => raw,
        Format::Bmp => n_pixels * if is_translucent { 4 } else { 3 },
        Format::Avif => avif::encoder_bytes(output, n_pixels) + if is_translucent { n_pixels * 6 } else { 0 },
        Format::Heic => n_pixels * if is_translucent { 21 } else { 19 },
        Format::Jxl => n_pixels * if is_translucent { 30 } else { 20 },
        Format::Jp2 => n_pixels * 8 * n_channels,
        Format::Mp4 | Format::Webm => raw * 2,
        Format::Svg | Format::Psd => 0,
    }
}
