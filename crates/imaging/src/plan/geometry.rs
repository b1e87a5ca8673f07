//! The geometric operations of a plan: flip, crop, resize and scale.

use serde::{Deserialize, Serialize};

use super::color::Color;

/// Mirroring along one or both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// Exchange left and right.
    pub horizontal: bool,
    /// Exchange top and bottom.
    pub vertical: bool,
}

/// Which part of an image is kept, or where a picture is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// The centre.
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
    /// As near as possible to a pixel of the picture. `Face` and `Faces` are replaced by this variant when
    /// the faces are known.
    Point {
        /// Pixels from the left edge.
        x: u32,
        /// Pixels from the upper edge.
        y: u32,
    },
}

/// How to choose the rectangle that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// A rectangle of this size, in pixels, at a position.
    Rect {
        /// Width, ≥ 1.
        width: u32,
        /// Height, ≥ 1.
        height: u32,
        /// The position of the rectangle.
        at: CropAt,
    },
    /// The largest rectangle of this aspect ratio (width / height, finite and > 0).
    Ratio {
        /// Width divided by height.
        ratio: f64,
        /// Which part is kept.
        gravity: Gravity,
    },
    /// The bounding box of all faces, with padding.
    Face {
        /// The padding on each side, in percent of the longer side of the bounding box, 0–500.
        padding: f64,
    },
}

/// The position of a crop rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CropAt {
    /// The position is given by gravity.
    Gravity(Gravity),
    /// The upper left corner of the rectangle. The origin is the upper left corner of the image.
    Point {
        /// Pixels from the left edge.
        x: u32,
        /// Pixels from the upper edge.
        y: u32,
    },
}

/// The rule by which `resize` computes the new size. "The box" has the given width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// The largest size inside the box with the same aspect ratio. If only one side is given, the other
    /// follows.
    #[default]
    Auto,
    /// Exactly the box: the image is scaled to cover the box, and the rest is cropped by gravity.
    Fit,
    /// Exactly the box; the aspect ratio may change.
    Exact,
    /// Exactly the box: the image is scaled to fit inside the box, and the rest is filled with the
    /// background.
    Fill,
    /// The given height; the width follows.
    Portrait,
    /// The given width; the height follows.
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
    /// The triangle kernel.
    Bilinear,
    /// The mean of the covered pixels.
    Box,
    /// The nearest pixel.
    Nearest,
}

/// A change of the size by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// The rule.
    pub mode: ResizeMode,
    /// Width of the box in pixels. `Fit`, `Fill` and `Exact` have both sides; every mode has at least one.
    pub width: Option<u32>,
    /// Height of the box in pixels.
    pub height: Option<u32>,
    /// Which part `Fit` keeps.
    pub gravity: Gravity,
    /// Whether the result may be larger than the input.
    pub upscale: bool,
    /// The colour around the picture with `Fill`; absent: transparent if the output format has alpha, else
    /// white.
    pub background: Option<Color>,
    /// The resampling kernel.
    pub kernel: Kernel,
}

/// A change of the size by a factor: `w' = w·size·ratio`, `h' = h·size`, rounded, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Factor for both sides, 0.01–10.
    pub size: f64,
    /// Additional horizontal factor, 0.1–10.
    pub ratio: f64,
}
