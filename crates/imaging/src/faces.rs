//! Faces: where they are in a picture. They are looked for in a small gray copy; who wants to know what the plan makes
//! of them looks in [`crate::geometry`].
//!
//! Pure arithmetic over a built-in model: the same picture has the same faces each time.

mod cascade;
mod gray;
mod lab;
mod model;
mod surf;

use std::sync::OnceLock;

use self::gray::Gray;
use self::model::Model;
use self::surf::{Patch, patches};
use crate::geometry::{Rect, Size};
use crate::plan::Kernel;
use crate::{Channels, Image, Scratch, operations};

/// Side of the smallest face in the small copy, in pixels: what the model was trained with.
const WINDOW: usize = 40;
/// Longest side of the small copy: faces down to a sixteenth of it are found.
const COPY_PX: u32 = 640;
/// A very wide or high picture has a larger copy, so that this much is left of its shorter side…
const COPY_SHORT_PX: u32 = 120;
/// … up to this much of its longer one.
const COPY_MAX_PX: u32 = 1600;
/// Candidates that are less sure are no faces.
const SCORE_MIN: f32 = 2.0;
/// Faces told of at most.
const N_FACES_MAX: usize = 100;

/// The model, and the patches that it speaks of.
struct Trained {
    model: Model,
    patches: Vec<Patch>,
}

/// The faces of an upright picture in pixels of `full_size`, which it stands for; the largest first.
pub(crate) fn find(image: &Image, full_size: Size, scratch: &mut Scratch) -> Vec<Rect> {
    static TRAINED: OnceLock<Option<Trained>> = OnceLock::new();
    let trained = TRAINED.get_or_init(|| Some(Trained { model: Model::built_in()?, patches: patches() }));
    let Some(Trained { model, patches }) = trained else { return Vec::new() };
    let copy = gray(image, copy_size(Size::of(image)), scratch);
    if copy.width.min(copy.height) < WINDOW {
        return Vec::new();
    }
    let x = f64::from(full_size.width) / copy.width as f64;
    let y = f64::from(full_size.height) / copy.height as f64;
    let candidates = cascade::run(&copy, model, patches);
    let sure = candidates.into_iter().filter(|candidate| candidate.score >= SCORE_MIN);
    let mut faces: Vec<Rect> = sure
        .filter_map(|face| {
            let (left, width) = clip(face.x, face.side, x, full_size.width)?;
            let (top, height) = clip(face.y, face.side, y, full_size.height)?;
            Some(Rect { x: left, y: top, width, height })
        })
        .collect();
    faces.sort_by_key(|face| {
        (std::cmp::Reverse(u64::from(face.width) * u64::from(face.height)), face.y, face.x)
    });
    faces.truncate(N_FACES_MAX);
    faces
}

/// A size, for an upright picture of this one, in which no face is lost that would be found in the full one.
pub(crate) fn needed_size(full_size: Size) -> Size {
    copy_size(full_size)
}

fn copy_size(size: Size) -> Size {
    let (longer, shorter) = (size.width.max(size.height), size.width.min(size.height));
    let by_longer = f64::from(COPY_PX) / f64::from(longer);
    let by_shorter = f64::from(COPY_SHORT_PX) / f64::from(shorter);
    let factor = by_longer.max(by_shorter).min(f64::from(COPY_MAX_PX) / f64::from(longer)).min(1.0);
    let side = |side: u32| (f64::from(side) * factor).round().max(1.0) as u32;
    Size::new(side(size.width), side(size.height))
}

/// What of an interval lies within the picture, from pixels of the copy to those of `bound`.
fn clip(start: i32, length: u32, factor: f64, bound: u32) -> Option<(u32, u32)> {
    let place = |at: i64| (at as f64 * factor).round().clamp(0.0, bound.into()) as u32;
    let (start, end) = (place(start.into()), place(i64::from(start) + i64::from(length)));
    (end > start).then_some((start, end - start))
}

/// The picture in shades of gray, on white where it is transparent.
fn gray(image: &Image, size: Size, scratch: &mut Scratch) -> Gray {
    let small = operations::shrunk(image, size, Kernel::Bilinear, scratch);
    let luma = |[r, g, b]: [u8; 3]| {
        // ITU-R BT.601, which the model was trained with.
        ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
    };
    let data = match small.channels() {
        Channels::Gray => small.data().to_vec(),
        Channels::Rgb => small.data().as_chunks::<3>().0.iter().map(|&pixel| luma(pixel)).collect(),
        Channels::Rgba => {
            let on_white =
                |c: u8, a: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
            let pixels = small.data().as_chunks::<4>().0.iter();
            pixels.map(|&[r, g, b, a]| luma([r, g, b].map(|c| on_white(c, a)))).collect()
        }
    };
    let (width, height) = (small.width() as usize, small.height() as usize);
    scratch.give(small.into_data());
    Gray { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_whole_and_speaks_of_patches_there_are() {
        let model = Model::built_in().expect("the built-in file can be read");
        let patches = patches();
        let levels: Vec<usize> = model.levels.iter().map(Vec::len).collect();
        assert_eq!((model.finders.len(), levels), (3, vec![1, 1]));
        let mut n_before = model.finders.len();
        for level in &model.levels {
            for branch in level {
                assert!(!branch.stages.is_empty() && branch.sources.iter().all(|&source| source < n_before));
                for stage in &branch.stages {
                    assert!(stage.patches.iter().all(|&patch| patch < patches.len()));
                    assert_eq!(stage.layers.last().map(|layer| layer.biases.len()), Some(4));
                }
            }
            n_before = level.len();
        }
        let reach = |feature: &model::Feature| feature.x.max(feature.y) + 9;
        let places = model.finders.iter().flat_map(|finder| &finder.features);
        assert!(places.clone().all(|feature| reach(feature) <= WINDOW && feature.weights.len() == 256));
    }

    #[test]
    fn copies_are_small_but_not_too_narrow() {
        for (size, expected) in [
            ((4000, 3000), (640, 480)),
            ((300, 200), (300, 200)),
            ((4000, 400), (1200, 120)),
            ((20_000, 400), (1600, 32)),
            ((1, 1), (1, 1)),
        ] {
            let made = copy_size(Size::new(size.0, size.1));
            assert_eq!((made.width, made.height), expected, "{size:?}");
        }
    }

    #[test]
    fn no_window_reads_outside() {
        let image = Gray { width: 50, height: 45, data: (0..50 * 45).map(|i| (i % 251) as u8).collect() };
        for (x, y, side) in
            [(-30, -30, 40), (49, 44, 3), (i32::MIN, 0, 40), (i32::MAX, i32::MAX, 2), (0, 0, 90)]
        {
            let _ = image.window(x, y, side);
        }
        assert_eq!(image.window(60, 60, 40), [0; WINDOW * WINDOW]);
    }
}
