//! A [`Plan`] describes the processing of an image: it is the validated form of the operation objects of the
//! API. Every number in a plan is within its allowed range. The server parses the JSON of a request into a
//! plan and reports errors in the JSON.

mod appearance;
mod color;
mod geometry;
mod output;
mod watermark;

use serde::{Deserialize, Serialize};

pub use self::appearance::{Adjust, Blur, Border, Duotone, Filter, Mask, Padding, Shape};
pub use self::color::Color;
pub use self::geometry::{Crop, CropAt, Flip, Gravity, Kernel, Light, Resize, ResizeMode, Scale};
pub use self::output::{KeptMetadata, Output, TargetFormat};
pub use self::watermark::{Length, Watermark};
pub use crate::format::Format;

/// All operations, in the order in which they are applied, and the output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Whether the image stays as stored: its EXIF orientation is not applied (`auto.orient: false`).
    pub keep_orientation: bool,
    /// Mirrors the image.
    pub flip: Option<Flip>,
    /// Keeps a rectangle of the image and removes the pixels outside of it.
    pub crop: Option<Crop>,
    /// Changes the size by one of the rules in [`ResizeMode`].
    pub resize: Option<Resize>,
    /// Changes the width and the height by a factor.
    pub scale: Option<Scale>,
    /// `auto.enhance`: adjusts levels, contrast and saturation by the histogram.
    pub enhance: bool,
    /// Changes tone and colour by the attributes of [`Adjust`].
    pub adjust: Option<Adjust>,
    /// Effects, which are applied in the order of the fields of [`Filter`].
    pub filter: Option<Filter>,
    /// Draws another picture over the image. The file of this picture is [`crate::Input::watermark`].
    pub watermark: Option<Watermark>,
    /// Cuts the image to a shape.
    pub mask: Option<Mask>,
    /// Draws a border along the edges, inside the bounds of the image.
    pub border: Option<Border>,
    /// Adds pixels on the four sides of the image.
    pub padding: Option<Padding>,
    /// The settings with which the result is encoded.
    pub output: Output,
}
