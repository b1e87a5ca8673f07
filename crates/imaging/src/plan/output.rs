//! How to encode: the checked form of the API's `output` hash.

use serde::{Deserialize, Serialize};

use crate::format::Format;

/// Which format the output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetFormat {
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
    pub format: TargetFormat,
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
