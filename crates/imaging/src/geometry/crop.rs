//! The rectangle that `crop` keeps.

use super::{Rect, Size, place_by_gravity};
use crate::Error;
use crate::plan::{Crop, CropAt, Gravity};

/// The rectangle to keep, always inside the image. A rectangle that is larger than the image or extends
/// beyond it is clipped. A crop to the faces gives the largest square in the centre, as for an image without
/// faces, because the caller must first replace such a crop by means of [`super::resolve_faces`].
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

/// The length of the part of `start..start + length` that lies before `bound`, at least 1. An error if
/// `start` is not less than `bound`.
fn clip(attribute: &str, side: &str, start: u32, length: u32, bound: u32) -> Result<u32, Error> {
    if start >= bound {
        return Err(Error::Plan(format!(
            "crop.{attribute} must be less than the image's {side} of {bound} px, got {start}"
        )));
    }
    Ok(length.clamp(1, bound - start))
}

/// The largest size with the aspect ratio `ratio` (width / height) within `size`.
fn largest_with_ratio(size: Size, ratio: f64) -> Size {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let side = |exact: f64, bound: u32| (exact.round() as u32).clamp(1, bound);
    if width > height * ratio {
        Size::new(side(height * ratio, size.width), size.height)
    } else {
        Size::new(size.width, side(width / ratio, size.height))
    }
}
