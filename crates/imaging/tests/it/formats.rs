//! Tests that convert images from every format to every format: the pixels must be kept, and the reported
//! information must be correct.

use pixaven_imaging::plan::{Output, TargetFormat};
use pixaven_imaging::{Channels, Format, Image, Limits, Plan, Scratch, process, sniff};

use crate::helpers::{
    FORMATS, decode_png, decoded_pixels, encoded, fading_photo, lossless_plan, nearly_equal, photo, plan_for,
    png_of, psnr_db, rgba, run, sizes_at_qualities,
};

#[test]
fn every_input_format_is_converted_to_every_output_format() {
    let original = photo(97, 61);
    for from in FORMATS {
        let input = encoded(&original, from);
        assert_eq!(sniff(&input), Some(from));
        for into in FORMATS {
            let done = run(&input, &plan_for(into));
            assert_eq!(sniff(&done.bytes), Some(into), "{from:?} to {into:?}");
            assert_eq!((done.output.width, done.output.height), (97, 61), "{from:?} to {into:?}");
            assert_eq!(done.warnings, Vec::<String>::new());
            let (_, _, result) = decoded_pixels(&done.bytes);
            let db = psnr_db(&result, &rgba(&original));
            assert!(db > 27.0, "{from:?} to {into:?}: {db:.1} dB");
        }
    }
}

#[test]
fn info_reported_when_an_image_file_is_written_equals_the_info_reported_when_the_file_is_read() {
    let gray = Image::new(40, 30, Channels::Gray, (0..1200).map(|i| (i % 251) as u8).collect());
    let few = Image::new(8, 8, Channels::Rgb, [[1, 2, 3], [200, 100, 0]].as_flattened().repeat(32));
    for image in [photo(50, 40), fading_photo(50, 40), gray, few] {
        for into in FORMATS {
            for (baseline, without_loss) in [(false, false), (true, false), (false, true)] {
                let output = Output {
                    format: TargetFormat::Format(into),
                    baseline,
                    lossless: without_loss,
                    quality: Some(90),
                    ..Output::default()
                };
                let done = run(&png_of(&image), &Plan { output, ..Plan::default() });
                let mut expected = done.output;
                // The quality is reported only for JPEG, where it is computed from the quantisation tables.
                if into != Format::Jpeg {
                    expected.quality = None;
                }
                assert_eq!(
                    run(&done.bytes, &plan_for(Format::Png)).input,
                    expected,
                    "{into:?} of {:?}",
                    image.channels()
                );
            }
        }
    }
}

#[test]
fn png_and_lossless_webp_output_keeps_every_visible_pixel() {
    for image in [photo(61, 47), fading_photo(61, 47)] {
        let input = png_of(&image);
        let png = run(&input, &plan_for(Format::Png));
        assert_eq!(decode_png(&png.bytes).2, rgba(&image));
        let webp = run(&input, &lossless_plan(Format::Webp));
        let (_, _, result) = decoded_pixels(&webp.bytes);
        for (a, b) in result.iter().zip(rgba(&image)) {
            // Fully transparent pixels may have a different colour than in the input, because WebP stores the
            // colour that compresses best.
            assert!(*a == b || (a[3] == 0 && b[3] == 0), "{a:?} is not {b:?}");
        }
    }
}

#[test]
fn png_with_few_colours_has_a_palette_with_the_smallest_bit_depth() {
    for (n_colors, depth) in [(2u32, 1u8), (3, 2), (16, 4), (17, 8), (256, 8)] {
        let data =
            (0..32 * 32).flat_map(|i| [(i % n_colors) as u8, 7, (i % n_colors) as u8 ^ 0x55]).collect();
        let image = Image::new(32, 32, Channels::Rgb, data);
        let done = run(&png_of(&image), &plan_for(Format::Png));
        assert_eq!(done.output.depth, depth, "{n_colors} colours");
        assert_eq!(decode_png(&done.bytes).2, rgba(&image), "{n_colors} colours");
    }
}

#[test]
fn png_output_drops_colour_channels_of_gray_images_and_alpha_channels_of_opaque_images() {
    let n = 64 * 64u32;
    let noisy = |i: u32| (i.wrapping_mul(2_654_435_761) >> 23) as u8;
    let gray_as_rgba = (0..n).flat_map(|i| [noisy(i), noisy(i), noisy(i), 255]).collect();
    let opaque = (0..n).flat_map(|i| [noisy(i), noisy(i + 9), noisy(i * 3), 255]).collect();
    let gray = run(&png_of(&Image::new(64, 64, Channels::Rgba, gray_as_rgba)), &plan_for(Format::Png)).output;
    assert!(gray.depth == 8 && !gray.alpha, "{gray:?}");
    let color = run(&png_of(&Image::new(64, 64, Channels::Rgba, opaque)), &plan_for(Format::Png)).output;
    assert!(color.depth == 24 && !color.alpha, "{color:?}");
}

#[test]
fn jpeg_output_blends_transparency_over_white() {
    let clear = Image::new(16, 16, Channels::Rgba, [10, 20, 30, 0].repeat(256));
    let (_, _, result) = decoded_pixels(&encoded(&clear, Format::Jpeg));
    assert!(nearly_equal(&result, &[[255; 4]; 256], 1));
    let half = Image::new(16, 16, Channels::Rgba, [0, 0, 0, 128].repeat(256));
    let (_, _, result) = decoded_pixels(&encoded(&half, Format::Jpeg));
    assert!(nearly_equal(&result, &[[127, 127, 127, 255]; 256], 2));
}

#[test]
fn alpha_of_every_gif_output_pixel_is_either_0_or_255() {
    let (_, _, result) = decoded_pixels(&encoded(&fading_photo(64, 32), Format::Gif));
    for (i, pixel) in result.iter().enumerate() {
        let visible = i % 64 * 255 / 63 >= 128;
        assert_eq!(pixel[3], if visible { 255 } else { 0 });
    }
}

#[test]
fn jpeg_or_webp_encoded_at_a_higher_quality_has_a_larger_file() {
    let input = png_of(&photo(128, 96));
    for format in [Format::Jpeg, Format::Webp] {
        let sizes = sizes_at_qualities(&input, format, [10, 50, 80, 95]);
        assert!(sizes.is_sorted() && sizes[3] > 2 * sizes[0], "{format:?}: {sizes:?}");
    }
}

#[test]
fn output_file_has_the_same_bytes_whether_scratch_memory_is_new_or_reused() {
    let mut used = Scratch::default();
    let limits = Limits::default();
    for format in FORMATS {
        let input = encoded(&fading_photo(90, 70), format);
        for into in FORMATS {
            let fresh = process(&input, &plan_for(into), &limits, &mut Scratch::default()).unwrap();
            process(&png_of(&photo(120, 80)), &plan_for(into), &limits, &mut used).unwrap();
            let again = process(&input, &plan_for(into), &limits, &mut used).unwrap();
            assert_eq!(fresh.bytes, again.bytes, "{format:?} to {into:?}");
        }
    }
}

#[test]
fn default_output_is_jpeg_for_tiff_or_bmp_input_and_png_for_ico_input_and_else_the_input_format() {
    for format in FORMATS {
        let done = run(&encoded(&photo(20, 20), format), &Plan::default());
        let expected = match format {
            Format::Tiff | Format::Bmp => Format::Jpeg,
            Format::Ico => Format::Png,
            same => same,
        };
        assert_eq!((done.input.format, done.output.format), (format, expected));
    }
}
