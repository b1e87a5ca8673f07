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

/// How to encode. A format ignores the settings that it does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The requested format.
    pub format: TargetFormat,
    /// The quality, 1–100. `None`: the default of the format.
    pub quality: Option<u8>,
    /// Whether a JPEG is written as baseline, without progressive scans (`encoding: "baseline"`).
    pub baseline: bool,
    /// Whether every pixel is kept unchanged, if the format has a lossless mode.
    pub lossless: bool,
    /// The effort of the encoder, 0 (fast) to 9 (small file). `None`: the default of the format.
    pub effort: Option<u8>,
    /// Largest size of the file in bytes. The encoder uses the highest quality at which the file is not
    /// larger.
    pub max_bytes: Option<u64>,
    /// Which metadata of the input the output keeps.
    pub metadata: KeptMetadata,
    /// How long every frame of an animation is shown, in milliseconds. `None`: as long as in the input.
    pub delay_ms: Option<u32>,
    /// How many times an animation plays. 0: it repeats endlessly. `None`: as many times as the input.
    pub plays: Option<u16>,
}
