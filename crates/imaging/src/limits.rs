//! The limits of an image. They are checked before memory for pixels is allocated, and again while frames are
//! processed.

use serde::{Deserialize, Serialize};

use crate::Error;
pub use crate::error::Limit;
use crate::truncation::{TruncatedInput, Truncation};

/// Upper bounds for one image, and the rule for an image file that is cut off. The API documentation states
/// the default values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest number of decoded pixels, added up over all frames.
    pub pixels: u64,
    /// Longest side of an input, in pixels.
    pub input_side_px: u32,
    /// Largest number of frames of an animation.
    pub frames: u32,
    /// Longest side of an output, in pixels.
    pub output_side_px: u32,
    /// Largest number of scans of a progressive JPEG.
    pub scans: u32,
    /// Largest number of parts of a file. A part is a chunk, strip, tile, box, layer or node, depending on
    /// the format.
    pub parts: u32,
    /// Largest size of the metadata and the ICC profile together, in bytes.
    pub metadata_bytes: u64,
    /// Largest memory that a process may need for an image, in bytes, with the file and the program itself.
    /// The need is predicted before a pixel is decoded.
    pub memory_bytes: u64,
    /// Whether an input that is cut off is refused or accepted with a warning.
    pub truncated: TruncatedInput,
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
            memory_bytes: 512 << 20,
            truncated: TruncatedInput::Refuse,
        }
    }
}

impl Limits {
    /// Checks the size and the number of frames of an input, before memory is allocated for the input.
    ///
    /// # Errors
    /// [`Error::Limit`] for the first limit that is exceeded.
    pub fn check_input(&self, width: u32, height: u32, frames: u32) -> Result<(), Error> {
        check(Limit::InputSide, self.input_side_px.into(), width.max(height).into())?;
        check(Limit::Frames, self.frames.into(), frames.into())?;
        let pixels = u64::from(width) * u64::from(height) * u64::from(frames.max(1));
        check(Limit::Pixels, self.pixels, pixels)
    }

    /// Checks the size of an image that an operation is about to create.
    ///
    /// # Errors
    /// [`Error::Limit`] for the first limit that is exceeded.
    pub fn check_output(&self, width: u32, height: u32) -> Result<(), Error> {
        check(Limit::OutputSide, self.output_side_px.into(), width.max(height).into())?;
        check(Limit::Pixels, self.pixels, u64::from(width) * u64::from(height))
    }

    /// Refuses a file that is cut off if [`Limits::truncated`] is [`TruncatedInput::Refuse`]. `format` is the
    /// name of the file format. Some decoders notice only while decoding a frame that the file is cut off, so
    /// every frame is followed by another check.
    ///
    /// # Errors
    /// [`Error::Truncated`] for a file that is cut off and not accepted.
    pub(crate) fn check_truncation(
        &self,
        format: &'static str,
        truncation: Option<Truncation>,
    ) -> Result<(), Error> {
        match (self.truncated, truncation) {
            (TruncatedInput::Refuse, Some(truncation)) => Err(Error::Truncated { format, truncation }),
            (TruncatedInput::Refuse | TruncatedInput::Warn, _) => Ok(()),
        }
    }
}

/// Checks one value against its limit.
///
/// # Errors
/// [`Error::Limit`] when `got` is larger than `max`.
pub fn check(limit: Limit, max: u64, got: u64) -> Result<(), Error> {
    if got > max { Err(Error::Limit { limit, max, got }) } else { Ok(()) }
}

/// Counts the parts and the bytes of metadata of a file while the file is parsed. Fails as soon as a limit is
/// exceeded, before the excess is stored.
#[derive(Debug)]
pub(crate) struct FileBudget<'a> {
    limits: &'a Limits,
    n_parts: u64,
    metadata_bytes: u64,
}

impl<'a> FileBudget<'a> {
    /// Creates a budget from which nothing was used yet: zero parts and zero bytes of metadata.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, n_parts: 0, metadata_bytes: 0 }
    }

    /// Adds one part: a chunk, segment, block, strip or box.
    pub(crate) fn part(&mut self) -> Result<(), Error> {
        self.n_parts += 1;
        check(Limit::Parts, self.limits.parts.into(), self.n_parts)
    }

    /// Adds bytes of EXIF, XMP, ICC profile or text. For compressed metadata, both the compressed and the
    /// decompressed bytes are added.
    pub(crate) fn metadata(&mut self, n_bytes: usize) -> Result<(), Error> {
        self.metadata_bytes = self.metadata_bytes.saturating_add(n_bytes as u64);
        check(Limit::MetadataBytes, self.limits.metadata_bytes, self.metadata_bytes)
    }

    /// The number of bytes of metadata that may still be added before the limit is reached.
    pub(crate) fn metadata_left(&self) -> u64 {
        self.limits.metadata_bytes - self.metadata_bytes.min(self.limits.metadata_bytes)
    }
}
