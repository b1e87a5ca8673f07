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
fn filters_sepia_and_mono_match_the_css_filters_sepia_and_grayscale() {
    let sepia = |value| Filter { sepia: Some(value), ..NONE };
    assert_eq!(pixel([255, 255, 255], sepia(100.0)), [255, 255, 239]);
    assert_eq!(pixel([100, 50, 200], sepia(100.0)), [116, 103, 80]);
    assert_eq!(pixel([100, 50, 200], sepia(50.0)), [108, 76, 140]);
    let mono = |value| Filter { mono: Some(value), ..NONE };
    assert_eq!(pixel([255, 0, 0], mono(100.0)), [54, 54, 54]);
    assert_eq!(pixel([0, 255, 0], mono(100.0)), [182, 182, 182]);
    assert_eq!(pixel([0, 255, 0], mono(50.0)), [91, 219, 91]);
}

#[test]
fn invert_filter_subtracts_each_colour_value_from_255() {
    let invert = |value| Filter { invert: Some(value), ..NONE };
    assert_eq!(pixel([0, 100, 255], invert(100.0)), [255, 155, 0]);
    assert_eq!(pixel([0, 100, 255], invert(25.0)), [64, 114, 191]);
}

#[test]
fn posterize_filter_with_a_higher_value_leaves_fewer_tones_in_the_image() {
    let ramp = image_from_fn(256, 1, Channels::Gray, |x, _, _| x as u8);
    for (value, n_levels) in [(100.0, 2), (80.0, 4), (60.0, 8), (40.0, 16), (20.0, 32)] {
        let mut tones = filtered(&ramp, Filter { posterize: Some(value), ..NONE }).into_data();
        assert!(tones.is_sorted());
        tones.dedup();
        assert_eq!((tones.len(), tones[0], *tones.last().unwrap()), (n_levels, 0, 255));
    }
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
        let expected = f64::from(value) * 0.48;
        assert!((variance.sqrt() / expected - 1.0).abs() < 0.06, "{} for {value}", variance.sqrt());
        for lag in [1, 2, 300, 301] {
            let product: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| a * b).sum();
            let correlation = product / values.len() as f64 / variance;
            assert!(correlation.abs() < 0.02, "{correlation} at {lag}");
        }
    }
}

#[test]
fn emboss_filter_shows_the_image_as_a_relief_that_is_lit_from_the_upper_left() {
    // In the relief, a bright square on a darker area is raised: its upper and left edges face the light.
    let image = image_from_fn(30, 30, Channels::Gray, |x, y, _| {
        if (10..20).contains(&x) && (10..20).contains(&y) { 140 } else { 100 }
    });
    let result = filtered(&image, Filter { emboss: Some(100.0), ..NONE });
    assert_eq!((pixel_at(&result, 15, 15)[0], pixel_at(&result, 2, 2)[0]), (140, 100));
    assert!(pixel_at(&result, 10, 15)[0] > 200 && pixel_at(&result, 15, 10)[0] > 200);
    assert!(pixel_at(&result, 20, 15)[0] < 60 && pixel_at(&result, 15, 20)[0] < 60);
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
