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

/// The position of the part that is kept when an image is cropped, or of a picture that is placed in a larger
/// one.
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
    /// Centred on a pixel of the picture, as far as the edges allow. When the faces are known, `Face` and
    /// `Faces` are replaced by this variant.
    Point {
        /// Pixels from the left edge.
        x: u32,
        /// Pixels from the upper edge.
        y: u32,
    },
}

/// A crop: how the rectangle that is kept is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// A rectangle of a given size in pixels, at a given position.
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
        /// The position of the rectangle in the image.
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

/// The rule by which `resize` computes the new size. In the variants, "the box" means a rectangle with the
/// width and height that the plan states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// The largest size inside the box with the aspect ratio of the image. If only one side is given, the
    /// other side follows from the aspect ratio.
    #[default]
    Auto,
    /// Exactly the size of the box: the image is scaled until it covers the box, and the excess is cropped by
    /// gravity.
    Fit,
    /// Exactly the size of the box. The aspect ratio of the image may change.
    Exact,
    /// Exactly the size of the box: the image is scaled to fit inside the box, and the free area is filled
    /// with the background.
    Fill,
    /// The given height. The width follows from the aspect ratio.
    Portrait,
    /// The given width. The height follows from the aspect ratio.
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
    /// The box kernel: the mean of the covered pixels.
    Box,
    /// Nearest neighbour: the value of the nearest pixel.
    Nearest,
}

/// The operation `resize`: changes the size by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// The rule.
    pub mode: ResizeMode,
    /// Width of the box in pixels. The modes `Fit`, `Fill` and `Exact` have both a width and a height; every
    /// other mode has at least one of the two.
    pub width: Option<u32>,
    /// Height of the box in pixels.
    pub height: Option<u32>,
    /// The position of the part that is kept in the mode `Fit`.
    pub gravity: Gravity,
    /// Whether the result may be larger than the input.
    pub upscale: bool,
    /// The colour of the free area in the mode `Fill`. `None`: transparent if the output format has alpha,
    /// else white.
    pub background: Option<Color>,
    /// The resampling kernel.
    pub kernel: Kernel,
}

/// The operation `scale`: multiplies the width by `size · ratio` and the height by `size`. Both results are
/// rounded, and are at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Factor for both sides, 0.01–10.
    pub size: f64,
    /// Additional horizontal factor, 0.1–10.
    pub ratio: f64,
}
