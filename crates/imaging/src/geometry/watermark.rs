//! Where a watermark lies in an image, and which parts of both meet.

use super::{Size, halves, proportional};
use crate::plan::{Length, Watermark};

/// A watermark at its size and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The size it gets.
    pub size: Size,
    /// Pixels between the left edges of the image and of (one of) it; negative: it reaches outside.
    pub left: i64,
    /// Pixels between the upper edges.
    pub top: i64,
    /// From one to the next, across and down, where it is repeated.
    pub step: Option<(u32, u32)>,
}

/// What of one row or column of a watermark is seen in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first pixel of the image it covers.
    pub in_image: u32,
    /// The pixel of the watermark which is seen there.
    pub in_mark: u32,
    /// How many, at least 1.
    pub length: u32,
}

/// Places a watermark whose own size is `mark` in an image. Asked again for a mark of the size that came out, it gives
/// the same.
pub fn watermark(asked: &Watermark, mark: Size, image: Size) -> Placed {
    let width = asked.width.map(|length| pixels(length, image.width));
    let height = asked.height.map(|length| pixels(length, image.height));
    let size = match (width, height) {
        (Some(width), Some(height)) => Size::new(width, height),
        (Some(width), None) => Size::new(width, proportional(mark.height, width, mark.width)),
        (None, Some(height)) => Size::new(proportional(mark.width, height, mark.height), height),
        (None, None) => mark,
    };
    let (x, y) = halves(asked.gravity);
    let (left, top) = match asked.at {
        Some((left, top)) => (left.into(), top.into()),
        None => (
            start(image.width, size.width, x, asked.padding),
            start(image.height, size.height, y, asked.padding),
        ),
    };
    let step = |side: u32| side.saturating_add(asked.padding);
    Placed { size, left, top, step: asked.tile.then(|| (step(size.width), step(size.height))) }
}

impl Placed {
    /// What is seen of each column of watermarks, from left to right.
    pub fn columns(&self, image: Size) -> impl Iterator<Item = Span> {
        spans(self.left, self.size.width, self.step.map(|(x, _)| x), image.width)
    }

    /// What is seen of each row of watermarks, from top to bottom.
    pub fn rows(&self, image: Size) -> impl Iterator<Item = Span> {
        spans(self.top, self.size.height, self.step.map(|(_, y)| y), image.height)
    }
}

fn pixels(length: Length, side: u32) -> u32 {
    match length {
        Length::Px(pixels) => pixels.max(1),
        Length::Percent(percent) => {
            (f64::from(side) * percent / 100.0).round().clamp(1.0, u32::MAX.into()) as u32
        }
    }
}

/// Where it begins by gravity: at an edge the padding away from it, else in the middle, half a pixel towards the upper
/// left where the remainder is odd. The remainder is negative where it is larger than the image.
fn start(image: u32, mark: u32, halves: u32, padding: u32) -> i64 {
    let spare = i64::from(image) - i64::from(mark);
    match halves {
        0 => padding.into(),
        1 => spare.div_euclid(2),
        _ => spare - i64::from(padding),
    }
}

fn spans(first: i64, length: u32, step: Option<u32>, image: u32) -> impl Iterator<Item = Span> {
    let (length, image) = (i64::from(length), i64::from(image));
    let step = step.map(|step| i64::from(step).max(1));
    // The tile before the one that begins in the image may still reach into it.
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
