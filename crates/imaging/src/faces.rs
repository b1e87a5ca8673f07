//! Detects the positions of the faces in an image. Detection runs on a small gray copy of the image. If a
//! plan refers to faces, the module [`crate::geometry`] replaces these references by the detected positions.
//!
//! Detection is pure arithmetic over a built-in model: the same image always gives the same faces.

mod binary_features;
mod cascade;
mod gray_image;
mod model;
mod surf;

use std::sync::OnceLock;

use self::gray_image::GrayImage;
use self::model::Model;
use self::surf::{Patch, patches};
use crate::geometry::{Rect, Size};
use crate::plan::Kernel;
use crate::{Channels, Image, Scratch, operations};

/// The side length of the smallest detectable face, in pixels of the gray copy. The model was trained with
/// square windows of this side length.
const WINDOW: usize = 40;
/// The usual length of the longer side of the gray copy, in pixels. A smaller image is not enlarged to this
/// length, and the copy of a very wide or very high image may be longer. The side of the smallest detectable
/// face is a sixteenth of this length.
const COPY_PX: u32 = 640;
/// The smallest length of the shorter side of the gray copy, in pixels. To keep this length, a very wide or
/// very high image is reduced less than other images, but its longer side never exceeds [`COPY_MAX_PX`].
const COPY_SHORT_PX: u32 = 120;
/// The largest length of the longer side of the gray copy of a very wide or very high image, in pixels.
const COPY_MAX_PX: u32 = 1600;
/// The score that a candidate must reach to be returned as a face.
const SCORE_MIN: f32 = 2.0;
/// The maximum number of faces that detection returns.
const N_FACES_MAX: usize = 100;

/// The trained model, and the patches (rectangles in the detection window) to which the model refers by
/// number.
struct Trained {
    model: Model,
    patches: Vec<Patch>,
}

/// Finds the faces in an image to which its EXIF orientation was already applied. Returns their rectangles,
/// the largest face first. The rectangles are in pixels of `full_size`, the size of the image before the
/// decoder reduced it.
pub(crate) fn find(image: &Image, full_size: Size, scratch: &mut Scratch) -> Vec<Rect> {
    static TRAINED: OnceLock<Option<Trained>> = OnceLock::new();
    let trained = TRAINED.get_or_init(|| Some(Trained { model: Model::built_in()?, patches: patches() }));
    let Some(Trained { model, patches }) = trained else { return Vec::new() };
    let copy = gray_copy(image, copy_size(Size::of(image)), scratch);
    if copy.width.min(copy.height) < WINDOW {
        return Vec::new();
    }
    let x = f64::from(full_size.width) / copy.width as f64;
    let y = f64::from(full_size.height) / copy.height as f64;
    let candidates = cascade::run(&copy, model, patches);
    let accepted = candidates.into_iter().filter(|candidate| candidate.score >= SCORE_MIN);
    let mut faces: Vec<Rect> = accepted
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

/// The size of the gray copy of an image whose size is `full_size`. A decoder must not reduce the image to
/// less than this size. Both sizes are those after the EXIF orientation was applied.
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

/// Scales an interval from pixels of the gray copy to pixels of the image and clips the interval to
/// `0..bound`. Returns `None` if the interval lies outside of `0..bound`.
fn clip(start: i32, length: u32, factor: f64, bound: u32) -> Option<(u32, u32)> {
    let scale = |at: i64| (at as f64 * factor).round().clamp(0.0, bound.into()) as u32;
    let (start, end) = (scale(start.into()), scale(i64::from(start) + i64::from(length)));
    (end > start).then_some((start, end - start))
}

/// A gray copy of the image at the size `size`. Transparent pixels are blended over white.
fn gray_copy(image: &Image, size: Size, scratch: &mut Scratch) -> GrayImage {
    let small = operations::reduced(image, size, Kernel::Bilinear, scratch);
    let luma = |[r, g, b]: [u8; 3]| {
        // These are the luma weights of ITU-R BT.601, with which the model was trained.
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
    GrayImage { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_face_detection_model_is_complete_and_refers_only_to_existing_image_patches() {
        let model = Model::built_in().expect("the built-in model file is valid");
        let patches = patches();
        let levels: Vec<usize> = model.levels.iter().map(Vec::len).collect();
        assert_eq!((model.first_level.len(), levels), (3, vec![1, 1]));
        let mut n_before = model.first_level.len();
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
        let extent = |feature: &model::Feature| feature.x.max(feature.y) + 9;
        let features = model.first_level.iter().flat_map(|classifier| &classifier.features);
        assert!(features.clone().all(|feature| extent(feature) <= WINDOW && feature.weights.len() == 256));
    }

    #[test]
    fn gray_copy_for_face_detection_is_shrunk_if_a_side_of_the_image_is_too_long() {
        for (size, expected) in [
            ((4000, 3000), (640, 480)),
            ((300, 200), (300, 200)),
            ((4000, 400), (1200, 120)),
            ((20_000, 400), (1600, 32)),
            ((1, 1), (1, 1)),
        ] {
            let copy = copy_size(Size::new(size.0, size.1));
            assert_eq!((copy.width, copy.height), expected, "{size:?}");
        }
    }

    #[test]
    fn part_of_the_face_detection_window_outside_of_the_image_is_black() {
        let image =
            GrayImage { width: 50, height: 45, data: (0..50 * 45).map(|i| (i % 251) as u8).collect() };
        for (x, y, side) in
            [(-30, -30, 40), (49, 44, 3), (i32::MIN, 0, 40), (i32::MAX, i32::MAX, 2), (0, 0, 90)]
        {
            let _ = image.window(x, y, side);
        }
        assert_eq!(image.window(60, 60, 40), [0; WINDOW * WINDOW]);
    }
}
