//! The file formats: the enum [`Format`], one table with the properties of each format, and the recognition
//! of a format by the first bytes of a file (`format/sniff.rs`). This module does not depend on `codecs`, the
//! module with the decoders and encoders.

mod heif;
pub(crate) mod signature;
mod sniff;
pub(crate) mod svg;
pub(crate) mod xml_prolog;

use serde::{Deserialize, Serialize};

pub use self::sniff::sniff;
pub(crate) use self::sniff::{sniff_binary, sniff_foreign};

/// A file format. It is serialised as the name of the format in API requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG without animation.
    Png,
    /// PNG with animation chunks.
    Apng,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// HEVC pictures in HEIF.
    Heic,
    /// AV1 pictures in HEIF.
    Avif,
    /// JPEG XL.
    Jxl,
    /// JPEG 2000.
    Jp2,
    /// TIFF.
    Tiff,
    /// Windows icon.
    Ico,
    /// Photoshop document.
    Psd,
    /// Windows bitmap.
    Bmp,
    /// Scalable Vector Graphics.
    Svg,
    /// H.264 in MP4.
    Mp4,
    /// VP8, VP9 or AV1 in WebM.
    Webm,
}

/// The properties of a format that hold for every file of the format.
struct Traits {
    /// The name of the format in API responses.
    name: &'static str,
    /// The name of the format in API requests.
    request_name: &'static str,
    /// The file name extension without the dot.
    extension: &'static str,
    /// The media type for the header `Content-Type`.
    media_type: &'static str,
    /// The output format for an input of this format when the request names no format.
    default_output: Format,
    /// Whether this build writes the format.
    written: bool,
    /// Whether a file can have transparent pixels.
    alpha: bool,
    /// Whether the encoder of this build can write more than one frame into a file.
    animated: bool,
    /// Whether the encoder of this build can write EXIF and XMP.
    metadata: bool,
}

/// The table with the properties of all formats.
const fn traits(format: Format) -> Traits {
    use Format as F;
    const fn row(
        names: [&'static str; 4],
        default_output: Format,
        [written, alpha, animated, metadata]: [bool; 4],
    ) -> Traits {
        let [name, request_name, extension, media_type] = names;
        Traits {
            name,
            request_name,
            extension,
            media_type,
            default_output,
            written,
            alpha,
            animated,
            metadata,
        }
    }
    match format {
        // Each line of the table begins with four strings: the name in responses, the name in requests, the
        // file extension and the media type. The default output format and four booleans follow: `written`,
        // `alpha`, `animated` and `metadata`.
        F::Jpeg => row(["JPEG", "jpeg", "jpg", "image/jpeg"], F::Jpeg, [true, false, false, true]),
        F::Png => row(["PNG", "png", "png", "image/png"], F::Png, [true, true, false, true]),
        F::Apng => row(["APNG", "apng", "apng", "image/apng"], F::Apng, [true, true, true, true]),
        F::Gif => row(["GIF", "gif", "gif", "image/gif"], F::Gif, [true, true, true, false]),
        F::Webp => row(["WebP", "webp", "webp", "image/webp"], F::Webp, [true, true, true, true]),
        F::Heic => row(["HEIC", "heic", "heic", "image/heic"], F::Heic, [true, true, false, true]),
        F::Avif => row(["AVIF", "avif", "avif", "image/avif"], F::Avif, [true, true, false, true]),
        F::Jxl => row(["JXL", "jxl", "jxl", "image/jxl"], F::Jxl, [true, true, false, true]),
        F::Jp2 => row(["JPEG 2000", "jp2", "jp2", "image/jp2"], F::Jp2, [true, true, false, true]),
        F::Tiff => row(["TIFF", "tiff", "tif", "image/tiff"], F::Jpeg, [true, true, false, true]),
        F::Ico => row(["ICO", "ico", "ico", "image/vnd.microsoft.icon"], F::Png, [true, true, false, false]),
        F::Psd => {
            row(["PSD", "psd", "psd", "image/vnd.adobe.photoshop"], F::Jpeg, [false, true, false, false])
        }
        F::Bmp => row(["BMP", "bmp", "bmp", "image/bmp"], F::Jpeg, [true, true, false, false]),
        F::Svg => row(["SVG", "svg", "svg", "image/svg+xml"], F::Png, [false, true, false, false]),
        F::Mp4 => row(["MP4", "mp4", "mp4", "video/mp4"], F::Mp4, [true, false, true, false]),
        F::Webm => row(["WebM", "webm", "webm", "video/webm"], F::Webm, [true, false, true, false]),
    }
}

impl Format {
    /// All formats that this build reads or writes.
    pub const ALL: [Self; 16] = [
        Self::Jpeg,
        Self::Png,
        Self::Apng,
        Self::Gif,
        Self::Webp,
        Self::Heic,
        Self::Avif,
        Self::Jxl,
        Self::Jp2,
        Self::Tiff,
        Self::Ico,
        Self::Psd,
        Self::Bmp,
        Self::Svg,
        Self::Mp4,
        Self::Webm,
    ];

    /// All formats that this build writes.
    pub fn written() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&format| traits(format).written)
    }

    /// The name of the format in API responses, e.g. `JPEG`, `WebP`.
    pub fn name(self) -> &'static str {
        traits(self).name
    }

    /// The name of the format in API requests.
    pub fn request_name(self) -> &'static str {
        traits(self).request_name
    }

    /// The file name extension without the dot.
    pub fn extension(self) -> &'static str {
        traits(self).extension
    }

    /// The media type for the header `Content-Type`.
    pub fn media_type(self) -> &'static str {
        traits(self).media_type
    }

    /// The output format for an input of this format when the request names no format.
    pub fn default_output(self) -> Self {
        traits(self).default_output
    }

    /// Whether a file of this format can have transparent pixels.
    pub fn has_alpha(self) -> bool {
        traits(self).alpha
    }

    /// Whether the encoder of this build can write more than one frame into a file of this format.
    pub fn is_animated(self) -> bool {
        traits(self).animated
    }

    /// Whether the encoder of this build can write EXIF and XMP into a file of this format.
    pub(crate) fn has_metadata(self) -> bool {
        traits(self).metadata
    }
}
