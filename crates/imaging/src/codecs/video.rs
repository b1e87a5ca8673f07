//! Code that the encoders of MP4 and WebM share: the duration of a frame and the information about the
//! written file.

use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};

/// The duration in milliseconds of a frame whose delay is 0. The value is the time for which browsers show a
/// GIF frame with a delay of 0. A video frame must have a duration above 0, because players skip a frame of 0
/// ms.
const ZERO_DELAY_MS: u32 = 100;

/// Converts the delay of a frame to its duration in the video, in milliseconds. The duration is at least 1.
pub(super) fn duration_ms(delay_ms: u32) -> u32 {
    if delay_ms == 0 { ZERO_DELAY_MS } else { delay_ms }
}

/// Returns the file information for a video that this crate wrote.
pub(super) fn describe(
    format: Format,
    (width, height): (u32, u32),
    quality: u8,
    n_frames: usize,
) -> ImageInfo {
    ImageInfo {
        format,
        width,
        height,
        colorspace: Colorspace::YCbCr,
        interlaced: false,
        sampling: Some("4:2:0".to_owned()),
        depth: 24,
        quality: Some(quality),
        frames: u32::try_from(n_frames).unwrap_or(u32::MAX),
        alpha: false,
    }
}
