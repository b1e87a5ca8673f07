//! The validated form of the `watermark` object of the API: position and appearance of a watermark. The
//! picture itself is not included.

use serde::{Deserialize, Serialize};

use super::geometry::Gravity;

/// A picture that is drawn over the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The position by gravity. Not used if `at` is given.
    pub gravity: Gravity,
    /// Distance in pixels between the watermark and the edges of the image at which gravity places it, and
    /// between the copies of a repeated watermark.
    pub padding: u32,
    /// The upper left corner of the watermark in pixels, relative to the image. A negative coordinate places
    /// the watermark partly outside of the image.
    pub at: Option<(i32, i32)>,
    /// The width. `None`: the width follows from the height and the aspect ratio, or, without a height, is
    /// the width of the picture in the file.
    pub width: Option<Length>,
    /// The height. `None`: the height follows from the width and the aspect ratio, or, without a width, is
    /// the height of the picture in the file.
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
