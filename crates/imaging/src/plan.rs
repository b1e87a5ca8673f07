//! What to do with an image: the checked form of the API's operation hashes. Everything in here is in range
//! already; turning the caller's JSON into it (and complaining about it) is the server's work.

mod output;
mod watermark;

use serde::{Deserialize, Serialize};

pub use self::output::{Format, KeptMetadata, Output, Target};
pub use self::watermark::{Length, Watermark};

/// All that is asked for, in the order in which it is done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Leave the EXIF orientation alone (`auto.orient: false`).
    pub keep_orientation: bool,
    /// Mirror.
    pub flip: Option<Flip>,
    /// Cut out.
    pub crop: Option<Crop>,
    /// New size by one of six rules.
    pub resize: Option<Resize>,
    /// New size by a factor.
    pub scale: Option<Scale>,
    /// `auto.enhance`: levels, contrast and saturation from the histogram.
    pub enhance: bool,
    /// Tone and colour.
    pub adjust: Option<Adjust>,
    /// Effects, run in the order of their fields.
    pub filter: Option<Filter>,
    /// Another picture over it, whose bytes come with the image's.
    pub watermark: Option<Watermark>,
    /// Cut to a shape.
    pub mask: Option<Mask>,
    /// A frame inside the bounds.
    pub border: Option<Border>,
    /// A larger canvas.
    pub padding: Option<Padding>,
    /// How to encode.
    pub output: Output,
}

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

/// An sRGB colour with straight alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color {
    /// Red, 0–255.
    pub r: u8,
    /// Green, 0–255.
    pub g: u8,
    /// Blue, 0–255.
    pub b: u8,
    /// Alpha, 0 (transparent) – 255 (opaque).
    pub a: u8,
}

impl Color {
    /// Opaque black.
    pub const BLACK: Self = Self { r: 0, g: 0, b: 0, a: 255 };
    /// Opaque white.
    pub const WHITE: Self = Self { r: 255, g: 255, b: 255, a: 255 };
    /// No colour at all.
    pub const TRANSPARENT: Self = Self { r: 0, g: 0, b: 0, a: 0 };
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

/// Tone and colour; 0 leaves every pixel as it is. All −100–100, except `hue` (−180–180, degrees) and `unsharp` (0–100).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the API's attributes; their formulas stand beside the code")]
pub struct Adjust {
    pub unsharp: f32,
    pub brightness: f32,
    pub contrast: f32,
    pub saturation: f32,
    pub vibrance: f32,
    pub exposure: f32,
    pub gamma: f32,
    pub hue: f32,
    pub temperature: f32,
    pub tint: f32,
    pub highlights: f32,
    pub shadows: f32,
}

/// Effects, in this order. `value`s are 1–100; absent means not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the API's attributes; their formulas stand beside the code")]
pub struct Filter {
    pub blur: Option<Blur>,
    pub pixelate: Option<f32>,
    pub sepia: Option<f32>,
    pub mono: Option<f32>,
    pub invert: Option<f32>,
    pub vignette: Option<f32>,
    pub posterize: Option<f32>,
    pub duotone: Option<Duotone>,
    pub noise: Option<f32>,
    pub emboss: Option<f32>,
    pub edges: Option<f32>,
}

/// A blur; `radius` in pixels, 1–100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields are the API's attributes; their formulas stand beside the code")]
pub enum Blur {
    Gaussian {
        radius: f32,
    },
    Box {
        radius: f32,
    },
    /// `angle` in degrees, 0–360, counter-clockwise from the right.
    Motion {
        radius: f32,
        angle: f32,
    },
}

/// Luma mapped onto the line between two colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duotone {
    /// What black becomes.
    pub shadows: Color,
    /// What white becomes.
    pub highlights: Color,
}

/// Cuts the image to a shape inscribed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// The shape.
    pub shape: Shape,
    /// The outside; absent: transparent where the output has alpha, else white.
    pub background: Option<Color>,
}

/// A shape inscribed in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Shape {
    /// Touches all four edges.
    Ellipse,
    /// The whole rectangle with its corners rounded off.
    Rounded {
        /// Radius of a corner in pixels.
        radius: u32,
    },
}

/// A frame drawn inside the image's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Border {
    /// Thickness in pixels, 0–1000.
    pub size: u32,
    /// Colour of the frame.
    pub color: Color,
    /// Radius of the corners in pixels.
    pub radius: u32,
    /// Outside rounded corners; absent: transparent where the output has alpha, else white.
    pub background: Option<Color>,
}

/// A larger canvas; pixels to add on each side, 0–5000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "four sides of a rectangle")]
pub struct Padding {
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
    pub left: u32,
    /// Colour of the added pixels; absent: transparent where the output has alpha, else white.
    pub background: Option<Color>,
}
