//! The validated form of the `output` hash of the API: how to encode the result.

use serde::{Deserialize, Serialize};

use crate::format::Format;

/// The requested format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetFormat {
    /// The format of the input, or the format that [`Format::default_output`] gives for it.
    #[default]
    Default,
    /// The format of the smallest file among AVIF, WebP and JPEG or PNG at equal quality.
    Auto,
    /// A given format.
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
    /// All metadata except values that are no longer true, such as the orientation and the colour profile.
    All,
}

/// How to encode. A format ignores the settings that it does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The requested format.
    pub format: TargetFormat,
    /// 1–100; absent: the default of the format.
    pub quality: Option<u8>,
    /// JPEG without progressive scans (`encoding: "baseline"`).
    pub baseline: bool,
    /// Keep every pixel unchanged, where the format can.
    pub lossless: bool,
    /// 0 (fast) – 9 (small); absent: the default of the format.
    pub effort: Option<u8>,
    /// Largest size of the file in bytes. The highest quality that fits is used.
    pub max_bytes: Option<u64>,
    /// Which metadata of the input the output keeps.
    pub metadata: KeptMetadata,
    /// How long every frame of an animation is shown, in milliseconds; absent: as in the input.
    pub delay_ms: Option<u32>,
    /// How many times an animation plays; 0: endlessly; absent: as in the input.
    pub plays: Option<u16>,
}
