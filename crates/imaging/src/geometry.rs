//! Where everything lies: the sizes, rectangles and windows that a [`Plan`] asks for, as pure functions of numbers.
//! No pixels here.
//!
//! **Rounding.** A side that follows another is the exact quotient rounded to the nearest whole pixel, halves upwards,
//! and at least 1. A rectangle placed by gravity in an odd remainder lies half a pixel towards the upper left.
//!
//! **Coordinates** are those of the upright picture at its full size, even where a decoder delivered a reduced one.

mod crop;
mod focus;
mod resize;
mod watermark;

pub use self::crop::crop;
pub use self::focus::{asks_for_faces, resolve};
pub use self::resize::{Resized, resize};
pub use self::watermark::{Placed, Span, watermark};
use serde::{Deserialize, Serialize};

use crate::plan::{Crop, Gravity, Kernel, Padding, Plan, Scale};
use crate::{Error, Image, Limits};

/// Width and height in pixels, both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// The size of a picture.
    pub fn of(image: &Image) -> Self {
        Self::new(image.width(), image.height())
    }

    /// A size of these sides.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

/// A rectangle of whole pixels, origin top left, not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rect {
    /// Pixels from the left edge.
    pub x: u32,
    /// Pixels from the upper edge.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Rect {
    /// Its sides.
    pub const fn size(self) -> Size {
        Size::new(self.width, self.height)
    }
}

/// A rectangle whose edges may lie between pixels: the part of a picture that is resampled.
///
/// All four numbers are multiples of 1/256, so that sums of them are exact and `left + width` never exceeds the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Pixels from the left edge.
    pub left: f64,
    /// Pixels from the upper edge.
    pub top: f64,
    /// Width in pixels, more than 0.
    pub width: f64,
    /// Height in pixels, more than 0.
    pub height: f64,
}

impl Window {
    /// The whole of a picture.
    pub fn whole(size: Size) -> Self {
        Self { left: 0.0, top: 0.0, width: size.width.into(), height: size.height.into() }
    }

    /// The same place after both axes were stretched, snapped to the grid and kept within `bounds`.
    pub fn stretched(self, x: f64, y: f64, bounds: Size) -> Self {
        let (left, width) = snap(self.left * x, self.width * x, bounds.width);
        let (top, height) = snap(self.top * y, self.height * y, bounds.height);
        Self { left, top, width, height }
    }

    /// The smallest rectangle of whole pixels around it.
    pub fn outer(self) -> Rect {
        let (x, y) = (self.left.floor() as u32, self.top.floor() as u32);
        let right = (self.left + self.width).ceil() as u32;
        let bottom = (self.top + self.height).ceil() as u32;
        Rect { x, y, width: right - x, height: bottom - y }
    }
}

impl From<Rect> for Window {
    fn from(rect: Rect) -> Self {
        let Rect { x, y, width, height } = rect;
        Self { left: x.into(), top: y.into(), width: width.into(), height: height.into() }
    }
}

/// The sizes a picture goes through, in the order of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// After `crop`.
    pub cropped: Size,
    /// After `resize`.
    pub resized: Size,
    /// After `scale`.
    pub scaled: Size,
    /// After `padding`: the size of the output.
    pub padded: Size,
}

impl Stages {
    /// Follows a picture of `size` through the plan.
    ///
    /// # Errors
    /// [`Error::Plan`] when the crop lies outside the picture.
    pub fn of(size: Size, plan: &Plan) -> Result<Self, Error> {
        let cropped = plan.crop.map_or(Ok(size), |asked| crop(size, asked).map(Rect::size))?;
        let resized = plan.resize.map_or(cropped, |asked| resize(cropped, asked).canvas);
        let scaled = plan.scale.map_or(resized, |asked| scale(resized, asked));
        let padded = plan.padding.map_or(scaled, |asked| pad(scaled, asked));
        Ok(Self { cropped, resized, scaled, padded })
    }

    /// Checks every size that is to be made.
    ///
    /// # Errors
    /// [`Error::Limit`] for the first one that is too large.
    pub fn check(self, limits: &Limits) -> Result<(), Error> {
        [self.resized, self.scaled, self.padded]
            .into_iter()
            .try_for_each(|size| limits.check_output(size.width, size.height))
    }
}

/// `w' = w·size·ratio`, `h' = h·size`, rounded, at least 1.
pub fn scale(size: Size, asked: Scale) -> Size {
    let side = |side: u32, factor: f64| (f64::from(side) * factor).round().max(1.0) as u32;
    Size::new(side(size.width, asked.size * asked.ratio), side(size.height, asked.size))
}

/// The canvas with the four sides added.
pub fn pad(size: Size, asked: Padding) -> Size {
    let add = |side: u32, a: u32, b: u32| side.saturating_add(a).saturating_add(b);
    Size::new(add(size.width, asked.left, asked.right), add(size.height, asked.top, asked.bottom))
}

/// The smallest size at which a decoder may deliver a picture of `size` so that the plan loses nothing: the size at
/// which `resize` (or else `scale`) only just has no pixel to throw away. The full size where nothing is made smaller,
/// and for the nearest-pixel kernel, which must see the very pixels of the file; also for a crop whose size is not known
/// before the faces are.
///
/// # Errors
/// [`Error::Plan`] when the crop lies outside the picture.
pub fn needed_size(size: Size, plan: &Plan) -> Result<Size, Error> {
    if matches!(plan.crop, Some(Crop::Face { .. })) {
        return Ok(size);
    }
    let cropped = plan.crop.map_or(Ok(size), |asked| crop(size, asked).map(Rect::size))?;
    let (window, picture) = match (plan.resize, plan.scale) {
        (Some(asked), _) if asked.kernel == Kernel::Nearest => return Ok(size),
        (Some(asked), _) => {
            let Resized { window, picture, .. } = resize(cropped, asked);
            (window, picture)
        }
        (None, Some(asked)) => (Window::whole(cropped), scale(cropped, asked)),
        (None, None) => return Ok(size),
    };
    let side = |full: u32, kept: f64, made: u32| {
        (f64::from(full) * f64::from(made) / kept).ceil().clamp(1.0, f64::from(full)) as u32
    };
    Ok(Size::new(
        side(size.width, window.width, picture.width),
        side(size.height, window.height, picture.height),
    ))
}

/// How much of a remainder lies left of and above a thing placed by gravity, in halves: 0, 1 or 2. Faces and points are
/// found elsewhere; without them the middle counts.
fn halves(gravity: Gravity) -> (u32, u32) {
    use Gravity::{Center, Face, Faces, Point};
    let x = match gravity {
        Gravity::TopLeft | Gravity::Left | Gravity::BottomLeft => 0,
        Gravity::Top | Gravity::Bottom | Center | Face | Faces | Point { .. } => 1,
        Gravity::TopRight | Gravity::Right | Gravity::BottomRight => 2,
    };
    let y = match gravity {
        Gravity::TopLeft | Gravity::Top | Gravity::TopRight => 0,
        Gravity::Left | Gravity::Right | Center | Face | Faces | Point { .. } => 1,
        Gravity::BottomLeft | Gravity::Bottom | Gravity::BottomRight => 2,
    };
    (x, y)
}

/// Where an interval of `length` within `bound` begins so that its middle is as near as can be to `middle`.
fn centred(middle: f64, length: f64, bound: f64) -> f64 {
    (middle - length / 2.0).clamp(0.0, (bound - length).max(0.0))
}

/// A rectangle of `inner` in `outer`, which is at least as large.
fn place(inner: Size, outer: Size, gravity: Gravity) -> Rect {
    if let Gravity::Point { x, y } = gravity {
        let start = |middle: u32, length: u32, bound: u32| {
            centred(middle.into(), length.into(), bound.into()).floor() as u32
        };
        return Rect {
            x: start(x, inner.width, outer.width),
            y: start(y, inner.height, outer.height),
            width: inner.width,
            height: inner.height,
        };
    }
    let (x, y) = halves(gravity);
    let offset = |spare: u32, halves: u32| (u64::from(spare) * u64::from(halves) / 2) as u32;
    Rect {
        x: offset(outer.width - inner.width, x),
        y: offset(outer.height - inner.height, y),
        width: inner.width,
        height: inner.height,
    }
}

/// `value · numerator / denominator`, rounded half up, at least 1.
fn proportional(value: u32, numerator: u32, denominator: u32) -> u32 {
    let (product, denominator) = (u128::from(value) * u128::from(numerator), u128::from(denominator));
    let rounded = (2 * product + denominator) / (2 * denominator);
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

/// Start and length on the grid of 1/256, at least 1/256 long and within `0..=bound`.
fn snap(start: f64, length: f64, bound: u32) -> (f64, f64) {
    const GRID: f64 = 256.0;
    let bound = f64::from(bound) * GRID;
    let start = (start * GRID).round().clamp(0.0, bound - 1.0);
    let length = (length * GRID).round().clamp(1.0, bound - start);
    (start / GRID, length / GRID)
}
