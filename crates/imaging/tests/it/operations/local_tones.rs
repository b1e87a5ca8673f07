//! Tests of the attributes `shadows` and `highlights`: which areas change, that areas keep their order and
//! their texture, and that no halo appears along edges.

use pixaven_imaging::plan::{Adjust, Plan};
use pixaven_imaging::{Channels, Image};

use super::helpers::{LAYOUTS, flat_image, image_from_fn, max_difference, noise_image, pixel_at, run};

fn adjusted(image: &Image, shadows: f32, highlights: f32) -> Image {
    let adjust = Adjust { shadows, highlights, ..Adjust::default() };
    run(image, &Plan { adjust: Some(adjust), ..Plan::default() })
}

/// The result for an image of a single gray value.
fn flat_result(value: u8, shadows: f32, highlights: f32) -> u8 {
    adjusted(&flat_image(3, 3, Channels::Gray, [value; 4]), shadows, highlights).data()[0]
}

/// An image that is dark on the left half and bright on the right half, with a texture of ± 10 levels.
fn dark_and_bright() -> Image {
    image_from_fn(400, 300, Channels::Rgb, |x, y, _| {
        let texture = if (x / 2 + y / 2) % 2 == 0 { 10 } else { 0 };
        if x < 200 { 40 + texture } else { 200 + texture }
    })
}

#[test]
fn shadows_change_dark_areas_and_leave_bright_areas_unchanged() {
    for shadows in [-100.0, -50.0, 50.0, 100.0] {
        for value in 153..=255 {
            assert_eq!(flat_result(value, shadows, 0.0), value, "shadows {shadows}");
        }
        let change = i32::from(flat_result(40, shadows, 0.0)) - 40;
        assert!(change * shadows as i32 > 0 && change.abs() >= 15, "shadows {shadows}: {change}");
    }
}

#[test]
fn highlights_change_bright_areas_and_leave_dark_areas_unchanged() {
    for highlights in [-100.0, -50.0, 50.0, 100.0] {
        for value in 0..=102 {
            assert_eq!(flat_result(value, 0.0, highlights), value, "highlights {highlights}");
        }
        let change = i32::from(flat_result(215, 0.0, highlights)) - 215;
        assert!(change * highlights as i32 > 0 && change.abs() >= 15, "highlights {highlights}: {change}");
    }
}

#[test]
fn shadows_and_highlights_never_make_an_area_lighter_than_a_lighter_area() {
    let amounts = [-100.0, -50.0, 0.0, 50.0, 100.0];
    for (shadows, highlights) in amounts.iter().flat_map(|&s| amounts.map(|h| (s, h))) {
        let results: Vec<u8> = (0..=255).map(|value| flat_result(value, shadows, highlights)).collect();
        assert!(results.is_sorted(), "shadows {shadows}, highlights {highlights}");
        assert_eq!((results[0], results[255]), (0, 255));
    }
}

#[test]
fn shadows_keep_the_texture_of_a_dark_area_and_the_pixels_of_a_bright_area() {
    let image = dark_and_bright();
    let result = adjusted(&image, 60.0, 0.0);
    for y in [10, 150, 290] {
        // The texture of the dark area has ten levels. Brightening increases its contrast.
        let dark: Vec<u8> = (20..180).map(|x| pixel_at(&result, x, y)[0]).collect();
        let (min, max) = (dark.iter().min().unwrap(), dark.iter().max().unwrap());
        assert!(*min > 60 && max - min >= 10, "from {min} to {max} in row {y}");
        for x in 200..400 {
            let difference = pixel_at(&result, x, y)[0].abs_diff(pixel_at(&image, x, y)[0]);
            assert!(difference <= 1, "a bright pixel at {x}, {y} changed by {difference}");
        }
    }
}

#[test]
fn shadows_draw_no_halo_along_the_edge_between_a_dark_and_a_bright_area() {
    let image = image_from_fn(400, 300, Channels::Gray, |x, _, _| if x < 200 { 40 } else { 220 });
    for (shadows, highlights) in [(100.0, 0.0), (0.0, -100.0), (100.0, -100.0), (-100.0, 0.0)] {
        let result = adjusted(&image, shadows, highlights);
        let row: Vec<u8> = (0..400).map(|x| pixel_at(&result, x, 150)[0]).collect();
        for side in [&row[..200], &row[200..]] {
            let (min, max) = (side.iter().min().unwrap(), side.iter().max().unwrap());
            assert!(max - min <= 16, "shadows {shadows}, highlights {highlights}: from {min} to {max}");
        }
    }
}

#[test]
fn shadows_depend_on_the_size_of_an_area_relative_to_the_image_and_not_on_its_pixels() {
    let scene = |side: u32| {
        image_from_fn(side, side, Channels::Gray, move |x, y, _| {
            let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
            (90.0 + 70.0 * (x * 9.0).sin() * (y * 7.0).cos()) as u8
        })
    };
    let (small, large) = (adjusted(&scene(128), 80.0, -40.0), adjusted(&scene(512), 80.0, -40.0));
    for (x, y) in (2..126).flat_map(|x| (2..126).map(move |y| (x, y))) {
        let (a, b) = (pixel_at(&small, x, y)[0], pixel_at(&large, 4 * x, 4 * y)[0]);
        assert!(a.abs_diff(b) <= 6, "{a} and {b} at {x}, {y}");
    }
}

#[test]
fn shadows_ignore_the_colours_of_transparent_pixels() {
    let over = |hidden: u8| {
        let image = image_from_fn(200, 200, Channels::Rgba, |x, _, c| match (x < 100, c) {
            (true, 3) => 255,
            (true, _) => 50,
            (false, 3) => 0,
            (false, _) => hidden,
        });
        adjusted(&image, 70.0, 0.0)
    };
    let (black, white) = (over(0), over(255));
    for x in 0..100 {
        assert_eq!(pixel_at(&black, x, 100), pixel_at(&white, x, 100), "column {x}");
        assert_eq!(pixel_at(&black, x, 100)[0], flat_result(50, 70.0, 0.0), "column {x}");
    }
}

#[test]
fn shadows_of_two_animation_frames_differ_only_near_a_changed_part() {
    let frame = |ball: u8| {
        image_from_fn(256, 128, Channels::Rgb, |x, y, _| {
            if x > 220 && y > 100 { ball } else { (30 + x / 4 + y / 8) as u8 }
        })
    };
    let (first, second) = (adjusted(&frame(20), 60.0, 0.0), adjusted(&frame(240), 60.0, 0.0));
    for (x, y) in (0..180).flat_map(|x| (0..128).map(move |y| (x, y))) {
        assert_eq!(pixel_at(&first, x, y), pixel_at(&second, x, y), "at {x}, {y}");
    }
}

#[test]
fn shadows_and_highlights_of_one_pixel_and_of_one_line_give_an_image_of_the_same_size() {
    for channels in LAYOUTS {
        for (width, height) in [(1, 1), (1, 300), (300, 1), (129, 2), (2, 129)] {
            let image = noise_image(width, height, channels);
            let result = adjusted(&image, 100.0, -100.0);
            assert_eq!((result.width(), result.height(), result.channels()), (width, height, channels));
            assert_eq!(max_difference(&adjusted(&image, 0.0, 0.0), &image), 0);
        }
    }
}
