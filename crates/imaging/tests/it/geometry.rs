//! Tests of the computed sizes and rectangles: tables of documented examples, and property tests.

use pixaven_imaging::geometry::{Rect, Resized, Size, Window, crop, needed_size, resize, scale};
use pixaven_imaging::plan::{Crop, CropAt, Gravity, Kernel, Light, Padding, Plan, Resize, ResizeMode, Scale};
use pixaven_imaging::{Error, operations};
use proptest::prelude::*;

const MODES: [ResizeMode; 6] = [
    ResizeMode::Auto,
    ResizeMode::Fit,
    ResizeMode::Exact,
    ResizeMode::Fill,
    ResizeMode::Portrait,
    ResizeMode::Landscape,
];

const GRAVITIES: [Gravity; 9] = [
    Gravity::Center,
    Gravity::TopLeft,
    Gravity::Top,
    Gravity::TopRight,
    Gravity::Right,
    Gravity::BottomRight,
    Gravity::Bottom,
    Gravity::BottomLeft,
    Gravity::Left,
];

/// Creates options of `resize` with the given mode, width and height. All other options have their default
/// values.
pub(crate) fn resize_to(mode: ResizeMode, width: Option<u32>, height: Option<u32>) -> Resize {
    Resize {
        mode,
        width,
        height,
        gravity: Gravity::Center,
        upscale: true,
        background: None,
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    }
}

#[track_caller]
fn assert_size(size: (u32, u32), mode: ResizeMode, bounds: (Option<u32>, Option<u32>), expected: (u32, u32)) {
    let resized = resize(Size::new(size.0, size.1), resize_to(mode, bounds.0, bounds.1)).canvas;
    assert_eq!((resized.width, resized.height), expected, "{size:?} {mode:?} {bounds:?}");
}

#[track_caller]
fn assert_size_without_upscale(
    size: (u32, u32),
    mode: ResizeMode,
    bounds: (Option<u32>, Option<u32>),
    expected: (u32, u32),
) {
    let options = Resize { upscale: false, ..resize_to(mode, bounds.0, bounds.1) };
    let resized = resize(Size::new(size.0, size.1), options).canvas;
    assert_eq!((resized.width, resized.height), expected, "{size:?} {mode:?} {bounds:?} upscale: false");
}

#[test]
fn every_resize_mode_gives_the_output_size_that_the_documentation_states() {
    use ResizeMode::{Auto, Exact, Fill, Fit, Landscape, Portrait};
    let documented = (550, 412);
    assert_size(documented, Auto, (Some(300), Some(400)), (300, 225));
    assert_size(documented, Auto, (Some(300), None), (300, 225));
    assert_size(documented, Auto, (Some(100), None), (100, 75));
    assert_size(documented, Auto, (None, Some(206)), (275, 206));
    assert_size(documented, Auto, (Some(1000), Some(206)), (275, 206));
    assert_size(documented, Auto, (Some(1100), Some(9000)), (1100, 824));
    assert_size(documented, Fit, (Some(300), Some(300)), (300, 300));
    assert_size(documented, Exact, (Some(10), Some(900)), (10, 900));
    assert_size(documented, Fill, (Some(300), Some(300)), (300, 300));
    assert_size(documented, Portrait, (Some(7), Some(206)), (275, 206));
    assert_size(documented, Landscape, (Some(300), Some(7)), (300, 225));
    assert_size(documented, Portrait, (Some(300), None), (300, 225));
    assert_size(documented, Landscape, (None, Some(206)), (275, 206));
    assert_size((3000, 1), Auto, (Some(10), Some(10)), (10, 1));
    assert_size((1, 3000), Auto, (Some(10), Some(10)), (1, 10));
    assert_size((3, 2), Auto, (Some(1), Some(1)), (1, 1));
    // If the exact length of a side is n + ½ pixels, the length is rounded up.
    assert_size((4, 10), Auto, (None, Some(5)), (2, 5));
    assert_size((2, 3), Auto, (Some(1), None), (1, 2));
}

#[test]
fn resize_never_enlarges_an_image_if_the_upscale_attribute_is_false() {
    use ResizeMode::{Auto, Exact, Fill, Fit, Landscape, Portrait};
    assert_size_without_upscale((550, 412), Auto, (Some(1100), Some(1000)), (550, 412));
    assert_size_without_upscale((550, 412), Auto, (Some(300), None), (300, 225));
    assert_size_without_upscale((550, 412), Exact, (Some(1000), Some(100)), (550, 100));
    assert_size_without_upscale((550, 412), Fill, (Some(1000), Some(1000)), (1000, 1000));
    assert_size_without_upscale((550, 412), Portrait, (None, Some(413)), (550, 412));
    assert_size_without_upscale((550, 412), Landscape, (Some(551), None), (550, 412));
    // The result has the aspect ratio of the requested size, but the part of the image that is kept is not
    // enlarged.
    assert_size_without_upscale((550, 412), Fit, (Some(1000), Some(1000)), (412, 412));
    assert_size_without_upscale((550, 412), Fit, (Some(600), Some(100)), (550, 92));
    assert_size_without_upscale((550, 412), Fit, (Some(400), Some(400)), (400, 400));
}

#[test]
fn resize_mode_fill_centres_the_image_on_the_canvas() {
    let resized = resize(Size::new(550, 412), resize_to(ResizeMode::Fill, Some(300), Some(300)));
    assert_eq!((resized.picture, resized.x, resized.y), (Size::new(300, 225), 0, 37));
}

#[test]
fn resize_mode_fit_keeps_the_part_of_the_image_that_the_gravity_selects() {
    let at = |gravity| {
        let options = Resize { gravity, ..resize_to(ResizeMode::Fit, Some(100), Some(100)) };
        let Window { left, top, width, height } = resize(Size::new(300, 200), options).window;
        (left, top, width, height)
    };
    assert_eq!(at(Gravity::Center), (50.0, 0.0, 200.0, 200.0));
    assert_eq!(at(Gravity::Left), (0.0, 0.0, 200.0, 200.0));
    assert_eq!(at(Gravity::BottomRight), (100.0, 0.0, 200.0, 200.0));
}

#[test]
fn resize_mode_fit_keeps_the_aspect_ratio_of_the_result_in_a_window_that_is_narrower_than_a_pixel() {
    for (width, height) in [(9, 854), (854, 9), (1, 2000), (1999, 1)] {
        let window = resize(Size::new(1, 1), resize_to(ResizeMode::Fit, Some(width), Some(height))).window;
        let follows = f64::from(width) * window.height / window.width;
        assert!((follows / f64::from(height) - 1.0).abs() <= 0.02, "{width} × {height}: {window:?}");
    }
}

#[test]
fn crop_rectangle_is_clipped_to_the_edges_of_the_image() {
    let at = |width, height, at| crop(Size::new(100, 80), Crop::Rect { width, height, at });
    let rect = |x, y, width, height| Ok(Rect { x, y, width, height });
    assert_eq!(at(10, 20, CropAt::Gravity(Gravity::Center)), rect(45, 30, 10, 20));
    assert_eq!(at(11, 21, CropAt::Gravity(Gravity::Center)), rect(44, 29, 11, 21));
    assert_eq!(at(10, 20, CropAt::Gravity(Gravity::BottomRight)), rect(90, 60, 10, 20));
    assert_eq!(at(10, 20, CropAt::Gravity(Gravity::TopRight)), rect(90, 0, 10, 20));
    assert_eq!(at(1000, 20, CropAt::Gravity(Gravity::Top)), rect(0, 0, 100, 20));
    assert_eq!(at(10, 20, CropAt::Point { x: 95, y: 79 }), rect(95, 79, 5, 1));
    assert_eq!(at(u32::MAX, u32::MAX, CropAt::Point { x: 1, y: 2 }), rect(1, 2, 99, 78));
    let outside = at(10, 20, CropAt::Point { x: 100, y: 0 });
    let message = "crop.x must be less than the image's width of 100 px, got 100";
    assert_eq!(outside, Err(Error::Plan(message.to_owned())));
    let outside = at(10, 20, CropAt::Point { x: 0, y: 4000 });
    let message = "crop.y must be less than the image's height of 80 px, got 4000";
    assert_eq!(outside, Err(Error::Plan(message.to_owned())));
}

#[test]
fn crop_to_an_aspect_ratio_keeps_the_largest_possible_part_of_the_image() {
    let of = |ratio, gravity| crop(Size::new(550, 412), Crop::Ratio { ratio, gravity }).unwrap();
    assert_eq!(of(1.0, Gravity::Center), Rect { x: 69, y: 0, width: 412, height: 412 });
    assert_eq!(of(16.0 / 9.0, Gravity::Bottom), Rect { x: 0, y: 103, width: 550, height: 309 });
    assert_eq!(of(1e-9, Gravity::Left), Rect { x: 0, y: 0, width: 1, height: 412 });
    assert_eq!(of(1e9, Gravity::Top), Rect { x: 0, y: 0, width: 550, height: 1 });
}

#[test]
fn operation_scale_rounds_each_side_of_the_image_to_at_least_one_pixel() {
    let of = |size, ratio| scale(Size::new(550, 412), Scale { size, ratio });
    assert_eq!(of(0.5, 1.0), Size::new(275, 206));
    assert_eq!(of(0.01, 0.1), Size::new(1, 4));
    assert_eq!(of(10.0, 10.0), Size::new(55_000, 4_120));
}

#[test]
fn image_needs_to_be_decoded_only_at_the_smallest_size_that_loses_no_detail_of_the_output() {
    let full = Size::new(4000, 3000);
    let needs = |plan: &Plan| needed_size(full, plan).unwrap();
    assert_eq!(needs(&Plan::default()), full);
    let resized = Plan { resize: Some(resize_to(ResizeMode::Auto, Some(800), None)), ..Plan::default() };
    assert_eq!(needs(&resized), Size::new(800, 600));
    let square = Plan { resize: Some(resize_to(ResizeMode::Fit, Some(600), Some(600))), ..Plan::default() };
    assert_eq!(needs(&square), Size::new(800, 600));
    let half = Crop::Rect { width: 2000, height: 1500, at: CropAt::Point { x: 7, y: 9 } };
    assert_eq!(needs(&Plan { crop: Some(half), ..resized.clone() }), Size::new(1600, 1200));
    let nearest = Resize { kernel: Kernel::Nearest, ..resize_to(ResizeMode::Auto, Some(800), None) };
    assert_eq!(needs(&Plan { resize: Some(nearest), ..Plan::default() }), full);
    let larger = Plan { resize: Some(resize_to(ResizeMode::Auto, Some(8000), None)), ..Plan::default() };
    assert_eq!(needs(&larger), full);
    let scaled = Plan { scale: Some(Scale { size: 0.25, ratio: 1.0 }), ..Plan::default() };
    assert_eq!(needs(&scaled), Size::new(1000, 750));
}

#[test]
fn final_image_size_is_computed_from_resize_then_scale_then_padding() {
    let plan = Plan {
        resize: Some(resize_to(ResizeMode::Auto, Some(100), None)),
        scale: Some(Scale { size: 2.0, ratio: 1.0 }),
        padding: Some(Padding { top: 1, right: 2, bottom: 3, left: 4, background: None }),
        ..Plan::default()
    };
    assert_eq!(operations::final_size(550, 412, &plan), Ok(Size::new(206, 154)));
}

fn any_resize() -> impl Strategy<Value = Resize> {
    let side = || proptest::option::of(1..=2000u32);
    (prop::sample::select(&MODES[..]), side(), side(), prop::sample::select(&GRAVITIES[..]), any::<bool>())
        .prop_map(|(mode, width, height, gravity, upscale)| Resize {
            gravity,
            upscale,
            ..resize_to(mode, width.or(Some(9)), height)
        })
}

proptest! {
    #[test]
    fn resized_image_in_any_resize_mode_is_at_most_as_wide_and_high_as_requested(width in 1..=3000u32, height in 1..=3000u32, options in any_resize()) {
        let size = Size::new(width, height);
        let resized = resize(size, options);
        let Resized { window, picture, canvas, .. } = resized;
        prop_assert!(picture.width >= 1 && picture.height >= 1);

        // The window that is resampled must lie inside the input image, and the resampled image must lie
        // inside the canvas.
        prop_assert!(window.left >= 0.0 && window.top >= 0.0 && window.width > 0.0 && window.height > 0.0);
        prop_assert!(window.left + window.width <= f64::from(width));
        prop_assert!(window.top + window.height <= f64::from(height));
        prop_assert!(resized.x + picture.width <= canvas.width && resized.y + picture.height <= canvas.height);

        let (max_width, max_height) = (options.width.unwrap_or(u32::MAX), options.height.unwrap_or(u32::MAX));
        match options.mode {
            ResizeMode::Auto => {
                prop_assert!(picture.width <= max_width && picture.height <= max_height);
                prop_assert!(!options.upscale || picture.width == max_width || picture.height == max_height);
            }
            ResizeMode::Fit | ResizeMode::Exact | ResizeMode::Fill if options.height.is_some() => {
                let bounds = Size::new(max_width, max_height);
                prop_assert!(canvas == bounds || !options.upscale && options.mode != ResizeMode::Fill);
            }
            _ => {}
        }
        if !options.upscale {
            prop_assert!(picture.width <= width && picture.height <= height);
        }
        if options.mode != ResizeMode::Exact {
            // The aspect ratio may change only by rounding. Therefore at least one of the two sides must
            // differ by at most one pixel from the exact length that follows from the other side.
            let follows_width = f64::from(picture.width) * window.height / window.width;
            let follows_height = f64::from(picture.height) * window.width / window.height;
            let deviation = (follows_width - f64::from(picture.height)).abs()
                .min((follows_height - f64::from(picture.width)).abs());
            prop_assert!(deviation <= 1.0, "{size:?} -> {resized:?}");
        }
    }

    #[test]
    fn every_computed_crop_rectangle_lies_inside_the_image(
        (width, height) in (1..=3000u32, 1..=3000u32),
        (w, h) in (1..=4000u32, 1..=4000u32),
        (x, y) in (0..=3000u32, 0..=3000u32),
        gravity in prop::sample::select(&GRAVITIES[..]),
        ratio in 0.001..1000.0f64,
    ) {
        let size = Size::new(width, height);
        let crops = [
            Crop::Rect { width: w, height: h, at: CropAt::Gravity(gravity) },
            Crop::Rect { width: w, height: h, at: CropAt::Point { x, y } },
            Crop::Ratio { ratio, gravity },
        ];
        for options in crops {
            match crop(size, options) {
                Ok(rect) => {
                    prop_assert!(rect.width >= 1 && rect.height >= 1);
                    prop_assert!(rect.x + rect.width <= width && rect.y + rect.height <= height);
                }
                Err(_) => prop_assert!(x >= width || y >= height),
            }
        }
    }

    #[test]
    fn crop_window_scaled_from_a_full_size_image_to_a_reduced_image_lies_inside_the_reduced_image(
        (width, height) in (1..=3000u32, 1..=3000u32),
        (left, top, right, bottom) in (0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64),
        (x, y) in (0.05..1.0f64, 0.05..1.0f64),
    ) {
        let (full_width, full_height) = (f64::from(width) / x, f64::from(height) / y);
        let window = Window {
            left: left * full_width,
            top: top * full_height,
            width: ((1.0 - left) * right * full_width).max(1e-3),
            height: ((1.0 - top) * bottom * full_height).max(1e-3),
        };
        let reduced = window.stretched(x, y, Size::new(width, height));
        let outer = reduced.outer();
        prop_assert!(outer.width >= 1 && outer.height >= 1);
        prop_assert!(outer.x + outer.width <= width && outer.y + outer.height <= height);
        prop_assert!((reduced.left - window.left * x).abs() <= 1.0 / 128.0);
        prop_assert!((reduced.width - window.width * x).abs() <= 1.0 / 64.0);
    }
}
