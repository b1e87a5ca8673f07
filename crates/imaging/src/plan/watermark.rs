//! The validated form of the `watermark` object of the API: position and appearance of a watermark. The
//! picture itself is not included.

use serde::{Deserialize, Serialize};

use super::geometry::Gravity;

/// A picture that is drawn over the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The position as a gravity. It is used only if `at` is `None`.
    pub gravity: Gravity,
    /// The distance in pixels between the watermark and those edges of the image at which gravity places the
    /// watermark. For a repeated watermark, `padding` is also the distance between the copies.
    pub padding: u32,
    /// The upper left corner of the watermark in pixels, relative to the image. A negative coordinate places
    /// the watermark partly outside of the image.
    pub at: Option<(i32, i32)>,
    /// The width of the watermark. If only `height` is given, the width follows from the aspect ratio. If
    /// neither is given, the width is that of the picture in the file.
    pub width: Option<Length>,
    /// The height of the watermark. If only `width` is given, the height follows from the aspect ratio. If
    /// neither is given, the height is that of the picture in the file.
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
    /// A length in pixels, at least 1.
    Px(u32),
    /// A percentage of the corresponding side (width or height) of the image, more than 0.
    Percent(f64),
}
