//! The errors of this crate.

use std::fmt;

use crate::truncation::Truncation;

/// The reason why an image could not be processed. The text of an error is written for the user of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not an image, or are an image in a format that this build does not read.
    #[error("the input is not an image this server can read{}", sniffed.as_ref().map(|s| format!(": it looks like {s}")).unwrap_or_default())]
    UnknownFormat {
        /// The kind of file according to its first bytes, e.g. `a PDF document`. `None` when the kind is
        /// unknown.
        sniffed: Option<&'static str>,
    },
    /// The file is in the format `format`, but cannot be decoded.
    #[error("the {format} image is corrupt: {reason}")]
    Corrupt {
        /// The name of the format in the API, e.g. `JPEG`.
        format: &'static str,
        /// The message of the decoder, which says why decoding failed.
        reason: String,
    },
    /// The file is in the format `format`, but is cut off, and [`crate::Limits::truncated`] does not accept
    /// such files.
    #[error("the {format} image is incomplete: {truncation}")]
    Truncated {
        /// The name of the format in the API.
        format: &'static str,
        /// How much of the picture is missing.
        truncation: Truncation,
    },
    /// The file is valid, but uses a feature of its format that this build does not decode.
    #[error("the {format} image uses a feature this server cannot decode: {reason}")]
    Unsupported {
        /// The name of the format in the API.
        format: &'static str,
        /// The name of the unsupported feature.
        reason: String,
    },
    /// The image exceeds a limit.
    #[error("{limit} is limited to {max}, got {got}")]
    Limit {
        /// The limit.
        limit: Limit,
        /// The largest value that the limit allows.
        max: u64,
        /// The value of this image, which is larger than `max`.
        got: u64,
    },
    /// The image needs more memory than [`crate::Limits::memory_bytes`]. The need is predicted from the header of
    /// the file and the plan, before a pixel is decoded.
    #[error(
        "processing this image needs about {} MiB of memory, and an image may use {} MiB",
        needed_bytes.div_ceil(1 << 20),
        max_bytes >> 20
    )]
    Memory {
        /// The predicted need in bytes.
        needed_bytes: u64,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// The plan cannot be applied to this image, for example because the crop lies outside the image. The
    /// text begins with the name of the attribute in the request, e.g. `output.format`.
    #[error("{0}")]
    Plan(String),
    /// The watermark could not be decoded. The error concerns the file of the watermark, not the image to
    /// process.
    #[error("watermark: {0}")]
    Watermark(Box<Self>),
    /// The encoder failed. The fault is in this program, not in the input image.
    #[error("encoding {format} failed: {reason}")]
    Encode {
        /// The name of the format in the API.
        format: &'static str,
        /// The message of the encoder, which says why encoding failed.
        reason: String,
    },
}

/// The kind of a limit that an image exceeds.
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
