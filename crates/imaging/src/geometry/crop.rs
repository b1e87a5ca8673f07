//! Which rectangle `crop` keeps.

use super::{Rect, Size, place};
use crate::Error;
use crate::plan::{Crop, CropAt, Gravity};

/// The kept rectangle, always inside the picture. One that is larger than the picture, or reaches outside, is clipped.
/// Of faces nothing is known here, see [`super::resolve`]: it is that of a picture without any.
///
/// # Errors
/// [`Error::Plan`] when a rectangle at `x`, `y` has no pixel in common with the picture.
pub fn crop(size: Size, asked: Crop) -> Result<Rect, Error> {
    match asked {
        Crop::Rect { width, height, at: CropAt::Gravity(gravity) } => {
            Ok(place(Size::new(width.clamp(1, size.width), height.clamp(1, size.height)), size, gravity))
        }
        Crop::Rect { width, height, at: CropAt::Point { x, y } } => {
            let width = clip("x", "width", x, width, size.width)?;
            let height = clip("y", "height", y, height, size.height)?;
            Ok(Rect { x, y, width, height })
        }
        Crop::Face { .. } => Ok(place(largest(size, 1.0), size, Gravity::Center)),
        Crop::Ratio { ratio, gravity } => Ok(place(largest(size, ratio), size, gravity)),
    }
}

/// What of `start..start + length` lies before `bound`.
fn clip(attribute: &str, side: &str, start: u32, length: u32, bound: u32) -> Result<u32, Error> {
    if start >= bound {
        return Err(Error::Plan(format!(
            "crop.{attribute} must be less than the image's {side} of {bound} px, got {start}"
        )));
    }
    Ok(length.clamp(1, bound - start))
}

/// The largest size of the aspect ratio `width / height` within `size`.
fn largest(size: Size, ratio: f64) -> Size {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let side = |exact: f64, bound: u32| (exact.round() as u32).clamp(1, bound);
    if width > height * ratio {
        Size::new(side(height * ratio, size.width), size.height)
    } else {
        Size::new(size.width, side(width / ratio, size.height))
    }
}
