//! Tests of High-Throughput JPEG 2000 (ISO/IEC 15444-15). The files were written by OpenJPH, without loss:
//! `landscape.j2c` is `photo(96, 64)`, and `ramp16.j2c` has 64 × 64 gray samples of 16 bits that rise by 16.

use pixaven_imaging::plan::{Gravity, Kernel, Light, Resize, ResizeMode};
use pixaven_imaging::{Colorspace, Error, Format, Limits, Plan, Scratch, process, sniff};

use crate::helpers::{decoded_pixels, lossless_plan, photo, plan_for, png_of, psnr_db, rgba, run};

const LANDSCAPE: &[u8] = include_bytes!("../../high_throughput/landscape.j2c");
const RAMP: &[u8] = include_bytes!("../../high_throughput/ramp16.j2c");

#[test]
fn pixels_of_high_throughput_jpeg_2000_are_decoded_without_loss() {
    assert_eq!(sniff(LANDSCAPE), Some(Format::Jp2));
    let done = run(LANDSCAPE, &plan_for(Format::Png));
    assert_eq!((done.input.width, done.input.height, done.input.colorspace), (96, 64, Colorspace::Rgb));
    assert_eq!(decoded_pixels(&done.bytes), (96, 64, rgba(&photo(96, 64))));
}

#[test]
fn samples_of_16_bits_of_high_throughput_jpeg_2000_become_8_bits() {
    let (_, _, pixels) = decoded_pixels(&run(RAMP, &plan_for(Format::Png)).bytes);
    assert_eq!(pixels.len(), 64 * 64);
    for (i, pixel) in (0..).zip(pixels) {
        let expected = (f64::from(i * 16) / 65535.0 * 255.0).round() as u8;
        assert_eq!(pixel, [expected, expected, expected, 255], "pixel {i}");
    }
}

#[test]
fn a_high_throughput_jpeg_2000_is_reduced_like_a_jpeg_2000_of_the_same_picture() {
    let resize = Resize {
        mode: ResizeMode::Auto,
        width: Some(24),
        height: None,
        gravity: Gravity::Center,
        upscale: false,
        background: None,
        kernel: Kernel::Lanczos3,
        light: Light::Srgb,
    };
    let plan = Plan { resize: Some(resize), ..plan_for(Format::Png) };
    let reduced = run(LANDSCAPE, &plan);
    assert_eq!((reduced.output.width, reduced.output.height), (24, 16));
    let of_part_1 = run(&png_of(&photo(96, 64)), &lossless_plan(Format::Jp2)).bytes;
    let reference = run(&of_part_1, &plan);
    let db = psnr_db(&decoded_pixels(&reduced.bytes).2, &decoded_pixels(&reference.bytes).2);
    assert!(db > 40.0, "{db:.1} dB");
}

#[test]
fn a_damaged_high_throughput_jpeg_2000_gives_pixels_or_an_error_of_the_image() {
    let mut scratch = Scratch::default();
    // Every byte of the headers, and every 17th byte of the packets.
    for i in (0..200).chain((200..LANDSCAPE.len()).step_by(17)) {
        let flipped = [0x01, 0x10, 0x80, 0xff][i % 4];
        let mut damaged = LANDSCAPE.to_vec();
        damaged[i] ^= flipped;
        match process(&damaged, &plan_for(Format::Png), &Limits::default(), &mut scratch) {
            Ok(_)
            | Err(
                Error::Corrupt { .. }
                | Error::Unsupported { .. }
                | Error::UnknownFormat { .. }
                | Error::Truncated { .. }
                | Error::Limit { .. },
            ) => {}
            Err(error) => panic!("byte {i}: {error}"),
        }
    }
}
