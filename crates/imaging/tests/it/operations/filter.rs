//! Tests of all effects of `filter` except `blur`: comparisons with values that are computed by hand, and
//! with statistics.

use pixaven_imaging::plan::{Color, Duotone, Filter, Plan};
use pixaven_imaging::{Channels, Image};

use super::helpers::{LAYOUTS, flat_image, image_from_fn, mean_value, noise_image, pixel_at, run};

fn filtered(image: &Image, filter: Filter) -> Image {
    run(image, &Plan { filter: Some(filter), ..Plan::default() })
}

const NONE: Filter = Filter {
    blur: None,
    pixelate: None,
    sepia: None,
    mono: None,
    invert: None,
    vignette: None,
    posterize: None,
    duotone: None,
    noise: None,
    emboss: None,
    edges: None,
};

/// Applies a filter to an image of a single pixel, and returns the bytes of this pixel.
fn pixel(rgb: [u8; 3], filter: Filter) -> Vec<u8> {
    filtered(&flat_image(1, 1, Channels::Rgb, [rgb[0], rgb[1], rgb[2], 255]), filter).into_data()
}

#[test]
fn sepia_gives_brown_middle_tones_and_keeps_black_and_white() {
    let sepia = |value| Filter { sepia: Some(value), ..NONE };
    assert_eq!(pixel([0, 0, 0], sepia(100.0)), [0, 0, 0]);
    assert_eq!(pixel([255, 255, 255], sepia(100.0)), [255, 255, 255]);
    // The luma is 71. The odds 71 / 184 are multiplied by 1.4 for red and by 0.65 for blue.
    assert_eq!(pixel([100, 50, 200], sepia(100.0)), [89, 71, 51]);
    assert_eq!(pixel([100, 50, 200], sepia(25.0)), [97, 55, 163]);
}

#[test]
fn mono_matches_the_css_filter_grayscale() {
    let mono = |value| Filter { mono: Some(value), ..NONE };
    assert_eq!(pixel([255, 0, 0], mono(100.0)), [54, 54, 54]);
    assert_eq!(pixel([0, 255, 0], mono(100.0)), [182, 182, 182]);
    assert_eq!(pixel([0, 255, 0], mono(50.0)), [91, 219, 91]);
}

#[test]
fn invert_filter_of_full_strength_subtracts_each_colour_value_from_255() {
    let image = noise_image(20, 20, Channels::Rgb);
    let result = filtered(&image, Filter { invert: Some(100.0), ..NONE });
    assert!(image.data().iter().zip(result.data()).all(|(before, after)| *after == 255 - before));
    assert_eq!(filtered(&image, Filter { invert: Some(0.0), ..NONE }), image);
}

#[test]
fn invert_filter_of_partial_strength_reverses_the_bright_tones_and_keeps_the_full_contrast() {
    let ramp = image_from_fn(256, 1, Channels::Gray, |x, _, _| x as u8);
    for (value, peak) in [(10.0, 230), (25.0, 191), (50.0, 128), (75.0, 64), (90.0, 26)] {
        let tones = filtered(&ramp, Filter { invert: Some(value), ..NONE }).into_data();
        assert!(tones[..peak].is_sorted() && tones[peak..].is_sorted_by(|a, b| a >= b), "{value}");
        assert!(tones.iter().max() >= Some(&253) && tones.iter().min() <= Some(&2), "{value}");
    }
    // At a strength of 50, the result has no colour.
    let result = pixel([200, 30, 90], Filter { invert: Some(50.0), ..NONE });
    assert!(result[0] == result[1] && result[1] == result[2]);
}

#[test]
fn posterize_filter_with_a_higher_value_leaves_fewer_tones_in_the_image() {
    let ramp = image_from_fn(256, 1, Channels::Gray, |x, _, _| x as u8);
    for (value, n_levels) in [(100.0, 4), (80.0, 5), (50.0, 8), (25.0, 16), (10.0, 40), (0.0, 256)] {
        let mut tones = filtered(&ramp, Filter { posterize: Some(value), ..NONE }).into_data();
        assert!(tones.is_sorted());
        tones.dedup();
        assert_eq!((tones.len(), tones[0], *tones.last().unwrap()), (n_levels, 0, 255));
    }
}

#[test]
fn posterize_filter_changes_all_channels_of_a_pixel_by_the_same_number_of_levels() {
    // The luma is 120. With four tones, the lumas from 64 to 127 become 85.
    assert_eq!(pixel([150, 110, 130], Filter { posterize: Some(100.0), ..NONE }), [115, 75, 95]);
}

#[test]
fn duotone_filter_interpolates_between_the_shadow_colour_and_the_highlight_colour() {
    let shadows = Color { r: 10, g: 20, b: 30, a: 255 };
    let highlights = Color { r: 250, g: 200, b: 100, a: 255 };
    let duotone = |shadows, highlights| Filter { duotone: Some(Duotone { shadows, highlights }), ..NONE };
    assert_eq!(pixel([0, 0, 0], duotone(shadows, highlights)), [10, 20, 30]);
    assert_eq!(pixel([255, 255, 255], duotone(shadows, highlights)), [250, 200, 100]);
    assert_eq!(pixel([51, 51, 51], duotone(shadows, highlights)), [58, 56, 44]);
    let clear = Color { a: 0, ..shadows };
    assert_eq!(pixel([0, 7, 0], duotone(clear, clear)), [0, 7, 0]);
}

#[test]
fn pixelate_filter_fills_each_square_of_pixels_with_the_mean_colour_of_the_square() {
    for channels in [Channels::Gray, Channels::Rgb] {
        let image = noise_image(23, 11, channels);
        let result = filtered(&image, Filter { pixelate: Some(5.0), ..NONE });
        for (x, y) in (0..23).flat_map(|x| (0..11).map(move |y| (x, y))) {
            let (left, top) = (x / 5 * 5, y / 5 * 5);
            let places: Vec<_> = (left..(left + 5).min(23))
                .flat_map(|x| (top..(top + 5).min(11)).map(move |y| (x, y)))
                .collect();
            for c in 0..channels.count() {
                let sum: f64 = places.iter().map(|&(x, y)| f64::from(pixel_at(&image, x, y)[c])).sum();
                assert!((f64::from(pixel_at(&result, x, y)[c]) - sum / places.len() as f64).abs() <= 0.5);
            }
        }
    }
    // The colours of transparent pixels must not affect the mean colour of a square.
    let image =
        image_from_fn(
            4,
            4,
            Channels::Rgba,
            |x, _, c| if x < 1 { [200, 0, 0, 255][c] } else { [0, 255, 0, 0][c] },
        );
    assert_eq!(pixel_at(&filtered(&image, Filter { pixelate: Some(4.0), ..NONE }), 3, 3), [200, 0, 0, 64]);
}

#[test]
fn vignette_filter_darkens_the_corners_but_not_the_centre_of_the_image() {
    for channels in LAYOUTS {
        let image = flat_image(200, 100, channels, [200, 200, 200, 255]);
        let result = filtered(&image, Filter { vignette: Some(100.0), ..NONE });
        assert_eq!(pixel_at(&result, 100, 50)[0], 200);
        assert!(pixel_at(&result, 0, 0)[0] < 10 && pixel_at(&result, 199, 99)[0] < 10);
        let middle_of_edge = pixel_at(&result, 0, 50)[0];
        assert!((140..160).contains(&middle_of_edge), "{middle_of_edge}");
        assert_eq!(pixel_at(&result, 30, 20), pixel_at(&result, 169, 79));
    }
}

#[test]
fn noise_filter_has_the_expected_standard_deviation_and_no_correlation_between_pixels() {
    let image = flat_image(300, 300, Channels::Rgb, [128, 128, 128, 255]);
    for value in [10.0, 50.0] {
        let result = filtered(&image, Filter { noise: Some(value), ..NONE });
        assert!(result.data().as_chunks::<3>().0.iter().all(|p| p[0] == p[1] && p[1] == p[2]));
        assert!((mean_value(&result) - 128.0).abs() < 1.0);
        let values: Vec<f64> = result.data().iter().step_by(3).map(|v| f64::from(*v) - 128.0).collect();
        let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        let expected = f64::from(value) * 0.32;
        assert!((variance.sqrt() / expected - 1.0).abs() < 0.06, "{} for {value}", variance.sqrt());
        for lag in [1, 2, 300, 301] {
            let product: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| a * b).sum();
            let correlation = product / values.len() as f64 / variance;
            assert!(correlation.abs() < 0.02, "{correlation} at {lag}");
        }
    }
}

#[test]
fn noise_filter_leaves_black_and_white_unchanged_and_hardly_raises_the_mean_of_a_dark_area() {
    let full = |value| {
        let flat = flat_image(200, 200, Channels::Gray, [value; 4]);
        filtered(&flat, Filter { noise: Some(100.0), ..NONE })
    };
    for value in [0, 255] {
        assert!(full(value).data().iter().all(|&new| new == value), "{value}");
    }
    assert!((mean_value(&full(12)) - 12.0).abs() < 2.5);
}

#[test]
fn emboss_filter_shows_the_image_as_a_relief_that_is_lit_from_the_upper_left() {
    // In the relief, a bright square on a darker area is raised: its upper and left edges face the light.
    let image = image_from_fn(30, 30, Channels::Gray, |x, y, _| {
        if (10..20).contains(&x) && (10..20).contains(&y) { 140 } else { 100 }
    });
    let result = filtered(&image, Filter { emboss: Some(100.0), ..NONE });
    assert_eq!((pixel_at(&result, 15, 15)[0], pixel_at(&result, 2, 2)[0]), (128, 128));
    assert!(pixel_at(&result, 10, 15)[0] > 180 && pixel_at(&result, 15, 10)[0] > 180);
    assert!(pixel_at(&result, 20, 15)[0] < 76 && pixel_at(&result, 15, 20)[0] < 76);
}

#[test]
fn emboss_filter_of_half_strength_keeps_three_quarters_of_the_colour() {
    let half = Filter { emboss: Some(50.0), ..NONE };
    assert_eq!(pixel([228, 128, 28], half), [203, 128, 53]);
}

#[test]
fn edges_filter_draws_the_edges_of_shapes_bright_on_a_black_background() {
    let image = image_from_fn(20, 20, Channels::Rgb, |x, _, _| if x < 10 { 0 } else { 255 });
    let result = filtered(&image, Filter { edges: Some(100.0), ..NONE });
    for y in 0..20 {
        for x in 0..20 {
            let expected = if x == 9 || x == 10 { 255 } else { 0 };
            assert_eq!(pixel_at(&result, x, y), [expected; 3], "at {x}, {y}");
        }
    }
    let half = filtered(&image, Filter { edges: Some(50.0), ..NONE });
    assert_eq!((pixel_at(&half, 15, 5)[0], pixel_at(&half, 9, 5)[0]), (127, 127));
}
