//! Positions and sizes: the sizes, rectangles and windows that result from a [`Plan`], as pure functions of
//! numbers. This module handles no pixels.
//!
//! **Rounding.** If a side is computed from another side and a ratio, the exact value is rounded to the
//! nearest whole pixel (a half is rounded up), and the result is at least 1. If the two margins of a centred
//! rectangle cannot be equal, the left or upper margin is one pixel smaller than the right or lower margin.
//!
//! **Coordinates** are pixels of the image at its full size after its EXIF orientation was applied, even if
//! the decoder delivered a reduced image.

mod crop;
mod faces;
mod resize;
mod watermark;

pub use self::crop::crop;
pub use self::faces::{resolve_faces, uses_faces};
pub use self::resize::{Resized, resize};
pub use self::watermark::{Placed, Span, watermark};
use serde::{Deserialize, Serialize};

use crate::plan::{Crop, Gravity, Kernel, Light, Padding, Plan, Scale};
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
    /// The size of an image.
    pub fn of(image: &Image) -> Self {
        Self::new(image.width(), image.height())
    }

    /// Creates a size of `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

/// A rectangle of whole pixels with at least one pixel. The origin of the coordinates is the upper left
/// corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rect {
    /// The distance of the rectangle from the left edge of the image, in pixels.
    pub x: u32,
    /// The distance of the rectangle from the upper edge of the image, in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Rect {
    /// The size of the rectangle.
    pub const fn size(self) -> Size {
        Size::new(self.width, self.height)
    }
}

/// The part of an image that is resampled: a rectangle whose edges may lie between pixels.
///
/// All four fields are multiples of 1/65536. Therefore the sum `left + width` has no rounding error and never
/// exceeds the width of the image. The steps are that fine because a window can be much narrower than a pixel:
/// its aspect ratio must still be that of the picture into which the window is enlarged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The distance of the window from the left edge of the image, in pixels.
    pub left: f64,
    /// The distance of the window from the upper edge of the image, in pixels.
    pub top: f64,
    /// Width in pixels, more than 0.
    pub width: f64,
    /// Height in pixels, more than 0.
    pub height: f64,
}

impl Window {
    /// A window that covers a whole image.
    pub fn whole(size: Size) -> Self {
        Self { left: 0.0, top: 0.0, width: size.width.into(), height: size.height.into() }
    }

    /// Scales the window by `x` horizontally and by `y` vertically. The position and the size of the result
    /// are rounded to multiples of 1/65536 pixel, and the result lies within `bounds`.
    pub fn stretched(self, x: f64, y: f64, bounds: Size) -> Self {
        let (left, width) = snap_to_grid(self.left * x, self.width * x, bounds.width);
        let (top, height) = snap_to_grid(self.top * y, self.height * y, bounds.height);
        Self { left, top, width, height }
    }

    /// The smallest rectangle of whole pixels that contains the window.
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

/// The sizes of an image after the operations of a plan, in the order of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// The size after `crop`.
    pub cropped: Size,
    /// The size after `resize`.
    pub resized: Size,
    /// The size after `scale`.
    pub scaled: Size,
    /// The size after `padding`, which is the size of the output.
    pub padded: Size,
}

impl Stages {
    /// Computes the sizes after the operations of `plan` for an image of the size `size`.
    ///
    /// # Errors
    /// [`Error::Plan`] if the crop lies outside the image.
    pub fn of(size: Size, plan: &Plan) -> Result<Self, Error> {
        let cropped = plan.crop.map_or(Ok(size), |options| crop(size, options).map(Rect::size))?;
        let resized = plan.resize.map_or(cropped, |options| resize(cropped, options).canvas);
        let scaled = plan.scale.map_or(resized, |options| scale(resized, options));
        let padded = plan.padding.map_or(scaled, |options| pad(scaled, options));
        Ok(Self { cropped, resized, scaled, padded })
    }

    /// Checks the sizes after `resize`, `scale` and `padding` against the limits.
    ///
    /// # Errors
    /// [`Error::Limit`] for the first size that is too large.
    pub fn check(self, limits: &Limits) -> Result<(), Error> {
        [self.resized, self.scaled, self.padded]
            .into_iter()
            .try_for_each(|size| limits.check_output(size.width, size.height))
    }
}

/// The size after `scale`: the width is multiplied by `size · ratio` and the height by `size`. Both results
/// are rounded, and are at least 1.
pub fn scale(size: Size, options: Scale) -> Size {
    let side = |side: u32, factor: f64| (f64::from(side) * factor).round().max(1.0) as u32;
    Size::new(side(size.width, options.size * options.ratio), side(size.height, options.size))
}

/// The combined result of `resize` and `scale`: everything that `resize` places is multiplied by the factors of
/// `scale`. The canvas has the same size as after both operations one after the other.
pub(crate) fn scale_resized(resized: Resized, options: Scale) -> Resized {
    let canvas = scale(resized.canvas, options);
    let picture = scale(resized.picture, options);
    let place = |start: u32, factor: f64, length: u32, bound: u32| {
        ((f64::from(start) * factor).round() as u32).min(bound - length)
    };
    let picture = Size::new(picture.width.min(canvas.width), picture.height.min(canvas.height));
    Resized {
        picture,
        canvas,
        x: place(resized.x, options.size * options.ratio, picture.width, canvas.width),
        y: place(resized.y, options.size, picture.height, canvas.height),
        ..resized
    }
}

/// The size after `padding`: the width grows by the left and the right padding, the height by the top and the
/// bottom padding.
pub fn pad(size: Size, options: Padding) -> Size {
    let add = |side: u32, a: u32, b: u32| side.saturating_add(a).saturating_add(b);
    Size::new(add(size.width, options.left, options.right), add(size.height, options.top, options.bottom))
}

/// The smallest size to which a decoder may reduce an image of the size `size` so that the output of the plan
/// needs no enlargement. At this size, the part of the image that is resampled has at least as many columns
/// and rows as the result of the resampling. The resampling is that of `resize`, or that of `scale` in a plan
/// without `resize`.
///
/// Returns the full size if
///
/// - the plan does not make the image smaller,
/// - the kernel is nearest neighbour, which needs the original pixels,
/// - the resampling averages light, because decoders average stored values, or
/// - the crop depends on faces, because their positions are not known yet.
///
/// # Errors
/// [`Error::Plan`] if the crop lies outside the image.
pub fn needed_size(size: Size, plan: &Plan) -> Result<Size, Error> {
    if matches!(plan.crop, Some(Crop::Face { .. })) {
        return Ok(size);
    }
    let cropped = plan.crop.map_or(Ok(size), |options| crop(size, options).map(Rect::size))?;
    let (window, picture) = match (plan.resize, plan.scale) {
        (Some(options), _) if options.kernel == Kernel::Nearest || options.light == Light::Linear => {
            return Ok(size);
        }
        (Some(options), _) => {
            let Resized { window, picture, .. } = resize(cropped, options);
            (window, picture)
        }
        (None, Some(options)) => (Window::whole(cropped), scale(cropped, options)),
        (None, None) => return Ok(size),
    };
    let side = |full: u32, kept: f64, target: u32| {
        (f64::from(full) * f64::from(target) / kept).ceil().clamp(1.0, f64::from(full)) as u32
    };
    Ok(Size::new(
        side(size.width, window.width, picture.width),
        side(size.height, window.height, picture.height),
    ))
}

/// When gravity places a rectangle in a larger rectangle: how many halves of the free space lie to the left
/// of the placed rectangle (first value) and above it (second value). Each value is 0, 1 or 2. For `Face`,
/// `Faces` and `Point` the function returns the values of the centre, because other functions handle these
/// gravities.
fn leading_halves(gravity: Gravity) -> (u32, u32) {
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

/// Returns the start of an interval that has the length `length` and lies within `0..bound`. The centre of
/// the interval is as close as possible to `middle`.
fn centred_start(middle: f64, length: f64, bound: f64) -> f64 {
    (middle - length / 2.0).clamp(0.0, (bound - length).max(0.0))
}

/// Places a rectangle of the size `inner` in a rectangle of the size `outer` by gravity. `outer` must be at
/// least as large as `inner`.
fn place_by_gravity(inner: Size, outer: Size, gravity: Gravity) -> Rect {
    if let Gravity::Point { x, y } = gravity {
        let start = |middle: u32, length: u32, bound: u32| {
            centred_start(middle.into(), length.into(), bound.into()).floor() as u32
        };
        return Rect {
            x: start(x, inner.width, outer.width),
            y: start(y, inner.height, outer.height),
            width: inner.width,
            height: inner.height,
        };
    }
    let (x, y) = leading_halves(gravity);
    let offset = |spare: u32, leading_halves: u32| (u64::from(spare) * u64::from(leading_halves) / 2) as u32;
    Rect {
        x: offset(outer.width - inner.width, x),
        y: offset(outer.height - inner.height, y),
        width: inner.width,
        height: inner.height,
    }
}

/// Multiplies `value` by `numerator / denominator`. The result is rounded to the nearest integer (a half is
/// rounded up), and is at least 1.
fn proportional(value: u32, numerator: u32, denominator: u32) -> u32 {
    let (product, denominator) = (u128::from(value) * u128::from(numerator), u128::from(denominator));
    let rounded = (2 * product + denominator) / (2 * denominator);
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

/// Rounds the start and the length of an interval to multiples of 1/65536. The returned interval is at
/// least 1/65536 long and lies within `0..=bound`.
fn snap_to_grid(start: f64, length: f64, bound: u32) -> (f64, f64) {
    const GRID: f64 = 65_536.0;
    let bound = f64::from(bound) * GRID;
    let start = (start * GRID).round().clamp(0.0, bound - 1.0);
    let length = (length * GRID).round().clamp(1.0, bound - start);
    (start / GRID, length / GRID)
}
