//! The geometric operations of a plan: flip, crop, resize and scale.

use serde::{Deserialize, Serialize};

use super::color::Color;

/// Mirrors the image along one or both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// Whether left and right are exchanged.
    pub horizontal: bool,
    /// Whether top and bottom are exchanged.
    pub vertical: bool,
}

/// The position of the part of an image that is kept in a crop, or of a picture that is placed in a larger
/// picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// The centre.
    #[default]
    Center,
    /// The upper left corner of the image.
    TopLeft,
    /// The middle of the upper edge of the image.
    Top,
    /// The upper right corner of the image.
    TopRight,
    /// The middle of the right edge of the image.
    Right,
    /// The lower right corner of the image.
    BottomRight,
    /// The middle of the lower edge of the image.
    Bottom,
    /// The lower left corner of the image.
    BottomLeft,
    /// The middle of the left edge of the image.
    Left,
    /// The centre of the largest face.
    Face,
    /// All faces.
    Faces,
    /// The part is centred on a pixel of the picture, as far as the edges of the picture allow. When the
    /// positions of the faces are known, `Face` and `Faces` are replaced by this variant.
    Point {
        /// The distance of the pixel from the left edge of the picture, in pixels.
        x: u32,
        /// The distance of the pixel from the upper edge of the picture, in pixels.
        y: u32,
    },
}

/// The rule by which a crop chooses the rectangle that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// A rectangle of a given size in pixels, at a given position.
    Rect {
        /// The width in pixels, at least 1.
        width: u32,
        /// The height in pixels, at least 1.
        height: u32,
        /// The position of the rectangle.
        at: CropAt,
    },
    /// The largest rectangle with a given aspect ratio.
    Ratio {
        /// The width divided by the height. The value is finite and greater than 0.
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
    /// The position is given by the upper left corner of the rectangle. The origin of the coordinates is the
    /// upper left corner of the image.
    Point {
        /// The distance of the rectangle from the left edge of the image, in pixels.
        x: u32,
        /// The distance of the rectangle from the upper edge of the image, in pixels.
        y: u32,
    },
}

/// The rule by which `resize` computes the new size from the size of the image and the requested width and
/// height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// The largest size that fits into the requested width and height and has the aspect ratio of the image.
    /// If only one side is requested, the other side follows from the aspect ratio.
    #[default]
    Auto,
    /// Exactly the requested width and height: the image is scaled until it covers this size, and gravity
    /// decides which part of the excess is cropped.
    Fit,
    /// Exactly the requested width and height. The aspect ratio of the image may change.
    Exact,
    /// Exactly the requested width and height: the image is scaled to fit inside this size, and the free area
    /// is filled with the background colour.
    Fill,
    /// The requested height. The width follows from the aspect ratio of the image.
    Portrait,
    /// The requested width. The height follows from the aspect ratio of the image.
    Landscape,
}

/// The resampling kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// The Lanczos kernel with three lobes.
    #[default]
    Lanczos3,
    /// The Catmull–Rom cubic kernel (B = 0, C = 1/2).
    CatmullRom,
    /// The Mitchell–Netravali cubic kernel (B = C = 1/3).
    Mitchell,
    /// The triangle kernel, which gives bilinear interpolation.
    Bilinear,
    /// The box kernel: the mean of the covered pixels.
    Box,
    /// The nearest-neighbour kernel: the value of the nearest pixel.
    Nearest,
}

impl Kernel {
    /// All kernels, for tests and tools.
    pub const ALL: [Self; 6] =
        [Self::Lanczos3, Self::CatmullRom, Self::Mitchell, Self::Bilinear, Self::Box, Self::Nearest];
}

/// The quantity that resampling averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// The stored sRGB values.
    #[default]
    Srgb,
    /// The amount of light. Fine patterns keep their brightness.
    Linear,
}

/// The operation `resize`: changes the size of the image by one of the rules in [`ResizeMode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// The rule.
    pub mode: ResizeMode,
    /// The requested width in pixels. The modes `Fit`, `Fill` and `Exact` have both a width and a height;
    /// every other mode has at least one of the two.
    pub width: Option<u32>,
    /// The requested height in pixels.
    pub height: Option<u32>,
    /// The position of the part that is kept in the mode `Fit`.
    pub gravity: Gravity,
    /// Whether the result may be larger than the input.
    pub upscale: bool,
    /// The colour of the free area in the mode `Fill`. With `None`, the area is transparent if the output
    /// format has alpha, else white.
    pub background: Option<Color>,
    /// The resampling kernel.
    pub kernel: Kernel,
    /// The quantity that is averaged. Has no effect on the kernel `Nearest`, which averages nothing.
    #[serde(default)]
    pub light: Light,
}

/// The operation `scale`: multiplies the width by `size · ratio` and the height by `size`. Both results are
/// rounded, and are at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The factor for both the width and the height, 0.01–10.
    pub size: f64,
    /// A second factor for the width, which is multiplied by `size`, 0.1–10.
    pub ratio: f64,
}
