//! The validated form of the `output` object of the API: how to encode the result.

use serde::{Deserialize, Serialize};

use crate::format::Format;

/// The requested format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetFormat {
    /// The format that [`Format::default_output`] returns for the format of the input.
    #[default]
    Default,
    /// The format that gives the smallest file at equal quality: AVIF, WebP, JPEG or PNG.
    Auto,
    /// A format that the request names.
    Format(Format),
}

/// Which metadata of the input the output keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptMetadata {
    /// No metadata.
    #[default]
    None,
    /// The author and the copyright.
    Copyright,
    /// All metadata except values that are wrong for the output, such as the orientation and the colour
    /// profile.
    All,
}

/// The settings of the encoder. A format ignores the settings that it does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The requested format of the output.
    pub format: TargetFormat,
    /// The quality, 1–100. With `None`, the default quality of the format is used.
    pub quality: Option<u8>,
    /// Whether a JPEG is written as baseline, without progressive scans (`encoding: "baseline"`).
    pub baseline: bool,
    /// Whether every pixel is kept unchanged, if the format has a lossless mode.
    pub lossless: bool,
    /// Whether pixels may change in a format that is written without loss by default, such as PNG. Set if the
    /// request says `lossless: false`. A `quality` has the same effect.
    pub lossy: bool,
    /// The effort of the encoder, from 0 (fast) to 9 (small file). With `None`, the default effort of the
    /// format is used.
    pub effort: Option<u8>,
    /// The wanted largest size of the output in bytes. The quality is lowered until the output has at most this
    /// size.
    pub max_bytes: Option<u64>,
    /// The wanted SSIMULACRA2 score of the output, 30–95, instead of `quality`. The lowest quality that reaches the
    /// score is used. For pictures in a format with a quality, not for animations.
    pub target: Option<u8>,
    /// Which metadata of the input the output keeps.
    pub metadata: KeptMetadata,
    /// The time in milliseconds for which every frame of an animation is shown. With `None`, the times of the
    /// input are used.
    pub delay_ms: Option<u32>,
    /// How many times an animation plays. With 0, the animation repeats endlessly. With `None`, the number of
    /// the input is used.
    pub plays: Option<u16>,
}
