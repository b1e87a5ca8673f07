//! Tests of the encoder: other decoders can read its files, and its files are as small as those of another
//! encoder.

use pixaven_jpeg::{Error, Options, Scale, encode};

use crate::helpers::{decoded, peer_decoded, peer_encoded, photo, psnr_db};

const PLAIN: Options = Options { quality: 85, full_chroma: false, progressive: false };

#[test]
fn jpeg_written_by_the_encoder_is_decoded_by_another_decoder_to_almost_the_original_pixels() {
    for (width, height) in [(96, 64), (101, 67), (1, 1), (8, 300), (17, 16)] {
        let pixels = photo(width, height);
        let gray: Vec<u8> = pixels.as_chunks::<3>().0.iter().map(|p| p[1]).collect();
        for (full_chroma, progressive) in [(false, false), (false, true), (true, false), (true, true)] {
            let options = Options { quality: 95, full_chroma, progressive };
            let file = encode(&pixels, width, height, options).unwrap();
            let psnr = psnr_db(&peer_decoded(&file), &pixels);
            assert!(psnr > 32.0, "{width}x{height} {options:?}: {psnr:.1} dB");
            let file = encode(&gray, width, height, options).unwrap();
            assert!(psnr_db(&peer_decoded(&file), &gray) > 35.0, "gray {width}x{height} {options:?}");
        }
    }
}

#[test]
fn baseline_and_progressive_jpeg_files_encoded_from_one_image_decode_to_the_same_pixels() {
    let pixels = photo(200, 150);
    let file = |progressive| encode(&pixels, 200, 150, Options { progressive, ..PLAIN }).unwrap();
    assert_eq!(peer_decoded(&file(true)), peer_decoded(&file(false)));
}

#[test]
fn jpeg_file_size_and_psnr_are_about_as_good_as_those_of_another_encoder_at_the_same_quality() {
    let pixels = photo(320, 240);
    for (quality, full_chroma, progressive) in
        [(50, false, false), (80, false, false), (80, false, true), (92, true, false), (92, true, true)]
    {
        let own_file = encode(&pixels, 320, 240, Options { quality, full_chroma, progressive }).unwrap();
        let factor = if full_chroma {
            jpeg_encoder::SamplingFactor::F_1_1
        } else {
            jpeg_encoder::SamplingFactor::F_2_2
        };
        let peer_file = {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
            encoder.set_sampling_factor(factor);
            encoder.set_progressive(progressive);
            encoder.set_optimized_huffman_tables(true);
            encoder.encode(&pixels, 320, 240, jpeg_encoder::ColorType::Rgb).unwrap();
            bytes
        };
        let case = format!("quality {quality}, full chroma {full_chroma}, progressive {progressive}");
        assert!(
            own_file.len() as f64 <= 1.01 * peer_file.len() as f64,
            "{case}: {} and {}",
            own_file.len(),
            peer_file.len()
        );
        let psnr_of = |file: &[u8]| psnr_db(&decoded(file, Scale::FULL).1, &pixels);
        assert!(
            psnr_of(&own_file) >= psnr_of(&peer_file) - 0.05,
            "{case}: {:.2} and {:.2} dB",
            psnr_of(&own_file),
            psnr_of(&peer_file)
        );
    }
}

#[test]
fn jpeg_at_a_higher_quality_has_no_lower_psnr_and_a_different_quantisation_table() {
    let pixels = photo(40, 40);
    let mut previous_psnr = 0;
    for quality in [1, 10, 49, 50, 51, 90, 100] {
        let file = encode(&pixels, 40, 40, Options { quality, ..PLAIN }).unwrap();
        let psnr = psnr_db(&peer_decoded(&file), &pixels) as u32;
        assert!(psnr >= previous_psnr, "quality {quality}");
        previous_psnr = psnr;
        let peer_file = peer_encoded(&pixels, (40, 40), jpeg_encoder::SamplingFactor::F_2_2, |_| {});
        let table = |file: &[u8]| {
            let at = file.windows(2).position(|w| w == [0xff, 0xdb]).unwrap();
            file[at + 5..at + 69].to_vec()
        };
        assert_eq!(
            table(&file) == table(&peer_file),
            quality == 90,
            "the file of the other encoder has quality 90"
        );
    }
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
    let file = encode(&checkerboard, 64, 64, Options { quality: 100, full_chroma: true, progressive: true })
        .unwrap();
    assert!(psnr_db(&peer_decoded(&file), &checkerboard) > 40.0);
}

#[test]
fn jpeg_encoder_refuses_an_image_with_a_side_above_65535_pixels() {
    let refused = encode(&vec![0; 65_536], 65_536, 1, PLAIN);
    assert_eq!(refused, Err(Error::Unsupported("a side is zero or longer than 65535 pixels")));
    assert!(encode(&vec![0; 65_535], 65_535, 1, PLAIN).is_ok());
}
