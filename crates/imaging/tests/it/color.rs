//! Tests of the colour conversion: ICC profiles to sRGB, CMYK to RGB, and unusable profiles.

mod png_chunks;

use moxcms::{ColorProfile, ToneReprCurve};
use pixaven_imaging::{Channels, Colorspace, Format, Image, Processed};

use crate::helpers::{
    decode_png, decoded_pixels, fading_photo, nearly_equal, photo, plan_for, png_with, rgba, run,
};

fn with_profile(image: &Image, profile: Vec<u8>) -> Processed {
    run(&png_with(image, |info| info.icc_profile = Some(profile.into())), &plan_for(Format::Png))
}

fn pixels_of(done: &Processed) -> Vec<[u8; 4]> {
    decode_png(&done.bytes).2
}

fn to_linear(v: u8) -> f64 {
    let v = f64::from(v) / 255.0;
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn to_srgb(v: f64) -> u8 {
    let v = v.clamp(0.0, 1.0);
    let v = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    (v * 255.0).round() as u8
}

#[test]
fn display_p3_colours_are_converted_to_srgb() {
    // The matrix from linear Display P3 to linear sRGB, computed from the chromaticities of SMPTE RP 431-2
    // with the white point D65.
    let matrix = [[1.224_94, -0.224_94, 0.0], [-0.042_06, 1.042_06, 0.0], [-0.019_64, -0.078_64, 1.098_28]];
    let colors: [[u8; 3]; 5] = [[200, 100, 50], [60, 120, 90], [128, 128, 128], [20, 30, 200], [255, 0, 0]];
    let image = Image::new(5, 1, Channels::Rgb, colors.as_flattened().to_vec());
    let expected: Vec<[u8; 4]> = colors
        .iter()
        .map(|color| {
            let linear = color.map(to_linear);
            let mixed =
                matrix.map(|row| to_srgb(row.iter().zip(linear).map(|(weight, v)| weight * v).sum::<f64>()));
            [mixed[0], mixed[1], mixed[2], 255]
        })
        .collect();
    let done = with_profile(&image, ColorProfile::new_display_p3().encode().unwrap());
    assert_eq!(done.warnings, Vec::<String>::new());
    let result = pixels_of(&done);
    assert!(nearly_equal(&result, &expected, 2), "{result:?} is not {expected:?}");
}

#[test]
fn colour_conversion_by_an_icc_profile_keeps_the_alpha_channel() {
    let image = fading_photo(64, 8);
    let done = with_profile(&image, ColorProfile::new_adobe_rgb().encode().unwrap());
    let (result, original) = (pixels_of(&done), rgba(&image));
    assert!(result.iter().zip(&original).all(|(a, b)| a[3] == b[3] || (a[3] == 0 && b[3] == 0)));
    assert!(!nearly_equal(&result, &original, 4), "the profile must change the colours");
}

#[test]
fn pixel_values_of_an_image_with_an_srgb_icc_profile_are_not_converted() {
    let image = photo(64, 64);
    let done = with_profile(&image, ColorProfile::new_srgb().encode().unwrap());
    assert_eq!(pixels_of(&done), rgba(&image));
}

#[test]
fn icc_profile_with_srgb_primaries_but_different_tone_curves_is_not_treated_as_srgb() {
    let image = photo(64, 64);
    let mut profile = ColorProfile::new_srgb();
    let gamma = Some(ToneReprCurve::Parametric(vec![1.8]));
    (profile.red_trc, profile.green_trc, profile.blue_trc) = (gamma.clone(), gamma.clone(), gamma);
    profile.cicp = None;
    let done = with_profile(&image, profile.encode().unwrap());
    assert!(!nearly_equal(&pixels_of(&done), &rgba(&image), 3));
}

#[test]
fn gray_icc_profile_is_applied_and_the_image_stays_gray() {
    let ramp: Vec<u8> = (0..=255).collect();
    let image = Image::new(256, 1, Channels::Gray, ramp.clone());
    let done = with_profile(&image, ColorProfile::new_gray_with_gamma(1.0).encode().unwrap());
    assert_eq!(done.output.colorspace, Colorspace::Gray);
    for (value, pixel) in ramp.iter().zip(pixels_of(&done)) {
        let expected = to_srgb(f64::from(*value) / 255.0);
        assert!(pixel[0].abs_diff(expected) <= 1, "{value}: {} is not {expected}", pixel[0]);
    }
}

#[test]
fn gray_icc_profile_with_lab_as_connection_space_states_the_lightness_of_each_value() {
    let ramp: Vec<u8> = (0..=255).collect();
    let image = Image::new(256, 1, Channels::Gray, ramp.clone());
    for (curve, gamma) in [
        (ToneReprCurve::Lut(Vec::new()), 1.0),
        (ToneReprCurve::Lut(vec![0x0200]), 2.0),
        (ToneReprCurve::Parametric(vec![1.5]), 1.5),
    ] {
        let mut profile = ColorProfile::new_gray_with_gamma(1.0);
        profile.gray_trc = Some(curve);
        profile.pcs = moxcms::DataColorSpace::Lab;
        let done = with_profile(&image, profile.encode().unwrap());
        assert_eq!(done.warnings, Vec::<String>::new());
        assert_eq!(done.output.colorspace, Colorspace::Gray);
        for (value, pixel) in ramp.iter().zip(pixels_of(&done)) {
            let lightness = 100.0 * (f64::from(*value) / 255.0).powf(gamma);
            let root = (lightness + 16.0) / 116.0;
            let light = if lightness > 8.0 { root.powi(3) } else { lightness / 903.3 };
            let expected = to_srgb(light);
            assert!(pixel[0].abs_diff(expected) <= 1, "{value}: {} is not {expected}", pixel[0]);
        }
    }
}

#[test]
fn unusable_icc_profile_is_ignored_with_a_warning() {
    let image = photo(16, 16);
    let good = ColorProfile::new_display_p3().encode().unwrap();
    let gray = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    let mut broken: Vec<Vec<u8>> = (1..good.len()).step_by(7).map(|n| good[..n].to_vec()).collect();
    broken.push(gray);
    broken.push(vec![0xff; 200]);
    let mut n_ignored = 0;
    for profile in broken {
        let done = with_profile(&image, profile);
        if !done.warnings.is_empty() {
            assert!(done.warnings[0].contains("colour profile"), "{:?}", done.warnings);
            assert_eq!(pixels_of(&done), rgba(&image));
            n_ignored += 1;
        }
    }
    assert!(n_ignored > 10, "only {n_ignored} profiles were ignored");
}

/// A CMYK JPEG of a single colour, in which 0 means no ink. The encoder stores inverted values and Adobe's
/// marker, as other programs do.
fn cmyk_jpeg(color: [u8; 4], kind: jpeg_encoder::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
    encoder.encode(&color.repeat(64), 8, 8, kind).unwrap();
    bytes
}

#[test]
fn cmyk_jpeg_is_converted_to_rgb() {
    let cases: [([u8; 4], [u8; 3]); 6] = [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([0, 0, 0, 255], [0, 0, 0]),
        ([255, 0, 0, 0], [0, 255, 255]),
        ([0, 255, 255, 0], [255, 0, 0]),
        ([0, 0, 0, 128], [127, 127, 127]),
        ([51, 102, 0, 51], [163, 122, 204]),
    ];
    for kind in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        for (color, [r, g, b]) in cases {
            let input = cmyk_jpeg(color, kind);
            assert_eq!(run(&input, &plan_for(Format::Png)).input.colorspace, Colorspace::Cmyk);
            let (_, _, result) = decoded_pixels(&input);
            assert!(
                nearly_equal(&result, &[[r, g, b, 255]; 64], 3),
                "{color:?} as {kind:?}: {:?}",
                result[0]
            );
        }
    }
}
