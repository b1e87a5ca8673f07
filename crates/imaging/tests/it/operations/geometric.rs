//! Tests of `flip`, `crop`, `scale` and `padding`, most of which only move pixels.

use pixaven_imaging::plan::{Color, Crop, CropAt, Flip, Gravity, Padding, Plan, Resize, ResizeMode, Scale};
use pixaven_imaging::{Channels, Error};
use proptest::prelude::*;

use super::helpers::{
    LAYOUTS, any_image, flat_image, image_from_fn, max_difference, noise_image, pixel_at, run, run_opaque,
    smooth_image, try_run,
};
use crate::geometry::resize_to;

fn flipped(horizontal: bool, vertical: bool) -> Plan {
    Plan { flip: Some(Flip { horizontal, vertical }), ..Plan::default() }
}

fn cropped(x: u32, y: u32, width: u32, height: u32) -> Plan {
    let at = CropAt::Point { x, y };
    Plan { crop: Some(Crop::Rect { width, height, at }), ..Plan::default() }
}

#[test]
fn flip_mirrors_the_image_horizontally_or_vertically_as_requested() {
    for channels in LAYOUTS {
        let image = noise_image(7, 5, channels);
        let (h, v) = (run(&image, &flipped(true, false)), run(&image, &flipped(false, true)));
        for (x, y) in (0..7).flat_map(|x| (0..5).map(move |y| (x, y))) {
            assert_eq!(pixel_at(&h, x, y), pixel_at(&image, 6 - x, y));
            assert_eq!(pixel_at(&v, x, y), pixel_at(&image, x, 4 - y));
        }
    }
}

#[test]
fn crop_keeps_the_pixels_inside_the_requested_rectangle() {
    for channels in LAYOUTS {
        let image = noise_image(20, 10, channels);
        let result = run(&image, &cropped(15, 3, 50, 4));
        assert_eq!((result.width(), result.height()), (5, 4));
        for (x, y) in (0..5).flat_map(|x| (0..4).map(move |y| (x, y))) {
            assert_eq!(pixel_at(&result, x, y), pixel_at(&image, x + 15, y + 3));
        }
    }
}

#[test]
fn error_for_a_crop_position_outside_of_the_image_names_the_crop_attribute() {
    let error = try_run(&noise_image(20, 10, Channels::Rgb), &cropped(0, 10, 5, 5)).unwrap_err();
    assert!(matches!(error, Error::Plan(message) if message.starts_with("crop.y ")));
}

#[test]
fn flip_operation_runs_before_crop_and_crop_runs_before_resize() {
    let image = noise_image(64, 48, Channels::Rgb);
    let resize = Resize { gravity: Gravity::Top, ..resize_to(ResizeMode::Fit, Some(10), Some(11)) };
    let crop = cropped(3, 4, 33, 29);
    let all = Plan { resize: Some(resize), ..crop.clone() };
    let all = Plan { flip: flipped(true, true).flip, ..all };
    let flipped = run(&image, &flipped(true, true));
    let expected = run(&run(&flipped, &crop), &Plan { resize: Some(resize), ..Plan::default() });
    // Both results must be identical, because pixels outside of the crop must not affect the resampling.
    assert_eq!(run(&image, &all), expected);
}

#[test]
fn scale_operation_is_applied_to_the_result_of_the_resize_operation() {
    let plan = Plan {
        resize: Some(resize_to(ResizeMode::Auto, Some(50), None)),
        scale: Some(Scale { size: 2.0, ratio: 0.5 }),
        ..Plan::default()
    };
    let result = run(&smooth_image(100, 80, Channels::Rgb), &plan);
    assert_eq!((result.width(), result.height()), (50, 80));
    let half = run(
        &smooth_image(100, 80, Channels::Gray),
        &Plan { scale: Some(Scale { size: 0.5, ratio: 1.0 }), ..Plan::default() },
    );
    let expected = image_from_fn(50, 40, Channels::Gray, |x, y, _| {
        pixel_at(&smooth_image(100, 80, Channels::Gray), 2 * x, 2 * y)[0]
    });
    assert!(max_difference(&half, &expected) <= 12);
}

fn padded(background: Option<Color>) -> Plan {
    Plan { padding: Some(Padding { top: 1, right: 2, bottom: 3, left: 4, background }), ..Plan::default() }
}

#[test]
fn padding_adds_the_requested_number_of_pixels_to_each_side_of_the_image() {
    for channels in LAYOUTS {
        let image = noise_image(5, 6, channels);
        let gray = Color { r: 9, g: 9, b: 9, a: 255 };
        let result = run(&image, &padded(Some(gray)));
        assert_eq!((result.width(), result.height(), result.channels()), (11, 10, channels));
        let n_colors = channels.count().min(3);
        for (x, y) in (0..11).flat_map(|x| (0..10).map(move |y| (x, y))) {
            if (4..9).contains(&x) && (1..7).contains(&y) {
                assert_eq!(pixel_at(&result, x, y), pixel_at(&image, x - 4, y - 1));
            } else {
                assert_eq!(pixel_at(&result, x, y)[..n_colors], [9, 9, 9][..n_colors]);
            }
        }
    }
}

#[test]
fn padding_of_a_gray_image_adds_the_colour_and_alpha_channels_that_the_padding_colour_needs() {
    let gray = flat_image(3, 3, Channels::Gray, [7; 4]);
    let corner = |image: &pixaven_imaging::Image| (image.channels(), pixel_at(image, 0, 0).to_vec());
    let red = Color { r: 255, g: 0, b: 0, a: 255 };
    let faint = Color { a: 51, ..red };
    assert_eq!(corner(&run(&gray, &padded(None))), (Channels::Rgba, vec![0, 0, 0, 0]));
    assert_eq!(corner(&run(&gray, &padded(Some(red)))), (Channels::Rgb, vec![255, 0, 0]));
    assert_eq!(corner(&run(&gray, &padded(Some(faint)))), (Channels::Rgba, vec![255, 0, 0, 51]));
    // If the output format has no alpha, the default background is white, and a translucent background colour
    // is blended over white.
    assert_eq!(corner(&run_opaque(&gray, &padded(None))), (Channels::Gray, vec![255]));
    assert_eq!(corner(&run_opaque(&gray, &padded(Some(faint)))), (Channels::Rgb, vec![255, 204, 204]));
}

proptest! {
    #[test]
    fn flipping_twice_restores_the_image(image in any_image(), horizontal: bool, vertical: bool) {
        let plan = flipped(horizontal, vertical);
        prop_assert_eq!(run(&run(&image, &plan), &plan), image);
    }

    #[test]
    fn image_with_padding_equals_the_original_image_after_the_padding_is_cropped_off(image in any_image()) {
        let padded = run(&image, &padded(Some(Color::BLACK)));
        let plan = cropped(4, 1, image.width(), image.height());
        prop_assert_eq!(run(&padded, &plan), image);
    }
}
