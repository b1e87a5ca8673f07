//! The size and position of a watermark in an image, and which pixels of the image it covers.

use super::{Size, leading_halves, proportional};
use crate::plan::{Length, Watermark};

/// The size and position of a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The size to which the watermark is resampled.
    pub size: Size,
    /// Pixels between the left edges of the image and of the watermark (with tiles: of one tile). Negative if
    /// the watermark extends beyond the left edge.
    pub left: i64,
    /// Pixels between the upper edges, as for `left`.
    pub top: i64,
    /// Distance from one tile to the next, horizontally and vertically. `None` if the watermark is not tiled.
    pub step: Option<(u32, u32)>,
}

/// The visible part of one row or column of watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first pixel of the image that it covers.
    pub in_image: u32,
    /// The pixel of the watermark that lies there.
    pub in_mark: u32,
    /// Number of pixels, at least 1.
    pub length: u32,
}

/// Places a watermark of the size `mark` in an image. The function is idempotent: for a watermark of the
/// resulting size it returns the same result.
pub fn watermark(options: &Watermark, mark: Size, image: Size) -> Placed {
    let width = options.width.map(|length| to_pixels(length, image.width));
    let height = options.height.map(|length| to_pixels(length, image.height));
    let size = match (width, height) {
        (Some(width), Some(height)) => Size::new(width, height),
        (Some(width), None) => Size::new(width, proportional(mark.height, width, mark.width)),
        (None, Some(height)) => Size::new(proportional(mark.width, height, mark.height), height),
        (None, None) => mark,
    };
    let (x, y) = leading_halves(options.gravity);
    let (left, top) = match options.at {
        Some((left, top)) => (left.into(), top.into()),
        None => (
            start_by_gravity(image.width, size.width, x, options.padding),
            start_by_gravity(image.height, size.height, y, options.padding),
        ),
    };
    let step = |side: u32| side.saturating_add(options.padding);
    Placed { size, left, top, step: options.tile.then(|| (step(size.width), step(size.height))) }
}

impl Placed {
    /// The visible part of each column of watermarks, from left to right.
    pub fn columns(&self, image: Size) -> impl Iterator<Item = Span> {
        spans(self.left, self.size.width, self.step.map(|(x, _)| x), image.width)
    }

    /// The visible part of each row of watermarks, from top to bottom.
    pub fn rows(&self, image: Size) -> impl Iterator<Item = Span> {
        spans(self.top, self.size.height, self.step.map(|(_, y)| y), image.height)
    }
}

fn to_pixels(length: Length, side: u32) -> u32 {
    match length {
        Length::Px(pixels) => pixels.max(1),
        Length::Percent(percent) => {
            (f64::from(side) * percent / 100.0).round().clamp(1.0, u32::MAX.into()) as u32
        }
    }
}

/// The start position by gravity along one axis: at an edge, `padding` pixels away from it; otherwise in the
/// middle, half a pixel nearer to the upper left if the remainder is odd. The remainder is negative if the
/// watermark is larger than the image.
fn start_by_gravity(image: u32, mark: u32, leading_halves: u32, padding: u32) -> i64 {
    let spare = i64::from(image) - i64::from(mark);
    match leading_halves {
        0 => padding.into(),
        1 => spare.div_euclid(2),
        _ => spare - i64::from(padding),
    }
}

fn spans(first: i64, length: u32, step: Option<u32>, image: u32) -> impl Iterator<Item = Span> {
    let (length, image) = (i64::from(length), i64::from(image));
    let step = step.map(|step| i64::from(step).max(1));
    // The tile before the first tile that starts inside of the image may still extend into it.
    let first = step.map_or(first, |step| first.rem_euclid(step) - step);
    let starts = std::iter::successors(Some(first), move |&start| Some(start + step?));
    starts.take_while(move |&start| start < image).filter_map(move |start| {
        let (begin, end) = (start.max(0), (start + length).min(image));
        let span = Span {
            in_image: u32::try_from(begin).ok()?,
            in_mark: u32::try_from(begin - start).ok()?,
            length: u32::try_from(end - begin).ok()?,
        };
        (span.length > 0).then_some(span)
    })
}
