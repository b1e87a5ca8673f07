//! Tests of decoding at a reduced scale: the result has the right size, position and colours.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Effort, Options, Scale};

use crate::helpers::{decoded, peer_decoded, peer_encoded, photo, psnr_db};

#[test]
fn jpeg_decoder_chooses_a_reduced_scale_only_from_the_ratio_on_at_which_it_keeps_the_quality() {
    let chosen = |full, needed| Scale::for_resampling(full, needed).eighths();
    assert_eq!(chosen((4000, 3000), (1334, 1000)), 8);
    assert_eq!(chosen((4000, 3000), (1333, 1000)), 4);
    assert_eq!(chosen((2725, 2225), (720, 588)), 4);
    assert_eq!(chosen((4000, 3000), (801, 600)), 4);
    assert_eq!(chosen((4000, 3000), (800, 600)), 2);
    assert_eq!(chosen((4000, 3000), (126, 94)), 2);
    assert_eq!(chosen((4000, 3000), (125, 93)), 1);
    assert_eq!(chosen((4000, 3000), (125, 1000)), 4, "both sides keep their detail");
    assert_eq!(chosen((10, 10), (20, 20)), 8, "the scale never exceeds the full size");
    assert_eq!(Scale::ALL[2].of(2725, 2225), (1022, 835), "sides are rounded up");
    assert_eq!(Scale::ALL[0].of(1, 1), (1, 1));
}

/// Returns the colour of a linear gradient at a position. The position is counted in pixels from the upper
/// left corner of the image.
fn gradient(x: f64, y: f64) -> [f64; 3] {
    [40.0 + 0.5 * x, 220.0 - 0.4 * y, 60.0 + 0.25 * x + 0.25 * y]
}

#[test]
fn decoding_a_jpeg_at_any_scale_with_any_chroma_subsampling_does_not_shift_the_image() {
    let (width, height) = (320, 240);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (f64::from(x) + 0.5, f64::from(y) + 0.5)));
    let pixels: Vec<u8> = places.flat_map(|(x, y)| gradient(x, y).map(|v| v.round() as u8)).collect();
    for factor in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2]
    {
        for progressive in [false, true] {
            let file = peer_encoded(&pixels, (width, height), factor, |e| e.set_progressive(progressive));
            for scale in Scale::ALL {
                let ((w, h), pixels, _) = decoded(&file, scale);
                let step = 8.0 / scale.eighths() as f64;
                let mut sums = [0.0; 3];
                // The comparison leaves out two chroma samples at each edge of the image, because a sample at
                // the edge has no neighbour to interpolate with.
                let margin = 16 * scale.eighths() as u32 / 8;
                let inside = (margin..h - margin).flat_map(|y| (margin..w - margin).map(move |x| (x, y)));
                let mut n = 0.0;
                for (x, y) in inside {
                    let exact = gradient((f64::from(x) + 0.5) * step, (f64::from(y) + 0.5) * step);
                    for (i, exact) in exact.into_iter().enumerate() {
                        let error = f64::from(pixels[(y * w + x) as usize * 3 + i]) - exact;
                        assert!(error.abs() < 6.0, "{factor:?} {scale:?} at {x},{y}: off by {error:.1}");
                        sums[i] += error;
                    }
                    n += 1.0;
                }
                // A position error of half a pixel in the reduced image would give a mean difference from 0.1
                // (full size) to 2 (scale 1/8).
                let worst = sums.map(|sum| (sum / n).abs()).into_iter().fold(0.0, f64::max);
                assert!(worst < 0.5, "{factor:?} {scale:?} progressive {progressive}: {worst:.2} on average");
            }
        }
    }
}

#[test]
fn jpeg_decoded_at_reduced_scale_nearly_equals_the_full_image_averaged_over_squares_of_pixels() {
    let file = peer_encoded(&photo(256, 192), (256, 192), SamplingFactor::F_2_2, |_| {});
    let full = peer_decoded(&file);
    for (scale, step) in [(Scale::ALL[0], 8), (Scale::ALL[1], 4), (Scale::ALL[3], 2)] {
        let ((width, _), pixels, _) = decoded(&file, scale);
        let mean = |at: usize| {
            let (x, y, i) = (at / 3 % width as usize * step, at / 3 / width as usize * step, at % 3);
            let rows = (y..y + step).flat_map(|y| (x..x + step).map(move |x| (x, y)));
            let sum: usize = rows.map(|(x, y)| usize::from(full[(y * 256 + x) * 3 + i])).sum();
            (sum / (step * step)) as u8
        };
        let averaged: Vec<u8> = (0..pixels.len()).map(mean).collect();
        let psnr = psnr_db(&pixels, &averaged);
        assert!(psnr > 33.0, "{scale:?}: {psnr:.1} dB");
    }
}

#[test]
fn progressive_and_baseline_jpeg_files_of_one_image_decode_to_the_same_pixels_at_every_scale() {
    let options =
        |progressive| Options { quality: 85, full_chroma: false, progressive, effort: Effort::Normal };
    for size in [(100, 75), (17, 130), (3, 1)] {
        let pixels = photo(size.0, size.1);
        let file = |progressive| pixaven_jpeg::encode(&pixels, size.0, size.1, options(progressive)).unwrap();
        let (baseline, progressive) = (file(false), file(true));
        for scale in Scale::ALL {
            assert_eq!(decoded(&baseline, scale), decoded(&progressive, scale), "{size:?} {scale:?}");
        }
    }
}
