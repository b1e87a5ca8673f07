//! How to encode: the checked form of the API's `output` hash.

use serde::{Deserialize, Serialize};

/// A file format, named as in the request. What is known about each stands in one table, `crate::format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
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

/// Which format the output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// That of the input, or what stands for it.
    #[default]
    Default,
    /// The smallest of AVIF, WebP and JPEG or PNG at equal quality.
    Auto,
    /// This one.
    Format(Format),
}

/// What is kept of an input's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptMetadata {
    /// Nothing.
    #[default]
    None,
    /// The author and the terms of use.
    Copyright,
    /// Everything but what became untrue, such as the orientation and the colour profile.
    All,
}

/// How to encode; what a format has no use for is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The format.
    pub format: Target,
    /// 1–100; absent: the format's default.
    pub quality: Option<u8>,
    /// JPEG without progressive scans (`encoding: "baseline"`).
    pub baseline: bool,
    /// Keep every pixel as it is, where the format can.
    pub lossless: bool,
    /// 0 (fast) – 9 (small); absent: the format's default.
    pub effort: Option<u8>,
    /// The largest file: the highest quality that fits is found.
    pub max_bytes: Option<u64>,
    /// What is kept of the input's metadata.
    pub metadata: KeptMetadata,
    /// How long every frame of an animation is shown, in milliseconds; absent: as in the input.
    pub delay_ms: Option<u32>,
    /// How often an animation plays, 0 for ever; absent: as in the input.
    pub plays: Option<u16>,
}
