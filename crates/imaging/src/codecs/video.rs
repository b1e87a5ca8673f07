//! What MP4 and WebM have in common: the time of a frame and the facts of a file. The rest of each is in its own file.

use crate::facts::{Colorspace, Description};
use crate::plan::Format;

/// How long a frame without a time is shown: what browsers give a GIF frame of 0 ms. A player would pass it over.
const UNTIMED_MS: u32 = 100;

/// How long a frame is shown, in milliseconds; more than 0.
pub(super) fn shown_ms(delay_ms: u32) -> u32 {
    if delay_ms == 0 { UNTIMED_MS } else { delay_ms }
}

/// The facts of a video that we wrote.
pub(super) fn describe(
    format: Format,
    (width, height): (u32, u32),
    quality: u8,
    n_frames: usize,
) -> Description {
    Description {
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
