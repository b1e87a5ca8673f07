//! Tests of qualities that look equally good, of `output.target`, and of the scores of `format: auto`. The files are
//! scored with SSIMULACRA2 here, too.

use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Plan, Processed, Scratch, process};

use crate::helpers::{decoded_pixels, photo, png_of, run};
use crate::output::animation;

fn plan(format: TargetFormat, quality: Option<u8>, target: Option<u8>) -> Plan {
    Plan { output: Output { format, quality, target, ..Output::default() }, ..Plan::default() }
}

fn with_target(input: &[u8], format: Format, target: u8) -> Result<Processed, Error> {
    let plan = plan(TargetFormat::Format(format), None, Some(target));
    process(input, &plan, &Limits::default(), &mut Scratch::default())
}

/// The SSIMULACRA2 score of an opaque file of `image`.
fn score(image: &Image, file: &[u8]) -> f64 {
    let (width, height, pixels) = decoded_pixels(file);
    let rgb: Vec<u8> = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let slice =
        |data| PixelSlice::new(data, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).unwrap();
    compute_ssimulacra2(&slice(image.data()), &slice(&rgb)).unwrap()
}

/// A smooth picture, in which lossy WebP is blurred more than JPEG.
fn smooth(width: u32, height: u32) -> Image {
    let wave = |v: u32, length: f32| 110.0 + 70.0 * (v as f32 / length).sin();
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        [wave(x, 19.0), (wave(x, 31.0) + wave(y, 23.0)) / 2.0, wave(y, 27.0)].map(|v| v as u8)
    };
    Image::new(width, height, Channels::Rgb, (0..width * height).flat_map(pixel).collect())
}

#[test]
fn file_with_a_target_score_has_at_least_this_score_and_a_higher_target_has_more_bytes() {
    let image = photo(320, 240);
    let input = png_of(&image);
    for format in [Format::Jpeg, Format::Webp, Format::Jxl] {
        let mut last_bytes = 0;
        for target in [50, 70, 80] {
            let done = with_target(&input, format, target).unwrap();
            let excess = score(&image, &done.bytes) - f64::from(target);
            assert!((-0.6..4.0).contains(&excess), "{format:?} {target}: {excess}");
            assert!(done.warnings.is_empty() && done.output.quality.is_some(), "{:?}", done.warnings);
            assert!(done.output.bytes > last_bytes, "{format:?} {target}");
            last_bytes = done.output.bytes;
        }
    }
}

#[test]
fn target_score_of_a_large_picture_is_reached_by_a_sample_of_it() {
    let image = photo(1_600, 900);
    let done = with_target(&png_of(&image), Format::Jpeg, 75).unwrap();
    let excess = score(&image, &done.bytes) - 75.0;
    assert!((-3.0..4.0).contains(&excess), "{excess}");
}

#[test]
fn best_file_is_returned_with_a_warning_if_no_quality_reaches_the_target_score() {
    let noise = (0..96 * 64 * 3u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8);
    let input = png_of(&Image::new(96, 64, Channels::Rgb, noise.collect()));
    let done = with_target(&input, Format::Webp, 95).unwrap();
    let quality = done.output.quality.unwrap();
    assert!(quality >= 96, "{quality}");
    let (warning, end) = (&done.warnings[0], format!("at quality {quality}"));
    let start = "output.target: no attempt had the score 95; the WebP has the score ";
    assert!(warning.starts_with(start) && warning.ends_with(&end), "{warning}");
}

#[test]
fn target_score_is_refused_for_formats_without_quality_and_for_animations() {
    for (input, format, expected) in [
        (
            png_of(&photo(40, 30)),
            Format::Png,
            "avif, heic, jp2, jpeg, jxl, webp and auto, and the result is a PNG",
        ),
        (png_of(&photo(40, 30)), Format::Gif, "the result is a GIF"),
        (animation(3), Format::Webp, "output.target needs a single picture, and the result has 3 frames"),
    ] {
        let error = with_target(&input, format, 80).unwrap_err();
        let Error::Plan(message) = error else { panic!("{error}") };
        assert!(message.starts_with("output.target needs ") && message.contains(expected), "{message}");
    }
    assert_eq!(with_target(&animation(3), Format::Jpeg, 80).unwrap().output.frames, 1, "the first frame");
}

#[test]
fn output_format_auto_reaches_a_target_score_with_fewer_bytes_than_jpeg() {
    let image = photo(320, 240);
    let input = png_of(&image);
    let done = run(&input, &plan(TargetFormat::Auto, None, Some(70)));
    assert!(score(&image, &done.bytes) > 69.4, "{}", score(&image, &done.bytes));
    assert!(done.output.bytes <= with_target(&input, Format::Jpeg, 70).unwrap().output.bytes);
}

#[test]
fn file_of_output_format_auto_scores_as_high_as_the_jpeg_of_the_same_quality() {
    for image in [photo(320, 240), smooth(320, 240)] {
        let input = png_of(&image);
        for quality in [50, 80] {
            let auto = run(&input, &plan(TargetFormat::Auto, Some(quality), None));
            let jpeg = run(&input, &plan(TargetFormat::Format(Format::Jpeg), Some(quality), None));
            let difference = score(&image, &auto.bytes) - score(&image, &jpeg.bytes);
            assert!(difference > -1.1, "{quality}, {}: {difference}", auto.output.format.name());
            assert!(auto.output.bytes <= jpeg.output.bytes);
        }
    }
}

#[test]
fn output_format_auto_writes_a_drawing_with_many_colours_without_loss_if_that_is_smaller() {
    let lines = |i: u32| {
        let (x, y) = (i % 320, i / 320);
        if x % 40 < 3 { [(y / 2) as u8, 40, (x / 2) as u8] } else { [250; 3] }
    };
    let image = Image::new(320, 240, Channels::Rgb, (0..320 * 240).flat_map(lines).collect());
    let done = run(&png_of(&image), &plan(TargetFormat::Auto, None, None));
    assert_eq!((done.output.quality, score(&image, &done.bytes)), (None, 100.0));
}

#[test]
fn same_quality_gives_similar_scores_in_every_format() {
    let image = photo(320, 240);
    let input = png_of(&image);
    for quality in [60, 82] {
        let at = |format| {
            score(&image, &run(&input, &plan(TargetFormat::Format(format), Some(quality), None)).bytes)
        };
        let jpeg = at(Format::Jpeg);
        for format in [Format::Webp, Format::Avif, Format::Jxl, Format::Heic, Format::Jp2] {
            assert!((at(format) - jpeg).abs() < 9.0, "{format:?} {quality}: {} for {jpeg}", at(format));
        }
    }
}
