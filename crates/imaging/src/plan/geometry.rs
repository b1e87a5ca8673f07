//! The geometric operations of a plan: flip, crop, resize and scale.

use serde::{Deserialize, Serialize};

use super::color::Color;

/// Mirror along one or both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// Left becomes right.
    pub horizontal: bool,
    /// Top becomes bottom.
    pub vertical: bool,
}

/// Which part of an image is kept, or where something is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// The middle.
    #[default]
    Center,
    /// The upper left corner.
    TopLeft,
    /// The middle of the upper edge.
    Top,
    /// The upper right corner.
    TopRight,
    /// The middle of the right edge.
    Right,
    /// The lower right corner.
    BottomRight,
    /// The middle of the lower edge.
    Bottom,
    /// The lower left corner.
    BottomLeft,
    /// The middle of the left edge.
    Left,
    /// The largest face.
    Face,
    /// All faces.
    Faces,
    /// As near as can be to a pixel of the picture: what becomes of the two above.
    Point {
        /// Pixels from the left edge.
        x: u32,
        /// Pixels from the upper edge.
        y: u32,
    },
}

/// Which rectangle to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// A rectangle of this size, in pixels, at a place.
    Rect {
        /// Width, ≥ 1.
        width: u32,
        /// Height, ≥ 1.
        height: u32,
        /// Where it lies.
        at: CropAt,
    },
    /// The largest rectangle of this aspect ratio (width / height, finite and > 0).
    Ratio {
        /// Width divided by height.
        ratio: f64,
        /// Which part is kept.
        gravity: Gravity,
    },
    /// The box around all faces and something around it.
    Face {
        /// How much on each side, in percent of the box's longer side, 0–500.
        padding: f64,
    },
}

/// Where a crop rectangle lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CropAt {
    /// By gravity.
    Gravity(Gravity),
    /// By its upper left corner, origin top left.
    Point {
        /// Pixels from the left edge.
        x: u32,
        /// Pixels from the upper edge.
        y: u32,
    },
}

/// How `resize` finds the new size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Within the box, aspect ratio kept; with one side given, the other follows.
    #[default]
    Auto,
    /// Exactly the box: scaled to cover it, the rest cropped by gravity.
    Fit,
    /// Exactly the box, aspect ratio ignored.
    Exact,
    /// Exactly the box: scaled to lie within it, the rest filled with the background.
    Fill,
    /// The height decides, the width follows.
    Portrait,
    /// The width decides, the height follows.
    Landscape,
}

/// The resampling kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Lanczos with three lobes.
    #[default]
    Lanczos3,
    /// Catmull–Rom cubic (B = 0, C = 1/2).
    CatmullRom,
    /// Mitchell–Netravali cubic (B = C = 1/3).
    Mitchell,
    /// Triangle.
    Bilinear,
    /// Mean of the covered pixels.
    Box,
    /// The nearest pixel.
    Nearest,
}

/// New size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Which rule.
    pub mode: ResizeMode,
    /// Width of the box in pixels. `Fit`, `Fill` and `Exact` have both sides, every mode has one.
    pub width: Option<u32>,
    /// Height of the box in pixels.
    pub height: Option<u32>,
    /// What `Fit` keeps.
    pub gravity: Gravity,
    /// Whether the result may be larger than the input.
    pub upscale: bool,
    /// What `Fill` puts around the picture; absent: transparent where the output has alpha, else white.
    pub background: Option<Color>,
    /// The resampling kernel.
    pub kernel: Kernel,
}

/// New size by a factor: `w' = w·size·ratio`, `h' = h·size`, rounded, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Factor for both sides, 0.01–10.
    pub size: f64,
    /// Extra horizontal factor, 0.1–10.
    pub ratio: f64,
}
