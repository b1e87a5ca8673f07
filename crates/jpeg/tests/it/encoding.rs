//! Tests of the encoder: other decoders can read its files, and its files are as small as those of another
//! encoder.

use pixaven_jpeg::{Effort, Error, Options, Scale, encode, quantisation_tables};

use crate::helpers::{decoded, peer_decoded, photo, psnr_db};

const PLAIN: Options =
    Options { quality: 85, full_chroma: false, progressive: false, effort: Effort::Normal };

#[test]
fn jpeg_written_by_the_encoder_is_decoded_by_another_decoder_to_almost_the_original_pixels() {
    for (width, height) in [(96, 64), (101, 67), (1, 1), (8, 300), (17, 16)] {
        let pixels = photo(width, height);
        let gray: Vec<u8> = pixels.as_chunks::<3>().0.iter().map(|p| p[1]).collect();
        for (full_chroma, progressive) in [(false, false), (false, true), (true, false), (true, true)] {
            let options = Options { quality: 95, full_chroma, progressive, ..PLAIN };
            let file = encode(&pixels, width, height, options).unwrap();
            let psnr = psnr_db(&peer_decoded(&file), &pixels);
            assert!(psnr > 32.0, "{width}x{height} {options:?}: {psnr:.1} dB");
            let file = encode(&gray, width, height, options).unwrap();
            assert!(psnr_db(&peer_decoded(&file), &gray) > 35.0, "gray {width}x{height} {options:?}");
        }
    }
}

#[test]
fn baseline_and_progressive_jpeg_files_encoded_from_one_image_decode_to_the_same_pixels_at_every_effort() {
    let pixels = photo(200, 150);
    let file = |progressive, effort| {
        peer_decoded(&encode(&pixels, 200, 150, Options { progressive, effort, ..PLAIN }).unwrap())
    };
    let normal = file(false, Effort::Normal);
    assert!(file(true, Effort::Normal) == normal, "progressive");
    assert!(file(true, Effort::Best) == normal, "progressive with searched scans");
    assert!(file(false, Effort::Best) == normal, "baseline with the best effort");
    assert!(file(true, Effort::Fast) == file(false, Effort::Fast), "fast");
}

#[test]
fn best_effort_gives_a_jpeg_of_the_same_psnr_that_is_no_larger_than_with_normal_effort() {
    for (width, height, gray) in [(320, 240, false), (320, 240, true), (24, 8, false)] {
        let mut pixels = photo(width, height);
        if gray {
            pixels = pixels.as_chunks::<3>().0.iter().map(|p| p[1]).collect();
        }
        for quality in [40, 82, 95] {
            let file = |effort| {
                let options = Options { quality, effort, progressive: true, full_chroma: quality > 90 };
                let file = encode(&pixels, width, height, options).unwrap();
                (file.len(), psnr_db(&peer_decoded(&file), &pixels))
            };
            let [normal, best] = [Effort::Normal, Effort::Best].map(file);
            assert!(
                best.0 <= normal.0 && best.1 == normal.1,
                "{width}x{height}, gray {gray}, quality {quality}: {best:?} {normal:?}"
            );
        }
    }
}

#[test]
fn jpeg_needs_fewer_bytes_than_that_of_another_encoder_at_the_same_psnr() {
    let pixels = photo(320, 240);
    for (full_chroma, progressive) in [(false, false), (false, true), (true, false), (true, true)] {
        let factor = if full_chroma {
            jpeg_encoder::SamplingFactor::F_1_1
        } else {
            jpeg_encoder::SamplingFactor::F_2_2
        };
        let peer_file = {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
            encoder.set_sampling_factor(factor);
            encoder.set_progressive(progressive);
            encoder.set_optimized_huffman_tables(true);
            encoder.encode(&pixels, 320, 240, jpeg_encoder::ColorType::Rgb).unwrap();
            bytes
        };
        let psnr_of = |file: &[u8]| psnr_db(&decoded(file, Scale::FULL).1, &pixels);
        let peer_psnr = psnr_of(&peer_file);
        let own_file = (50..=100)
            .map(|quality| {
                encode(&pixels, 320, 240, Options { quality, full_chroma, progressive, ..PLAIN }).unwrap()
            })
            .find(|file| psnr_of(file) >= peer_psnr)
            .expect("quality 100 has a higher PSNR");
        let case = format!("full chroma {full_chroma}, progressive {progressive}");
        assert!(own_file.len() < peer_file.len(), "{case}: {} and {}", own_file.len(), peer_file.len());
    }
}

#[test]
fn jpeg_at_a_higher_quality_has_a_higher_psnr_and_the_quantisation_tables_of_its_quality() {
    let pixels = photo(40, 40);
    let mut previous_psnr = 0.0;
    for quality in [1, 10, 49, 50, 51, 90, 100] {
        let file = encode(&pixels, 40, 40, Options { quality, ..PLAIN }).unwrap();
        let psnr = psnr_db(&peer_decoded(&file), &pixels);
        assert!(psnr >= previous_psnr, "quality {quality}: {psnr} and {previous_psnr}");
        previous_psnr = psnr;
        let starts = (0..file.len()).filter(|&at| file[at..].starts_with(&[0xff, 0xdb]));
        let stored: Vec<&[u8]> = starts.map(|at| &file[at + 5..at + 69]).collect();
        assert_eq!(stored, quantisation_tables(quality), "quality {quality}");
    }
    assert_eq!(quantisation_tables(100), [[1; 64]; 2]);
}

#[test]
fn jpeg_of_a_black_or_white_image_decodes_to_black_or_white_without_overflow_of_sample_values() {
    for value in [0, 255] {
        let pixels = vec![value; 64 * 64 * 3];
        let file = encode(&pixels, 64, 64, Options { quality: 100, ..PLAIN }).unwrap();
        assert!(decoded(&file, Scale::FULL).1.iter().all(|v| v.abs_diff(value) <= 1), "all {value}");
    }
    let checkerboard: Vec<u8> =
        (0..64 * 64).flat_map(|i| [if (i + i / 64) % 2 == 0 { 255 } else { 0 }; 3]).collect();
    let file = encode(
        &checkerboard,
        64,
        64,
        Options { quality: 100, full_chroma: true, progressive: true, ..PLAIN },
    )
    .unwrap();
    assert!(psnr_db(&peer_decoded(&file), &checkerboard) > 40.0);
}

#[test]
fn jpeg_encoder_refuses_an_image_with_a_side_above_65535_pixels() {
    let refused = encode(&vec![0; 65_536], 65_536, 1, PLAIN);
    assert_eq!(refused, Err(Error::Unsupported("a side is zero or longer than 65535 pixels")));
    assert!(encode(&vec![0; 65_535], 65_535, 1, PLAIN).is_ok());
}
