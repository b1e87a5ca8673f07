//! Tests of JPEG: tiny images, rare coding processes, and defects that other decoders ignore.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixaven_imaging::{Channels, Error, Format, Image, Limits, Scratch, process};

use crate::helpers::{decode_png, decoded_pixels, nearly_equal, photo, plan_for, png_of, rgba, run};
use crate::reduced_decoding::resized;

/// A gray image of 16 × 16 pixels with the values `3 * x + 5 * y`, encoded from a PGM file by the command
/// `cjpeg -arithmetic -quality 90 -grayscale` of libjpeg-turbo 2.1.5. The JFIF segment was removed.
const ARITHMETIC: &[u8] = include_bytes!("../../../jpeg/tests/it/arithmetic.jpg");

fn jpeg(image: &Image, factor: SamplingFactor, progressive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 100);
    encoder.set_sampling_factor(factor);
    encoder.set_progressive(progressive);
    let color = if image.channels() == Channels::Gray { ColorType::Luma } else { ColorType::Rgb };
    encoder.encode(image.data(), image.width() as u16, image.height() as u16, color).unwrap();
    bytes
}

/// Encodes a gray image of `precision` bits per sample without loss (SOF3). Each sample is predicted from the
/// sample to the left, and the first sample of a row from the sample above.
pub(crate) fn lossless(width: usize, samples: &[u16], precision: u32) -> Vec<u8> {
    let mut bits = Vec::new();
    for (i, &sample) in samples.iter().enumerate() {
        let predicted = match i {
            0 => 1 << (precision - 1),
            _ if i % width == 0 => samples[i - width].into(),
            _ => i32::from(samples[i - 1]),
        };
        let difference = (i32::from(sample) - predicted + 32_767).rem_euclid(65_536) - 32_767;
        let size = 32 - difference.unsigned_abs().leading_zeros();
        bits.extend((0..5).rev().map(|k| (size >> k & 1) as u8));
        if size < 16 {
            let value = if difference < 0 { difference - 1 } else { difference };
            bits.extend((0..size).rev().map(|k| (value >> k & 1) as u8));
        }
    }
    bits.resize(bits.len().next_multiple_of(8), 1);
    let side = |side: usize| (side as u16).to_be_bytes();
    // The Huffman table has 17 codes of five bits: the code of each category is the category itself.
    let mut file = vec![0xff, 0xd8, 0xff, 0xc4, 0, 36, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(0..17);
    file.extend([0xff, 0xc3, 0, 11, precision as u8]);
    file.extend([side(samples.len() / width), side(width)].concat());
    file.extend([1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0]);
    for byte in bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)) {
        file.extend(if byte == 0xff { vec![0xff, 0] } else { vec![byte] });
    }
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn jpeg_with_sides_of_a_few_pixels_keeps_its_pixels() {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for (width, height) in (1..=5).flat_map(|w| (1..=5).map(move |h| (w, h))) {
        let gray = Image::new(width, height, Channels::Gray, (0..width * height).map(|_| noise()).collect());
        let color =
            Image::new(width, height, Channels::Rgb, (0..3 * width * height).map(|_| noise()).collect());
        for progressive in [false, true] {
            let case = format!("{width}x{height}, progressive {progressive}");
            let (_, _, result) = decoded_pixels(&jpeg(&gray, SamplingFactor::F_1_1, progressive));
            assert!(nearly_equal(&result, &rgba(&gray), 2), "{case}: {result:?}");
            let (_, _, result) = decoded_pixels(&jpeg(&color, SamplingFactor::F_1_1, progressive));
            assert!(nearly_equal(&result, &rgba(&color), 3), "{case}: {result:?}");
        }
    }
}

#[test]
fn thumbnail_of_a_small_jpeg_equals_the_thumbnail_of_the_same_pixels_in_png() {
    for (width, height) in [(9, 9), (17, 13), (24, 24), (33, 21), (40, 30)] {
        let file = jpeg(&photo(width, height), SamplingFactor::F_1_1, false);
        let (_, _, pixels) = decoded_pixels(&file);
        let data = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        let png = png_of(&Image::new(width, height, Channels::Rgb, data));
        for side in 1..=8 {
            let plan = resized(side, side);
            let (a, b) = (decode_png(&run(&file, &plan).bytes).2, decode_png(&run(&png, &plan).bytes).2);
            let worst = a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(2), "{width}x{height} to {side}x{side}: off by {worst:?}");
        }
    }
}

#[test]
fn jpeg_with_arithmetic_codes_is_read() {
    let values = (0..256).map(|i| (3 * (i % 16) + 5 * (i / 16)) as u8).collect();
    let (width, height, result) = decoded_pixels(ARITHMETIC);
    assert_eq!((width, height), (16, 16));
    assert!(nearly_equal(&result, &rgba(&Image::new(16, 16, Channels::Gray, values)), 4), "{result:?}");
    assert_eq!(run(ARITHMETIC, &plan_for(Format::Png)).warnings, Vec::<String>::new());
}

#[test]
fn lossless_jpeg_is_read_at_full_and_at_reduced_size() {
    for precision in [8, 12, 16] {
        let samples: Vec<u16> = (0..600_u32).map(|i| (i * 7919 % (1 << precision)) as u16).collect();
        let file = lossless(30, &samples, precision);
        let max = (1_u32 << precision) - 1;
        let values: Vec<u8> = samples.iter().map(|&v| ((u32::from(v) * 255 + max / 2) / max) as u8).collect();
        let expected = Image::new(30, 20, Channels::Gray, values);
        assert_eq!(decoded_pixels(&file).2, rgba(&expected), "{precision} bits");
        let done = run(&file, &plan_for(Format::Png));
        assert_eq!((u32::from(done.input.depth), &done.warnings[..]), (precision, &[][..]));
        let half = resized(15, 10);
        assert_eq!(run(&file, &half).bytes, run(&png_of(&expected), &half).bytes, "{precision} bits");
    }
}

#[test]
fn jpeg_process_that_is_not_decoded_is_unsupported_and_not_corrupt() {
    let file = jpeg(&photo(16, 16), SamplingFactor::F_1_1, false);
    let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let introduced = [&file[..2], &[0xff, 0xde, 0, 17], &file[frame + 4..frame + 19], &file[2..]].concat();
    let with_marker = |marker: u8| {
        let mut file = file.clone();
        file[frame + 1] = marker;
        file
    };
    for (file, name) in [
        (introduced, "hierarchical coding"),
        (with_marker(0xc5), "hierarchical coding"),
        (with_marker(0xcb), "lossless coding with arithmetic codes (SOF11)"),
        (with_marker(0xf7), "JPEG-LS (SOF55)"),
    ] {
        match process(&file, &plan_for(Format::Png), &Limits::default(), &mut Scratch::default()) {
            Err(Error::Unsupported { reason, .. }) => assert_eq!(reason, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn jpeg_with_a_comment_of_the_wrong_length_is_read() {
    let file = jpeg(&photo(40, 30), SamplingFactor::F_2_2, false);
    let expected = decoded_pixels(&file);
    for length in [0_u16, 1, 2, 5, 12, 18] {
        // Two comments follow each other. The right length of the first comment is 12.
        let comment = [&[0xff, 0xfe], &length.to_be_bytes()[..], b"a comment!"].concat();
        let changed = [&file[..2], &comment, &[0xff, 0xfe, 0, 6], b"more", &file[2..]].concat();
        assert_eq!(decoded_pixels(&changed), expected, "length {length}");
        assert_eq!(run(&changed, &plan_for(Format::Png)).warnings, Vec::<String>::new());
    }
}
