//! Tests of `adjust` and `auto`. Some tests compare the result with reference formulas in `f64`; other tests
//! check the direction of a change, or which pixels stay the same.

use pixaven_imaging::plan::{Adjust, Plan};
use pixaven_imaging::{Channels, Image};
use proptest::prelude::*;

use super::helpers::{
    any_image, flat_image, image_from_fn, max_difference, mean_value, pixel_at, run, smooth_image,
};

fn plan(adjust: Adjust) -> Plan {
    Plan { adjust: Some(adjust), ..Plan::default() }
}

const NEUTRAL: Adjust = Adjust {
    unsharp: 0.0,
    brightness: 0.0,
    contrast: 0.0,
    saturation: 0.0,
    vibrance: 0.0,
    exposure: 0.0,
    gamma: 0.0,
    hue: 0.0,
    temperature: 0.0,
    tint: 0.0,
    highlights: 0.0,
    shadows: 0.0,
};

/// Creates an image of one row that contains all 256 gray values.
fn ramp() -> Image {
    image_from_fn(256, 1, Channels::Gray, |x, _, _| x as u8)
}

/// Asserts that the adjustment changes gray values as `formula` does. The argument and the result of
/// `formula` are from 0 to 1.
#[track_caller]
fn assert_curve(adjust: Adjust, formula: impl Fn(f64) -> f64) {
    let result = run(&ramp(), &plan(adjust));
    for (value, &result) in result.data().iter().enumerate() {
        let expected = formula(value as f64 / 255.0).clamp(0.0, 1.0) * 255.0;
        assert!(
            (f64::from(result) - expected).abs() <= 0.51,
            "{adjust:?}: {value} became {result}, not {expected:.2}"
        );
    }
    assert!(result.data().is_sorted(), "{adjust:?} keeps the order of tones");
}

fn to_linear(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(l: f64) -> f64 {
    if l <= 0.0031308 { l * 12.92 } else { 1.055 * l.powf(1.0 / 2.4) - 0.055 }
}

/// The function *bias* of Schlick, in `f64`: multiplies the odds of a value.
fn multiply_odds(v: f64, factor: f64) -> f64 {
    v * factor / (1.0 + v * (factor - 1.0))
}

#[test]
fn tone_curve_of_each_attribute_of_the_adjust_operation_matches_the_formula_of_the_attribute() {
    for amount in [-100.0f32, -50.0, -7.0, 13.0, 50.0, 100.0] {
        let a = f64::from(amount) / 100.0;
        assert_curve(Adjust { brightness: amount, ..NEUTRAL }, |v| multiply_odds(v, 4f64.powf(a)));
        assert_curve(Adjust { gamma: amount, ..NEUTRAL }, |v| v.powf(2.5f64.powf(-a)));
        let gain = 4f64.powf(a);
        assert_curve(Adjust { exposure: amount, ..NEUTRAL }, |v| {
            let light = to_linear(v) * gain;
            let (room, excess) = (0.75, gain - 0.25);
            let is_bright = gain > 1.0 && light > 0.25;
            let shoulder = || 0.25 + room * multiply_odds((light - 0.25) / excess, excess / room);
            from_linear(if is_bright { shoulder() } else { light })
        });
        let steepness = 8.0 * a.abs().sqrt();
        let end = (steepness / 4.0).tanh();
        assert_curve(Adjust { contrast: amount, ..NEUTRAL }, |v| {
            if a > 0.0 {
                0.5 + (steepness / 2.0 * (v - 0.5)).tanh() / (2.0 * end)
            } else {
                0.5 + 2.0 / steepness * ((2.0 * v - 1.0) * end).atanh()
            }
        });
    }
}

#[test]
fn tone_attributes_keep_black_and_white_at_every_amount() {
    let ends = image_from_fn(2, 1, Channels::Rgb, |x, _, _| if x == 0 { 0 } else { 255 });
    for amount in (-100..=100).map(|amount| amount as f32) {
        for adjust in [
            Adjust { brightness: amount, ..NEUTRAL },
            Adjust { contrast: amount, ..NEUTRAL },
            Adjust { gamma: amount, ..NEUTRAL },
            Adjust { shadows: amount, ..NEUTRAL },
            Adjust { highlights: amount, ..NEUTRAL },
            Adjust { saturation: amount, ..NEUTRAL },
            Adjust { vibrance: amount, ..NEUTRAL },
            Adjust { exposure: amount.max(0.0), ..NEUTRAL },
        ] {
            assert_eq!(run(&ends, &plan(adjust)), ends, "{adjust:?}");
        }
    }
}

#[test]
fn attributes_of_half_strength_clip_no_tone_and_lay_no_veil_over_dark_tones() {
    // The image has the tones of a typical photograph: more dark tones than bright tones, from 3 to 252.
    let photo = image_from_fn(1000, 1, Channels::Gray, |x, _, _| {
        (3.0 + 249.0 * (f64::from(x) / 999.0).powf(1.4)) as u8
    });
    let percentiles = |image: &Image| {
        let mut tones = image.data().to_vec();
        tones.sort_unstable();
        (tones[10], tones[500], tones[990])
    };
    let (dark, middle, bright) = percentiles(&photo);
    for amount in [-50.0, -30.0, 30.0, 50.0] {
        for (name, adjust) in [
            ("brightness", Adjust { brightness: amount, ..NEUTRAL }),
            ("contrast", Adjust { contrast: amount, ..NEUTRAL }),
            ("gamma", Adjust { gamma: amount, ..NEUTRAL }),
            ("exposure", Adjust { exposure: amount, ..NEUTRAL }),
        ] {
            let result = run(&photo, &plan(adjust));
            let (new_dark, new_middle, new_bright) = percentiles(&result);
            assert!(new_dark <= dark + 16, "{name} {amount}: 1st percentile {dark} became {new_dark}");
            let n_clipped = result.data().iter().filter(|&&tone| tone == 0 || tone == 255).count();
            assert!(n_clipped <= 40, "{name} {amount} clips {n_clipped} of 1000 pixels");
            if name != "exposure" {
                assert!(new_bright >= bright - 30, "{name} {amount}: 99th percentile became {new_bright}");
            }
            if name != "contrast" {
                let shift = f32::from(new_middle) - f32::from(middle);
                let expected = 12.0..60.0;
                assert!(expected.contains(&(shift * amount.signum())), "{name} {amount}: median by {shift}");
            }
        }
    }
}

#[test]
fn negative_amounts_of_brightness_and_contrast_undo_positive_amounts() {
    let middle = image_from_fn(200, 1, Channels::Gray, |x, _, _| 28 + x as u8);
    for adjust in [Adjust { brightness: 40.0, ..NEUTRAL }, Adjust { contrast: 40.0, ..NEUTRAL }] {
        let undo = Adjust { brightness: -adjust.brightness, contrast: -adjust.contrast, ..NEUTRAL };
        let result = run(&run(&middle, &plan(adjust)), &plan(undo));
        assert!(max_difference(&result, &middle) <= 2, "{adjust:?}");
    }
}

#[test]
fn colour_values_are_rounded_only_once_when_brightness_and_gamma_are_adjusted_together() {
    // The brightness of −100 makes dark tones four times darker, and the gamma makes them lighter again. If
    // the values were rounded between the two curves, tones would be lost.
    let adjust = Adjust { brightness: -100.0, gamma: 100.0, ..NEUTRAL };
    assert_curve(adjust, |v| multiply_odds(v, 0.25).powf(0.4));
}

/// Multiplies a pixel by a matrix, in `f64`.
fn multiply(pixel: &[u8], matrix: [[f64; 3]; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(pixel).map(|(m, v)| m * f64::from(*v)).sum::<f64>().clamp(0.0, 255.0))
}

#[track_caller]
fn assert_matrix(adjust: Adjust, matrix: [[f64; 3]; 3]) {
    let image = smooth_image(40, 30, Channels::Rgb);
    let result = run(&image, &plan(adjust));
    for (before, after) in image.data().as_chunks::<3>().0.iter().zip(result.data().as_chunks::<3>().0) {
        for (expected, result) in multiply(before, matrix).into_iter().zip(after) {
            assert!((f64::from(*result) - expected).abs() <= 0.52, "{adjust:?}: {before:?} became {after:?}");
        }
    }
}

#[test]
fn adjustments_of_saturation_and_hue_use_the_colour_matrices_of_w3c_filter_effects() {
    for amount in [-100.0f32, -40.0, 25.0, 100.0] {
        let s = 1.0 + f64::from(amount) / 100.0;
        assert_matrix(
            Adjust { saturation: amount, ..NEUTRAL },
            [
                [0.213 + 0.787 * s, 0.715 - 0.715 * s, 0.072 - 0.072 * s],
                [0.213 - 0.213 * s, 0.715 + 0.285 * s, 0.072 - 0.072 * s],
                [0.213 - 0.213 * s, 0.715 - 0.715 * s, 0.072 + 0.928 * s],
            ],
        );
    }
    for degrees in [-180.0f32, -30.0, 45.0, 90.0, 180.0] {
        let (s, c) = f64::from(degrees).to_radians().sin_cos();
        assert_matrix(
            Adjust { hue: degrees, ..NEUTRAL },
            [
                [0.213 + c * 0.787 - s * 0.213, 0.715 - c * 0.715 - s * 0.715, 0.072 - c * 0.072 + s * 0.928],
                [0.213 - c * 0.213 + s * 0.143, 0.715 + c * 0.285 + s * 0.140, 0.072 - c * 0.072 - s * 0.283],
                [0.213 - c * 0.213 - s * 0.787, 0.715 - c * 0.715 + s * 0.715, 0.072 + c * 0.928 + s * 0.072],
            ],
        );
    }
}

#[test]
fn vibrance_changes_muted_colours_more_than_vivid_colours() {
    let vibrant = plan(Adjust { vibrance: 80.0, ..NEUTRAL });
    let gain = |pixel: [u8; 4]| {
        let result = run(&flat_image(1, 1, Channels::Rgb, pixel), &vibrant);
        let spread = |p: &[u8]| f64::from(p.iter().max().unwrap() - p.iter().min().unwrap());
        spread(result.data()) / spread(&pixel[..3])
    };
    let (muted, vivid) = (gain([130, 120, 110, 0]), gain([200, 120, 40, 0]));
    assert!(muted > 1.6 && vivid > 1.0 && muted > vivid + 0.3, "{muted} {vivid}");
    let grays = image_from_fn(256, 1, Channels::Rgb, |x, _, _| x as u8);
    assert_eq!(run(&grays, &vibrant), grays);
}

#[test]
fn white_balance_tints_gray_pixels_in_the_requested_direction_and_keeps_their_luminance() {
    let gray = flat_image(1, 1, Channels::Rgb, [128, 128, 128, 0]);
    let light = |pixel: &[u8]| -> f64 {
        pixel.iter().zip([0.2126, 0.7152, 0.0722]).map(|(v, w)| w * to_linear(f64::from(*v) / 255.0)).sum()
    };
    let white_balance = |temperature, tint| {
        let result = run(&gray, &plan(Adjust { temperature, tint, ..NEUTRAL })).into_data();
        assert!((light(&result) / light(&[128; 3]) - 1.0).abs() < 0.02, "{result:?}");
        (result[0], result[1], result[2])
    };
    let (r, _, b) = white_balance(60.0, 0.0);
    assert!(r > 135 && b < 112, "warm: {r} {b}");
    let (r, _, b) = white_balance(-60.0, 0.0);
    assert!(r < 120 && b > 140, "cold: {r} {b}");
    let (r, g, b) = white_balance(0.0, 60.0);
    assert!(g < 125 && r > 131 && b > 131, "magenta: {r} {g} {b}");
    let (r, g, b) = white_balance(0.0, -60.0);
    assert!(g > 130 && r < 125 && b < 125, "green: {r} {g} {b}");
}

/// The reference implementation of `unsharp`, in `f64`: adds the difference between the luma and its gaussian
/// blur (standard deviation 1 pixel), multiplied by twice the strength.
fn sharpened(image: &Image, strength: f64) -> Image {
    let (width, height) = (image.width() as i64, image.height() as i64);
    let luma = |x: i64, y: i64| {
        let pixel = pixel_at(image, x.clamp(0, width - 1) as u32, y.clamp(0, height - 1) as u32);
        pixel.iter().zip([0.2126, 0.7152, 0.0722]).map(|(v, w)| f64::from(*v) * w).sum::<f64>()
    };
    let tap = |d: i64| (-(d * d) as f64 / 2.0).exp();
    image_from_fn(image.width(), image.height(), Channels::Rgb, |x, y, c| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (dx, dy) in (-5..=5).flat_map(|dx| (-5..=5).map(move |dy| (dx, dy))) {
            sum += tap(dx) * tap(dy) * luma(i64::from(x) + dx, i64::from(y) + dy);
            weight += tap(dx) * tap(dy);
        }
        let detail = luma(x.into(), y.into()) - sum / weight;
        (f64::from(pixel_at(image, x, y)[c]) + 2.0 * strength * detail).round() as u8
    })
}

#[test]
fn sharpening_with_unsharp_adds_the_detail_that_a_gaussian_blur_removes() {
    for (width, height) in [(30, 20), (1, 9), (9, 1), (2, 2)] {
        let image = super::helpers::noise_image(width, height, Channels::Rgb);
        let result = run(&image, &plan(Adjust { unsharp: 40.0, ..NEUTRAL }));
        assert!(max_difference(&result, &sharpened(&image, 0.4)) <= 1, "{width}x{height}");
    }
}

#[test]
fn sharpening_with_unsharp_ignores_the_colours_of_transparent_pixels() {
    let image = image_from_fn(20, 20, Channels::Rgba, |x, _, c| {
        if x < 10 { [90, 90, 90, 255][c] } else { [255, 255, 255, 0][c] }
    });
    let result = run(&image, &plan(Adjust { unsharp: 100.0, ..NEUTRAL }));
    for x in 0..10 {
        assert_eq!(pixel_at(&result, x, 10), [90, 90, 90, 255]);
    }
}

#[test]
fn auto_enhance_increases_the_contrast_and_keeps_gray_pixels_gray() {
    let enhance = Plan { enhance: true, ..Plan::default() };
    let dull = image_from_fn(100, 100, Channels::Rgb, |x, y, _| (90 + (x + y) / 3) as u8);
    let result = run(&dull, &enhance);
    let (min, max) = (result.data().iter().min().unwrap(), result.data().iter().max().unwrap());
    assert!(max - min > 110, "from {min} to {max}");
    assert!(result.data().as_chunks::<3>().0.iter().all(|p| p[0] == p[1] && p[1] == p[2]));
    let flat = flat_image(9, 9, Channels::Rgb, [200, 30, 90, 255]);
    assert_eq!(run(&flat, &enhance), flat);
    let full = smooth_image(100, 100, Channels::Rgb);
    assert!((mean_value(&run(&full, &enhance)) - mean_value(&full)).abs() < 12.0);
}

proptest! {
    #[test]
    fn adjust_operation_with_a_tiny_value_changes_no_pixel(image in any_image(), attribute in 0..11usize) {
        // A value of 0 would skip the operation. A tiny value runs the operation, but after rounding no pixel
        // changes.
        let mut adjust = NEUTRAL;
        let tiny = 1e-6;
        match attribute {
            0 => adjust.brightness = tiny,
            1 => adjust.contrast = tiny,
            2 => adjust.saturation = tiny,
            3 => adjust.vibrance = tiny,
            4 => adjust.exposure = tiny,
            5 => adjust.gamma = tiny,
            6 => adjust.hue = tiny,
            7 => adjust.highlights = tiny,
            8 => adjust.shadows = tiny,
            9 => adjust.unsharp = tiny,
            _ => adjust.temperature = tiny,
        }
        let result = run(&image, &plan(adjust));
        let same = if result.channels() == image.channels() {
            result == image
        } else {
            result.data().as_chunks::<3>().0.iter().zip(image.data()).all(|(p, v)| *p == [*v; 3])
        };
        prop_assert!(same);
    }
}
