//! A [`Plan`] says what to do with an image: the validated form of the API's operation hashes. Every number
//! in a plan is in its range already. The server parses the JSON of a request into a plan and reports the
//! errors in it.

mod appearance;
mod color;
mod geometry;
mod output;
mod watermark;

use serde::{Deserialize, Serialize};

pub use self::appearance::{Adjust, Blur, Border, Duotone, Filter, Mask, Padding, Shape};
pub use self::color::Color;
pub use self::geometry::{Crop, CropAt, Flip, Gravity, Kernel, Resize, ResizeMode, Scale};
pub use self::output::{KeptMetadata, Output, TargetFormat};
pub use self::watermark::{Length, Watermark};
pub use crate::format::Format;

// The old name, until every crate uses the new one.
#[doc(hidden)]
pub use self::output::TargetFormat as Target;

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
