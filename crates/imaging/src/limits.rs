//! The limits an image must stay within, checked before pixels exist and while frames arrive.

use serde::{Deserialize, Serialize};

use crate::Error;
pub use crate::error::Limit;

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

/// Counts what a file consists of while it is looked at, so that it is refused before anything is kept of it.
#[derive(Debug)]
pub(crate) struct FileBudget<'a> {
    limits: &'a Limits,
    n_parts: u64,
    metadata_bytes: u64,
}

impl<'a> FileBudget<'a> {
    /// Nothing yet.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, n_parts: 0, metadata_bytes: 0 }
    }

    /// One more chunk, segment, block, strip, box …
    pub(crate) fn part(&mut self) -> Result<(), Error> {
        self.n_parts += 1;
        check(Limit::Parts, self.limits.parts.into(), self.n_parts)
    }

    /// So many more bytes of EXIF, XMP, profile or text, as stored and again as unpacked.
    pub(crate) fn metadata(&mut self, n_bytes: usize) -> Result<(), Error> {
        self.metadata_bytes = self.metadata_bytes.saturating_add(n_bytes as u64);
        check(Limit::MetadataBytes, self.limits.metadata_bytes, self.metadata_bytes)
    }

    /// How many bytes of metadata may still come.
    pub(crate) fn metadata_left(&self) -> u64 {
        self.limits.metadata_bytes - self.metadata_bytes.min(self.limits.metadata_bytes)
    }
}
