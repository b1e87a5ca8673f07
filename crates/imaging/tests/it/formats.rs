//! From every format to every format: what comes out is what went in, and is what the facts say.

use pixaven_imaging::plan::{Output, Target};
use pixaven_imaging::{Channels, Format, Image, Limits, Plan, Scratch, process, sniff};

use crate::pictures::{
    FORMATS, close, decode_png, fading, file, lossless, photo, pixels, png_of, psnr_db, rgba, run, to,
};

#[test]
fn every_format_becomes_every_format() {
    let original = photo(97, 61);
    for from in FORMATS {
        let input = file(&original, from);
        assert_eq!(sniff(&input), Some(from));
        for into in FORMATS {
            let done = run(&input, &to(into));
            assert_eq!(sniff(&done.bytes), Some(into), "{from:?} to {into:?}");
            assert_eq!((done.output.width, done.output.height), (97, 61), "{from:?} to {into:?}");
            assert_eq!(done.warnings, Vec::<String>::new());
            let (_, _, result) = pixels(&done.bytes);
            let db = psnr_db(&result, &rgba(&original));
            assert!(db > 27.0, "{from:?} to {into:?}: {db:.1} dB");
        }
    }
}

#[test]
fn the_facts_of_an_output_are_those_of_the_same_file_as_an_input() {
    let gray = Image::new(40, 30, Channels::Gray, (0..1200).map(|i| (i % 251) as u8).collect());
    let few = Image::new(8, 8, Channels::Rgb, [[1, 2, 3], [200, 100, 0]].as_flattened().repeat(32));
    for image in [photo(50, 40), fading(50, 40), gray, few] {
        for into in FORMATS {
            for (baseline, without_loss) in [(false, false), (true, false), (false, true)] {
                let output = Output {
                    format: Target::Format(into),
                    baseline,
                    lossless: without_loss,
                    quality: Some(90),
                    ..Output::default()
                };
                let done = run(&png_of(&image), &Plan { output, ..Plan::default() });
                let mut said = done.output;
                // Only the tables of a JPEG tell.
                if into != Format::Jpeg {
                    said.quality = None;
                }
                assert_eq!(
                    run(&done.bytes, &to(Format::Png)).input,
                    said,
                    "{into:?} of {:?}",
                    image.channels()
                );
            }
        }
    }
}

#[test]
fn lossless_formats_keep_every_pixel() {
    for image in [photo(61, 47), fading(61, 47)] {
        let input = png_of(&image);
        let png = run(&input, &to(Format::Png));
        assert_eq!(decode_png(&png.bytes).2, rgba(&image));
        let webp = run(&input, &lossless(Format::Webp));
        let (_, _, result) = pixels(&webp.bytes);
        for (a, b) in result.iter().zip(rgba(&image)) {
            // Under full transparency there is nothing to see, and WebP stores what is smallest.
            assert!(*a == b || (a[3] == 0 && b[3] == 0), "{a:?} is not {b:?}");
        }
    }
}

#[test]
fn few_colours_become_a_palette_of_the_fewest_bits() {
    for (n_colors, depth) in [(2u32, 1u8), (3, 2), (16, 4), (17, 8), (256, 8)] {
        let data =
            (0..32 * 32).flat_map(|i| [(i % n_colors) as u8, 7, (i % n_colors) as u8 ^ 0x55]).collect();
        let image = Image::new(32, 32, Channels::Rgb, data);
        let done = run(&png_of(&image), &to(Format::Png));
        assert_eq!(done.output.depth, depth, "{n_colors} colours");
        assert_eq!(decode_png(&done.bytes).2, rgba(&image), "{n_colors} colours");
    }
}

#[test]
fn a_png_has_no_channels_that_it_does_not_need() {
    let n = 64 * 64u32;
    let noisy = |i: u32| (i.wrapping_mul(2_654_435_761) >> 23) as u8;
    let gray_as_rgba = (0..n).flat_map(|i| [noisy(i), noisy(i), noisy(i), 255]).collect();
    let opaque = (0..n).flat_map(|i| [noisy(i), noisy(i + 9), noisy(i * 3), 255]).collect();
    let gray = run(&png_of(&Image::new(64, 64, Channels::Rgba, gray_as_rgba)), &to(Format::Png)).output;
    assert!(gray.depth == 8 && !gray.alpha, "{gray:?}");
    let color = run(&png_of(&Image::new(64, 64, Channels::Rgba, opaque)), &to(Format::Png)).output;
    assert!(color.depth == 24 && !color.alpha, "{color:?}");
}

#[test]
fn jpeg_puts_transparency_on_white() {
    let clear = Image::new(16, 16, Channels::Rgba, [10, 20, 30, 0].repeat(256));
    let (_, _, result) = pixels(&file(&clear, Format::Jpeg));
    assert!(close(&result, &[[255; 4]; 256], 1));
    let half = Image::new(16, 16, Channels::Rgba, [0, 0, 0, 128].repeat(256));
    let (_, _, result) = pixels(&file(&half, Format::Jpeg));
    assert!(close(&result, &[[127, 127, 127, 255]; 256], 2));
}

#[test]
fn gif_transparency_is_all_or_nothing() {
    let (_, _, result) = pixels(&file(&fading(64, 32), Format::Gif));
    for (i, pixel) in result.iter().enumerate() {
        let visible = i % 64 * 255 / 63 >= 128;
        assert_eq!(pixel[3], if visible { 255 } else { 0 });
    }
}

#[test]
fn quality_decides_the_size_and_the_sampling() {
    let input = png_of(&photo(128, 96));
    for format in [Format::Jpeg, Format::Webp] {
        let sizes: Vec<u64> = [10, 50, 80, 95]
            .map(|quality| {
                let output =
                    Output { format: Target::Format(format), quality: Some(quality), ..Output::default() };
                let done = run(&input, &Plan { output, ..Plan::default() });
                assert_eq!(done.output.quality, Some(quality));
                done.output.bytes
            })
            .to_vec();
        assert!(sizes.is_sorted() && sizes[3] > 2 * sizes[0], "{format:?}: {sizes:?}");
    }
}

#[test]
fn the_same_arguments_give_the_same_bytes_whatever_was_done_before() {
    let mut used = Scratch::default();
    let limits = Limits::default();
    for format in FORMATS {
        let input = file(&fading(90, 70), format);
        for into in FORMATS {
            let fresh = process(&input, &to(into), &limits, &mut Scratch::default()).unwrap();
            process(&png_of(&photo(120, 80)), &to(into), &limits, &mut used).unwrap();
            let again = process(&input, &to(into), &limits, &mut used).unwrap();
            assert_eq!(fresh.bytes, again.bytes, "{format:?} to {into:?}");
        }
    }
}

#[test]
fn without_a_format_the_input_decides() {
    for format in FORMATS {
        let done = run(&file(&photo(20, 20), format), &Plan::default());
        let expected = match format {
            Format::Tiff | Format::Bmp => Format::Jpeg,
            Format::Ico => Format::Png,
            same => same,
        };
        assert_eq!((done.input.format, done.output.format), (format, expected));
    }
}
