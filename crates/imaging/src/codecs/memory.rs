//! What a decoder predicts about the memory that it needs, and sums that several decoders have in common.

use crate::info::{Colorspace, ImageInfo};

/// The memory that a decoder needs besides the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecoderMemory {
    /// The size of a decoded frame.
    pub(crate) frame: u64,
    /// The largest need while a frame is decoded, with the frame itself.
    pub(crate) decoding: u64,
    /// What the decoder keeps, besides the frame, while the frame is processed and encoded.
    pub(crate) kept: u64,
    /// The need while the only picture is decoded row by row. `None` if the decoder cannot deliver rows.
    pub(crate) rows: Option<u64>,
}

impl DecoderMemory {
    /// A decoder that needs `extra` bytes besides a frame of `frame` bytes while it decodes the frame.
    pub(crate) fn still(frame: u64, extra: u64) -> Self {
        Self { frame, decoding: frame + extra, kept: 0, rows: None }
    }
}

/// The number of pixels of a picture.
pub(crate) fn area(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

/// The number of bytes of a decoded pixel.
pub(super) fn pixel_bytes(info: &ImageInfo) -> u64 {
    match info.colorspace {
        Colorspace::Cmyk => 4,
        _ if info.alpha => 4,
        Colorspace::Gray => 1,
        Colorspace::Rgb | Colorspace::YCbCr | Colorspace::Palette => 3,
    }
}

/// The memory of a decoder that composes the frames of an animation on a canvas. `coded` is the number of bytes
/// that decoding the pixels of one frame needs, for each pixel. If `restores`, the canvas keeps a copy of the
/// pixels that a frame covers.
pub(super) fn on_canvas(info: &ImageInfo, coded: u64, restores: bool) -> DecoderMemory {
    let n_pixels = area(info.width, info.height);
    let frame = n_pixels * pixel_bytes(info);
    let canvas = n_pixels * if restores { 8 } else { 4 };
    DecoderMemory {
        frame,
        decoding: canvas + (n_pixels * coded).max(frame) + frame,
        kept: canvas,
        rows: None,
    }
}
