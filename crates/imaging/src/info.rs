//! Information about an image file: the members of the `input` and `output` objects of a response that depend
//! only on the bytes of the file. The names and URLs of files are not part of this information.

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::format::Format;
use crate::geometry::Size;

/// How the colours of a file are stored. The value is serialised as its name in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Colorspace {
    /// The file stores luma and two chroma channels.
    YCbCr,
    /// The file stores red, green and blue.
    #[serde(rename = "RGB")]
    Rgb,
    /// One channel.
    Gray,
    /// Four inks.
    #[serde(rename = "CMYK")]
    Cmyk,
    /// The file stores indices into a table of colours.
    Palette,
}

/// Information about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The format of the file.
    pub format: Format,
    /// Width in pixels as stored, before the EXIF orientation is applied.
    pub width: u32,
    /// Height in pixels as stored, before the EXIF orientation is applied.
    pub height: u32,
    /// How the colours of the file are stored.
    pub colorspace: Colorspace,
    /// Whether the file is a progressive JPEG, a PNG with Adam7 interlacing or an interlaced GIF.
    pub interlaced: bool,
    /// Chroma subsampling, e.g. `4:2:0`; absent where the format has no chroma planes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<String>,
    /// The number of bits per pixel in the file.
    pub depth: u8,
    /// The quality, 1–100. For an input, the quality is estimated from the file; for an output, it is the
    /// setting of the encoder. The quality is absent when the format has none or when it cannot be estimated
    /// from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-1 of the bytes of the file, 40 hexadecimal digits.
    pub sha1: String,
    /// Number of frames; 1 for a still picture.
    pub frames: u32,
    /// Whether the file can contain transparent or translucent pixels.
    pub alpha: bool,
}

/// The members of [`FileInfo`] that a codec provides. The other members of [`FileInfo`] are computed from the
/// bytes of the file.
#[derive(Debug, Clone)]
pub(crate) struct ImageInfo {
    pub(crate) format: Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) colorspace: Colorspace,
    pub(crate) interlaced: bool,
    pub(crate) sampling: Option<String>,
    pub(crate) depth: u8,
    pub(crate) quality: Option<u8>,
    pub(crate) frames: u32,
    pub(crate) alpha: bool,
}

impl ImageInfo {
    /// Describes a single picture in a format that has no chroma planes, no interlacing and no quality.
    pub(crate) fn plain(format: Format, size: Size, colorspace: Colorspace, depth: u8, alpha: bool) -> Self {
        Self {
            format,
            width: size.width,
            height: size.height,
            colorspace,
            interlaced: false,
            sampling: None,
            depth,
            quality: None,
            frames: 1,
            alpha,
        }
    }

    /// Adds the size and the SHA-1 of the file, whose content is `bytes`.
    pub(crate) fn of_file(self, bytes: &[u8]) -> FileInfo {
        FileInfo {
            format: self.format,
            width: self.width,
            height: self.height,
            colorspace: self.colorspace,
            interlaced: self.interlaced,
            sampling: self.sampling,
            depth: self.depth,
            quality: self.quality,
            bytes: bytes.len() as u64,
            sha1: sha1_hex(bytes),
            frames: self.frames,
            alpha: self.alpha,
        }
    }
}

/// The SHA-1 of `bytes` in lower-case hexadecimal.
fn sha1_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(40);
    for byte in Sha1::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}
