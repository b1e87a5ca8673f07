//! The operations of a plan that change colours or edges of the picture: adjust, filter, mask, border and
//! padding.

use serde::{Deserialize, Serialize};

use super::color::Color;

/// Changes of tone and colour. The value 0 leaves every pixel unchanged. All values are from −100 to 100,
/// except `hue` (−180 to 180 degrees) and `unsharp` (0 to 100).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the fields are the attributes of the API; the operations document the formulas"
)]
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

/// Effects, which are applied in the order of the fields. The strength of an effect is from 1 to 100. An
/// effect whose field is `None` is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the fields are the attributes of the API; the operations document the formulas"
)]
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

/// A blur. `radius` is in pixels, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the fields are the attributes of the API; the operations document the formulas"
)]
pub enum Blur {
    Gaussian {
        radius: f32,
    },
    Box {
        radius: f32,
    },
    /// `angle` is the direction of the blur in degrees, from 0 to 360, counter-clockwise. An angle of 0 is
    /// the direction to the right.
    Motion {
        radius: f32,
        angle: f32,
    },
}

/// Maps the luma of each pixel to a colour between two given colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duotone {
    /// The colour to which black is mapped.
    pub shadows: Color,
    /// The colour to which white is mapped.
    pub highlights: Color,
}

/// Keeps the part of the image inside an inscribed shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// The shape.
    pub shape: Shape,
    /// The colour outside of the shape. With `None`, the area is transparent if the output format has alpha,
    /// else white.
    pub background: Option<Color>,
}

/// A shape inscribed in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Shape {
    /// An ellipse that touches all four edges of the image.
    Ellipse,
    /// The rectangle of the whole image with rounded corners.
    Rounded {
        /// Radius of a corner in pixels.
        radius: u32,
    },
}

/// A frame that is drawn inside the bounds of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Border {
    /// The thickness of the frame in pixels, 0–1000.
    pub size: u32,
    /// Colour of the frame.
    pub color: Color,
    /// The radius of the corners of the frame in pixels.
    pub radius: u32,
    /// The colour outside of rounded corners. With `None`, the area is transparent if the output format has
    /// alpha, else white.
    pub background: Option<Color>,
}

/// The number of pixels to add on each side of the image, 0–5000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "four sides of a rectangle")]
pub struct Padding {
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
    pub left: u32,
    /// The colour of the added pixels. With `None`, the added pixels are transparent if the output format has
    /// alpha, else white.
    pub background: Option<Color>,
}
