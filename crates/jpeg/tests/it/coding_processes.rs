//! Tests of the rare coding processes: arithmetic codes, 12 bits per sample and lossless coding. The encoder
//! of these tests leaves out no detail, so that the decoded image must equal the original.

use pixaven_jpeg::{Coding, Colour, Decoder, EntropyCoding, Error, Scale};

use crate::coded::{Conditioning, Picture, extended, lossless, progressive, sequential};
use crate::helpers::{decoded, psnr_db};

/// The conditioning that applies to a file without a DAC segment.
const DEFAULT: Conditioning = Conditioning { low: 0, high: 1, last_low: 5 };

/// Decodes the first component of a file at full size.
fn first_component(file: &[u8]) -> Vec<u8> {
    let decoder = Decoder::new(file).unwrap();
    let frame = decoder.frame().clone();
    let n = frame.components.len();
    let mut pixels = vec![0; (frame.width * frame.height) as usize * n];
    let outcome = decoder.decode(Scale::FULL, Colour::Stored, 100, &mut pixels).unwrap();
    assert_eq!((outcome.damaged, outcome.missing_permille), (false, 0));
    pixels.into_iter().step_by(n).collect()
}

fn assert_near(actual: &[u8], expected: &[u8], tolerance: u8, case: &str) {
    assert_eq!(actual.len(), expected.len(), "{case}");
    let difference = actual.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(difference <= Some(tolerance), "{case}: the samples differ by up to {difference:?}");
}

#[test]
fn arithmetic_coded_files_decode_to_the_original_with_every_conditioning_and_restart_interval() {
    let conditionings = [
        DEFAULT,
        Conditioning { low: 1, high: 3, last_low: 20 },
        Conditioning { low: 4, high: 9, last_low: 63 },
    ];
    for (conditioning, restart_interval) in conditionings.into_iter().flat_map(|c| [0, 1, 5].map(|n| (c, n)))
    {
        for picture in [Picture::gray(43, 29, 8), Picture::subsampled(43, 29, 8), Picture::gray(1, 1, 8)] {
            let picture = Picture { restart_interval, ..picture };
            let case = format!("interval {restart_interval}, Kx {}", conditioning.last_low);
            let file = sequential(&picture, conditioning);
            assert_near(&first_component(&file), &picture.expected(), 1, &case);
            let progressive = progressive(&picture, conditioning);
            assert_eq!(first_component(&progressive), first_component(&file), "{case}");
        }
    }
}

#[test]
fn arithmetic_coded_files_are_reduced_like_files_with_huffman_codes() {
    let picture = Picture::gray(67, 41, 8);
    let huffman = extended(&picture);
    for scale in Scale::ALL {
        let expected = decoded(&huffman, scale).1;
        assert_eq!(decoded(&sequential(&picture, DEFAULT), scale).1, expected, "{scale:?}");
        assert_eq!(decoded(&progressive(&picture, DEFAULT), scale).1, expected, "{scale:?}");
    }
}

/// A gray image of 16 × 16 pixels with the values `3 * x + 5 * y`, encoded from a PGM file by the command
/// `cjpeg -arithmetic -quality 90 -grayscale` of libjpeg-turbo 2.1.5. The JFIF segment was removed.
const FOREIGN: &[u8] = include_bytes!("arithmetic.jpg");

#[test]
fn arithmetic_coded_file_of_another_encoder_is_decoded() {
    let original: Vec<u8> = (0..256).map(|i| (3 * (i % 16) + 5 * (i / 16)) as u8).collect();
    let decoder = Decoder::new(FOREIGN).unwrap();
    assert_eq!(decoder.frame().entropy_coding, EntropyCoding::Arithmetic);
    assert!(psnr_db(&first_component(FOREIGN), &original) > 35.0);
}

#[test]
fn arithmetic_coded_file_that_is_cut_off_reports_the_missing_part_and_keeps_the_upper_rows() {
    let picture = Picture::gray(64, 128, 8);
    for file in [sequential(&picture, DEFAULT), progressive(&picture, DEFAULT)] {
        let whole = decoded(&file, Scale::FULL).1;
        let (_, cut, outcome) = decoded(&file[..file.len() / 2], Scale::FULL);
        assert!(outcome.damaged && (200..800).contains(&outcome.missing_permille), "{outcome:?}");
        if Decoder::new(&file).unwrap().frame().coding == Coding::Sequential {
            assert_eq!(cut[..64 * 24], whole[..64 * 24]);
        }
    }
}

#[test]
fn decoding_arithmetic_coded_files_with_altered_bytes_never_panics() {
    let picture = Picture { restart_interval: 3, ..Picture::subsampled(40, 24, 8) };
    let conditioning = Conditioning { low: 2, high: 5, last_low: 9 };
    for file in [sequential(&picture, conditioning), progressive(&picture, conditioning)] {
        for at in 20..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1 << (at % 8);
            let Ok(decoder) = Decoder::new(&altered) else { continue };
            let (frame, scale) = (decoder.frame().clone(), Scale::ALL[at % 7]);
            let (width, height) = scale.of(frame.width, frame.height);
            if width * height > 1 << 16 {
                continue;
            }
            let mut pixels = vec![0; (width * height) as usize * frame.components.len()];
            decoder.decode(scale, Colour::Stored, 20, &mut pixels).ok();
        }
    }
}

#[test]
fn files_with_12_bits_per_sample_decode_to_8_bits() {
    for picture in [Picture::gray(43, 29, 12), Picture::subsampled(43, 29, 12)] {
        let expected = picture.expected();
        assert_near(&first_component(&extended(&picture)), &expected, 1, "Huffman");
        assert_near(&first_component(&sequential(&picture, DEFAULT)), &expected, 1, "arithmetic");
        assert_near(&first_component(&progressive(&picture, DEFAULT)), &expected, 1, "progressive");
    }
}

#[test]
fn lossless_files_decode_exactly_with_every_predictor_and_precision() {
    for (predictor, precision) in (1..=7).flat_map(|p| [2, 5, 8, 12, 16].map(|bits| (p, bits))) {
        for (picture, mcus_wide) in
            [(Picture::gray(23, 17, precision), 23), (Picture::subsampled(23, 17, precision), 12)]
        {
            for restart_interval in [0, mcus_wide, 2 * mcus_wide] {
                let picture = Picture { restart_interval, ..picture.clone() };
                let case = format!("predictor {predictor}, {precision} bits, interval {restart_interval}");
                let file = lossless(&picture, predictor, 0);
                assert_near(&first_component(&file), &picture.expected(), 0, &case);
            }
        }
    }
}

#[test]
fn lossless_file_without_its_low_bits_decodes_to_the_remaining_bits() {
    let picture = Picture::gray(30, 20, 8);
    let expected: Vec<u8> = picture.expected().iter().map(|v| v & !7).collect();
    assert_near(&first_component(&lossless(&picture, 4, 3)), &expected, 0, "3 low bits");
}

#[test]
fn lossless_file_that_is_cut_off_is_gray_after_the_end_of_the_data() {
    let picture = Picture::gray(40, 40, 8);
    let file = lossless(&picture, 1, 0);
    let (_, pixels, outcome) = decoded(&file[..file.len() / 2], Scale::FULL);
    assert!(outcome.damaged && (300..700).contains(&outcome.missing_permille), "{outcome:?}");
    assert_eq!(pixels[..400], picture.expected()[..400]);
    assert_eq!(pixels[1599].abs_diff(128), 0);
}

#[test]
fn lossless_file_cannot_be_reduced_by_the_decoder() {
    let file = lossless(&Picture::gray(16, 16, 8), 1, 0);
    let result = Decoder::new(&file).unwrap().decode(Scale::ALL[3], Colour::Stored, 9, &mut [0; 64]);
    assert!(matches!(result, Err(Error::Unsupported(_))), "{result:?}");
}
