//! The limits an image must stay within, checked before pixels exist and while frames arrive.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Upper bounds for one image. The defaults are those of the API documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Decoded pixels, added up over all frames.
    pub pixels: u64,
    /// Width or height of an input, in pixels.
    pub input_side_px: u32,
    /// Frames of an animation.
    pub frames: u32,
    /// Width or height of an output, in pixels.
    pub output_side_px: u32,
    /// Scans of a progressive JPEG.
    pub scans: u32,
    /// Pieces a file is made of: chunks, strips, tiles, boxes, layers, nodes.
    pub parts: u32,
    /// Metadata and colour profile, in bytes.
    pub metadata_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels: 100_000_000,
            input_side_px: 30_000,
            frames: 1_000,
            output_side_px: 20_000,
            scans: 100,
            parts: 200_000,
            metadata_bytes: 16 << 20,
        }
    }
}

/// Names the limit that stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::pixels`].
    Pixels,
    /// [`Limits::input_side_px`].
    InputSide,
    /// [`Limits::frames`].
    Frames,
    /// [`Limits::output_side_px`].
    OutputSide,
    /// [`Limits::scans`].
    Scans,
    /// [`Limits::parts`].
    Parts,
    /// [`Limits::metadata_bytes`].
    MetadataBytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pixels => "the number of pixels over all frames",
            Self::InputSide => "the side of an input in pixels",
            Self::Frames => "the number of frames",
            Self::OutputSide => "the side of an output in pixels",
            Self::Scans => "the number of scans",
            Self::Parts => "the number of parts of a file (chunks, strips, tiles, nodes)",
            Self::MetadataBytes => "the size of metadata in bytes",
        })
    }
}

impl Limits {
    /// Checks the size of an input before anything is allocated for it.
    pub fn check_input(&self, width: u32, height: u32, frames: u32) -> Result<(), Error> {
        check(Limit::InputSide, self.input_side_px.into(), width.max(height).into())?;
        check(Limit::Frames, self.frames.into(), frames.into())?;
        let pixels = u64::from(width) * u64::from(height) * u64::from(frames.max(1));
        check(Limit::Pixels, self.pixels, pixels)
    }

    /// Checks the size of an image that an operation is about to make.
    pub fn check_output(&self, width: u32, height: u32) -> Result<(), Error> {
        check(Limit::OutputSide, self.output_side_px.into(), width.max(height).into())?;
        check(Limit::Pixels, self.pixels, u64::from(width) * u64::from(height))
    }
}

/// Fails with [`Error::Limit`] when `got` is above `max`.
pub fn check(limit: Limit, max: u64, got: u64) -> Result<(), Error> {
    if got > max { Err(Error::Limit { limit, max, got }) } else { Ok(()) }
}
