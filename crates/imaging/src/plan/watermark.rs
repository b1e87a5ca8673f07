//! The validated form of the `watermark` hash of the API, without the picture: position and appearance of a
//! watermark.

use serde::{Deserialize, Serialize};

use super::geometry::Gravity;

/// A picture that is laid over the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The position, unless `at` is given.
    pub gravity: Gravity,
    /// Distance in pixels from the edges at which the watermark lies, and between tiles.
    pub padding: u32,
    /// The upper left corner of the watermark in pixels, relative to the image. Negative: partly outside of
    /// the image.
    pub at: Option<(i32, i32)>,
    /// The width; absent: it follows from the height and the aspect ratio, or is the width of the file.
    pub width: Option<Length>,
    /// The height; absent: it follows from the width and the aspect ratio, or is the height of the file.
    pub height: Option<Length>,
    /// Opacity in percent, 0–100.
    pub opacity: f64,
    /// Whether the watermark is repeated over the whole image.
    pub tile: bool,
}

/// The length of a side of the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Pixels, at least 1.
    Px(u32),
    /// Percent of the same side of the image, more than 0.
    Percent(f64),
}
