//! Computes, for the six modes of `resize`, the new size and the part of the image that is kept.

use super::{
    Rect, Size, Window, centred_start, leading_halves, place_by_gravity, proportional, snap_to_grid,
};
use crate::plan::{Gravity, Resize, ResizeMode};

/// The result of `resize`: the part `window` of the input is resampled to the size `picture`, and is placed
/// at `x`, `y` on a canvas of the size `canvas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resized {
    /// The part of the input that is kept and resampled.
    pub window: Window,
    /// The size to which the kept part is resampled.
    pub picture: Size,
    /// The size of the result. It can be larger than `picture` only in the mode `fill`.
    pub canvas: Size,
    /// Distance from the left edge of the canvas to that of the resampled image, in pixels.
    pub x: u32,
    /// Distance from the upper edge of the canvas to that of the resampled image, in pixels.
    pub y: u32,
}

impl Resized {
    /// The result when the whole input is resampled to the size `picture`.
    pub(crate) fn whole(size: Size, picture: Size) -> Self {
        Self { window: Window::whole(size), picture, canvas: picture, x: 0, y: 0 }
    }
}

/// Computes the result of `resize` for an image of the size `size`. If the options lack a side that the mode
/// needs, this side is computed from the other side and the aspect ratio of the image. Therefore every
/// combination of options has a result.
pub fn resize(size: Size, options: Resize) -> Resized {
    let width = options.width.map(|side| side.max(1));
    let height = options.height.map(|side| side.max(1));
    let bounds = match (width, height) {
        (Some(width), Some(height)) => Size::new(width, height),
        (Some(width), None) => size_for_width(size, width),
        (None, Some(height)) => size_for_height(size, height),
        (None, None) => size,
    };
    match options.mode {
        ResizeMode::Auto if width.is_some() && height.is_some() => {
            Resized::whole(size, limit_enlargement(size, fit_within(size, bounds), options.upscale))
        }
        ResizeMode::Auto => Resized::whole(size, limit_enlargement(size, bounds, options.upscale)),
        ResizeMode::Portrait => {
            let picture = height.map_or(bounds, |height| size_for_height(size, height));
            Resized::whole(size, limit_enlargement(size, picture, options.upscale))
        }
        ResizeMode::Landscape => {
            let picture = width.map_or(bounds, |width| size_for_width(size, width));
            Resized::whole(size, limit_enlargement(size, picture, options.upscale))
        }
        ResizeMode::Exact if options.upscale => Resized::whole(size, bounds),
        ResizeMode::Exact => {
            Resized::whole(size, Size::new(bounds.width.min(size.width), bounds.height.min(size.height)))
        }
        ResizeMode::Fit => cover(size, bounds, options.gravity, options.upscale),
        ResizeMode::Fill => {
            let picture = limit_enlargement(size, fit_within(size, bounds), options.upscale);
            let Rect { x, y, .. } = place_by_gravity(picture, bounds, Gravity::Center);
            Resized { window: Window::whole(size), picture, canvas: bounds, x, y }
        }
    }
}

/// Returns `picture`, or `size` if `picture` is larger than `size` and `upscale` is false.
fn limit_enlargement(size: Size, picture: Size, upscale: bool) -> Size {
    let enlarges = picture.width > size.width || picture.height > size.height;
    if enlarges && !upscale { size } else { picture }
}

/// The size with the width `width` and the aspect ratio of `size`.
fn size_for_width(size: Size, width: u32) -> Size {
    Size::new(width, proportional(size.height, width, size.width))
}

/// The size with the height `height` and the aspect ratio of `size`.
fn size_for_height(size: Size, height: u32) -> Size {
    Size::new(proportional(size.width, height, size.height), height)
}

/// Whether the ratio of width to height is larger for `size` than for `other`.
fn is_wider(size: Size, other: Size) -> bool {
    u64::from(size.width) * u64::from(other.height) > u64::from(other.width) * u64::from(size.height)
}

/// The largest size within `bounds` that has the aspect ratio of `size`.
fn fit_within(size: Size, bounds: Size) -> Size {
    let fitted = if is_wider(size, bounds) {
        size_for_width(size, bounds.width)
    } else {
        size_for_height(size, bounds.height)
    };
    Size::new(fitted.width.min(bounds.width), fitted.height.min(bounds.height))
}

/// Computes the mode `fit`: the largest window that has the aspect ratio of `bounds` is resampled to exactly
/// `bounds`. If the window is smaller than `bounds` and `upscale` is false, the window is not resampled. It
/// is only rounded to whole pixels and cut out.
fn cover(size: Size, bounds: Size, gravity: Gravity, upscale: bool) -> Resized {
    let wider = is_wider(size, bounds);
    let enlarges = if wider { bounds.height > size.height } else { bounds.width > size.width };
    if enlarges && !upscale {
        let kept = if wider {
            Size::new(size_for_height(bounds, size.height).width.min(size.width), size.height)
        } else {
            Size::new(size.width, size_for_width(bounds, size.width).height.min(size.height))
        };
        let window = place_by_gravity(kept, size, gravity).into();
        return Resized { window, picture: kept, canvas: kept, x: 0, y: 0 };
    }

    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let ratio = f64::from(bounds.width) / f64::from(bounds.height);
    let (kept_width, kept_height) = if wider { (height * ratio, height) } else { (width, width / ratio) };
    let (x, y) = leading_halves(gravity);
    let (left, top) = match gravity {
        Gravity::Point { x, y } => {
            (centred_start(x.into(), kept_width, width), centred_start(y.into(), kept_height, height))
        }
        _ => ((width - kept_width) * f64::from(x) / 2.0, (height - kept_height) * f64::from(y) / 2.0),
    };
    let (left, width) = snap_to_grid(left, kept_width, size.width);
    let (top, height) = snap_to_grid(top, kept_height, size.height);
    Resized { window: Window { left, top, width, height }, picture: bounds, canvas: bounds, x: 0, y: 0 }
}
