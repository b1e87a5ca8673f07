//! Computes the rectangle of an image that the operation `crop` keeps.

use super::{Rect, Size, place_by_gravity};
use crate::Error;
use crate::plan::{Crop, CropAt, Gravity};

/// Computes the rectangle to keep, which always lies inside the image. A requested rectangle that is larger
/// than the image or extends beyond it is clipped. For a crop to the faces, the caller must first call
/// [`super::resolve_faces`]. If a crop still refers to faces, the result is the largest square in the centre,
/// as for an image without faces.
///
/// # Errors
/// [`Error::Plan`] if a rectangle at `x`, `y` has no pixel in common with the image.
pub fn crop(size: Size, options: Crop) -> Result<Rect, Error> {
    match options {
        Crop::Rect { width, height, at: CropAt::Gravity(gravity) } => Ok(place_by_gravity(
            Size::new(width.clamp(1, size.width), height.clamp(1, size.height)),
            size,
            gravity,
        )),
        Crop::Rect { width, height, at: CropAt::Point { x, y } } => {
            let width = clip("x", "width", x, width, size.width)?;
            let height = clip("y", "height", y, height, size.height)?;
            Ok(Rect { x, y, width, height })
        }
        Crop::Face { .. } => Ok(place_by_gravity(largest_with_ratio(size, 1.0), size, Gravity::Center)),
        Crop::Ratio { ratio, gravity } => {
            Ok(place_by_gravity(largest_with_ratio(size, ratio), size, gravity))
        }
    }
}

/// Clips the interval `start..start + length` at `bound`, and returns the length of the clipped interval,
/// which is at least 1. Returns an error if `start` is not less than `bound`.
fn clip(attribute: &str, side: &str, start: u32, length: u32, bound: u32) -> Result<u32, Error> {
    if start >= bound {
        return Err(Error::Plan(format!(
            "crop.{attribute} must be less than the image's {side} of {bound} px, got {start}"
        )));
    }
    Ok(length.clamp(1, bound - start))
}

/// The largest size that has the aspect ratio `ratio` (width / height) and fits into `size`.
fn largest_with_ratio(size: Size, ratio: f64) -> Size {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let side = |exact: f64, bound: u32| (exact.round() as u32).clamp(1, bound);
    if width > height * ratio {
        Size::new(side(height * ratio, size.width), size.height)
    } else {
        Size::new(size.width, side(width / ratio, size.height))
    }
}
