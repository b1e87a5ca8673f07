//! Computes the size and position of a watermark in an image, and which pixels of the image the watermark
//! covers.

use super::{Size, leading_halves, proportional};
use crate::plan::{Length, Watermark};

/// The size and position of a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The size to which the watermark is resampled.
    pub size: Size,
    /// Distance from the left edge of the image to that of the watermark (or of one of its tiles), in pixels.
    /// Negative if the watermark extends beyond the left edge.
    pub left: i64,
    /// Distance from the upper edge of the image to that of the watermark, in pixels. Negative if the
    /// watermark extends beyond the upper edge.
    pub top: i64,
    /// Distance from the start of one tile to the start of the next, horizontally and vertically, in pixels.
    /// `None` if the watermark is not tiled.
    pub step: Option<(u32, u32)>,
}

/// The visible part of a watermark tile along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first pixel of the image that the tile covers.
    pub in_image: u32,
    /// The first pixel of the watermark that is visible: the pixel at the position `in_image` of the image.
    pub in_mark: u32,
    /// Number of pixels that the tile covers, at least 1.
    pub length: u32,
}

/// Computes size and position of a watermark of the size `mark` in an image. If the watermark already has the
/// size that this function returns, a second call returns the same result.
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
    /// The visible part of each column of tiles, from left to right. A watermark that is not tiled has one
    /// column.
    pub fn columns(&self, image: Size) -> impl Iterator<Item = Span> {
        spans(self.left, self.size.width, self.step.map(|(x, _)| x), image.width)
    }

    /// The visible part of each row of tiles, from top to bottom. A watermark that is not tiled has one row.
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

/// The start of the watermark along one axis. If `leading_halves` is 0, the watermark starts `padding` pixels
/// after the left (or upper) edge of the image. If `leading_halves` is 2, the watermark ends `padding` pixels
/// before the right (or lower) edge. If `leading_halves` is 1, the watermark is centred, and its start is
/// rounded down. The start is negative if the watermark extends beyond the left (or upper) edge.
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
    // The loop begins one tile before the first tile that starts inside of the image, because that earlier
    // tile may extend into the image.
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
