//! The six rules by which `resize` finds the new size, and what of the picture it shows.

use super::{Rect, Size, Window, centred, halves, place, proportional, snap};
use crate::plan::{Gravity, Resize, ResizeMode};

/// What `resize` is to do: `window` of the input becomes `picture` pixels, which lie at `x`, `y` of a `canvas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resized {
    /// The part of the input that is shown.
    pub window: Window,
    /// The size it gets.
    pub picture: Size,
    /// The size of the result; larger than `picture` only for `fill`.
    pub canvas: Size,
    /// Pixels between the left edge of the canvas and the picture.
    pub x: u32,
    /// Pixels between the upper edge of the canvas and the picture.
    pub y: u32,
}

impl Resized {
    /// The whole input, made `picture` pixels large.
    fn whole(size: Size, picture: Size) -> Self {
        Self { window: Window::whole(size), picture, canvas: picture, x: 0, y: 0 }
    }
}

/// Applies the rule of `asked.mode` to a picture of `size`. A side that a mode needs and was not given is taken from
/// the aspect ratio of the picture, so every request has an answer.
pub fn resize(size: Size, asked: Resize) -> Resized {
    let width = asked.width.map(|side| side.max(1));
    let height = asked.height.map(|side| side.max(1));
    let bounds = match (width, height) {
        (Some(width), Some(height)) => Size::new(width, height),
        (Some(width), None) => follow_width(size, width),
        (None, Some(height)) => follow_height(size, height),
        (None, None) => size,
    };
    match asked.mode {
        ResizeMode::Auto if width.is_some() && height.is_some() => {
            Resized::whole(size, keep_small(size, within(size, bounds), asked.upscale))
        }
        ResizeMode::Auto => Resized::whole(size, keep_small(size, bounds, asked.upscale)),
        ResizeMode::Portrait => {
            let picture = height.map_or(bounds, |height| follow_height(size, height));
            Resized::whole(size, keep_small(size, picture, asked.upscale))
        }
        ResizeMode::Landscape => {
            let picture = width.map_or(bounds, |width| follow_width(size, width));
            Resized::whole(size, keep_small(size, picture, asked.upscale))
        }
        ResizeMode::Exact if asked.upscale => Resized::whole(size, bounds),
        ResizeMode::Exact => {
            Resized::whole(size, Size::new(bounds.width.min(size.width), bounds.height.min(size.height)))
        }
        ResizeMode::Fit => cover(size, bounds, asked.gravity, asked.upscale),
        ResizeMode::Fill => {
            let picture = keep_small(size, within(size, bounds), asked.upscale);
            let Rect { x, y, .. } = place(picture, bounds, Gravity::Center);
            Resized { window: Window::whole(size), picture, canvas: bounds, x, y }
        }
    }
}

/// `picture`, or `size` where that would be an enlargement which is not wanted.
fn keep_small(size: Size, picture: Size, upscale: bool) -> Size {
    let enlarges = picture.width > size.width || picture.height > size.height;
    if enlarges && !upscale { size } else { picture }
}

/// The height follows.
fn follow_width(size: Size, width: u32) -> Size {
    Size::new(width, proportional(size.height, width, size.width))
}

/// The width follows.
fn follow_height(size: Size, height: u32) -> Size {
    Size::new(proportional(size.width, height, size.height), height)
}

/// Whether `size` is wider, for its height, than `other`.
fn is_wider(size: Size, other: Size) -> bool {
    u64::from(size.width) * u64::from(other.height) > u64::from(other.width) * u64::from(size.height)
}

/// The largest size of the picture's aspect ratio inside the bounds.
fn within(size: Size, bounds: Size) -> Size {
    let fitted = if is_wider(size, bounds) {
        follow_width(size, bounds.width)
    } else {
        follow_height(size, bounds.height)
    };
    Size::new(fitted.width.min(bounds.width), fitted.height.min(bounds.height))
}

/// The largest window of the bounds' aspect ratio, shown at exactly the bounds. Where that would enlarge and must not,
/// the same window in whole pixels is cut out as it is.
fn cover(size: Size, bounds: Size, gravity: Gravity, upscale: bool) -> Resized {
    let wider = is_wider(size, bounds);
    let enlarges = if wider { bounds.height > size.height } else { bounds.width > size.width };
    if enlarges && !upscale {
        let kept = if wider {
            Size::new(follow_height(bounds, size.height).width.min(size.width), size.height)
        } else {
            Size::new(size.width, follow_width(bounds, size.width).height.min(size.height))
        };
        let window = place(kept, size, gravity).into();
        return Resized { window, picture: kept, canvas: kept, x: 0, y: 0 };
    }

    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let ratio = f64::from(bounds.width) / f64::from(bounds.height);
    let (kept_width, kept_height) = if wider { (height * ratio, height) } else { (width, width / ratio) };
    let (x, y) = halves(gravity);
    let (left, top) = match gravity {
        Gravity::Point { x, y } => {
            (centred(x.into(), kept_width, width), centred(y.into(), kept_height, height))
        }
        _ => ((width - kept_width) * f64::from(x) / 2.0, (height - kept_height) * f64::from(y) / 2.0),
    };
    let (left, width) = snap(left, kept_width, size.width);
    let (top, height) = snap(top, kept_height, size.height);
    Resized { window: Window { left, top, width, height }, picture: bounds, canvas: bounds, x: 0, y: 0 }
}
