//! What can go wrong with an image, by whose fault it is.

use std::fmt;

/// Why an image could not be processed. The text is meant for the caller of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no image of a format this build reads. `sniffed` names what they look like, if anything.
    #[error("the input is not an image this server can read{}", sniffed.as_ref().map(|s| format!(": it looks like {s}")).unwrap_or_default())]
    UnknownFormat {
        /// What the first bytes look like, e.g. `a PDF document`.
        sniffed: Option<&'static str>,
    },
    /// The bytes claim to be `format` but cannot be decoded.
    #[error("the {format} image is corrupt: {reason}")]
    Corrupt {
        /// Format name as in the API, e.g. `JPEG`.
        format: &'static str,
        /// What the decoder objected to.
        reason: String,
    },
    /// A valid file that uses a feature of its format this build does not decode.
    #[error("the {format} image uses a feature this server cannot decode: {reason}")]
    Unsupported {
        /// Format name as in the API.
        format: &'static str,
        /// Which feature.
        reason: String,
    },
    /// A limit stands in the way.
    #[error("{limit} is limited to {max}, got {got}")]
    Limit {
        /// Which limit.
        limit: Limit,
        /// The largest accepted value.
        max: u64,
        /// What this image has or would need.
        got: u64,
    },
    /// The plan cannot be applied to this image (a crop outside it, for example). Starts with the attribute.
    #[error("{0}")]
    Plan(String),
    /// Something is wrong with the watermark, not with the image.
    #[error("watermark: {0}")]
    Watermark(Box<Self>),
    /// The encoder refused our own pixels: our fault.
    #[error("encoding {format} failed: {reason}")]
    Encode {
        /// Format name as in the API.
        format: &'static str,
        /// What the encoder objected to.
        reason: String,
    },
}

/// A limit that an image exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`crate::Limits::pixels`].
    Pixels,
    /// [`crate::Limits::input_side_px`].
    InputSide,
    /// [`crate::Limits::frames`].
    Frames,
    /// [`crate::Limits::output_side_px`].
    OutputSide,
    /// [`crate::Limits::scans`].
    Scans,
    /// [`crate::Limits::parts`].
    Parts,
    /// [`crate::Limits::metadata_bytes`].
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
