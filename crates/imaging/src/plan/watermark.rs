//! Where a watermark lies and how it is shown: the checked form of the API's `watermark` hash, without its
//! picture.

use serde::{Deserialize, Serialize};

use super::geometry::Gravity;

/// Another picture over the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// Where it lies, unless `at` says so.
    pub gravity: Gravity,
    /// Pixels between it and the edges it lies at; between tiles, too.
    pub padding: u32,
    /// Its upper left corner in pixels from that of the image; negative: partly outside.
    pub at: Option<(i32, i32)>,
    /// Its width; absent: by the height and its aspect ratio, or its own.
    pub width: Option<Length>,
    /// Its height; absent: by the width and its aspect ratio, or its own.
    pub height: Option<Length>,
    /// In percent, 0–100.
    pub opacity: f64,
    /// Whether it is repeated over the whole image.
    pub tile: bool,
}

/// A side of something that lies in the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Pixels, at least 1.
    Px(u32),
    /// Percent of the image's same side, more than 0.
    Percent(f64),
}
