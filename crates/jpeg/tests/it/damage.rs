//! Tests of truncated, altered and random files. For such files, the decoder returns an image or an error and
//! never panics. The time that it takes is limited by the size of the file.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Colour, Decoder, Effort, Options, Scale};
use proptest::prelude::*;

use crate::helpers::{decoded, peer_encoded, photo};

const PROGRESSIVE: Options =
    Options { quality: 70, full_chroma: false, progressive: true, effort: Effort::Normal };

/// Decodes a file. Returns `None` if decoding fails, or if the image has more than 2²⁰ pixels.
fn try_decode(file: &[u8], scale: Scale) -> Option<Vec<u8>> {
    let decoder = Decoder::new(file).ok()?;
    let frame = decoder.frame();
    let (width, height) = scale.of(frame.width, frame.height);
    if u64::from(frame.width) * u64::from(frame.height) > 1 << 20 {
        return None;
    }
    let n = frame.components.len();
    let mut pixels = vec![0; width as usize * height as usize * n];
    let colour = if n == 3 { Colour::YCbCr } else { Colour::Stored };
    decoder.decode(scale, colour, 20, &mut pixels).ok().map(|_| pixels)
}

fn sample_files() -> Vec<Vec<u8>> {
    let size = (70, 50);
    let pixels = photo(size.0, size.1);
    let cmyk: Vec<u8> = pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 9]).collect();
    vec![
        peer_encoded(&pixels, size, SamplingFactor::F_2_2, |_| {}),
        peer_encoded(&pixels, size, SamplingFactor::F_4_1, |e| e.set_progressive(true)),
        peer_encoded(&pixels, size, SamplingFactor::F_1_2, |e| e.set_restart_interval(2)),
        peer_encoded(&cmyk, size, SamplingFactor::F_1_1, |_| {}),
        pixaven_jpeg::encode(&pixels, size.0, size.1, PROGRESSIVE).unwrap(),
    ]
}

#[test]
fn decoding_a_jpeg_truncated_at_any_byte_gives_an_image_or_an_error() {
    for file in sample_files() {
        let mut n_images = 0;
        for end in 0..file.len() {
            n_images += usize::from(try_decode(&file[..end], Scale::ALL[end % 7]).is_some());
        }
        assert!(n_images > file.len() / 2, "most prefixes of a file give an image");
    }
}

#[test]
fn truncated_jpeg_decodes_to_its_upper_rows_followed_by_gray_rows() {
    let pixels = photo(64, 128);
    let file = peer_encoded(&pixels, (64, 128), SamplingFactor::F_1_1, |_| {});
    let (_, whole, outcome) = decoded(&file, Scale::FULL);
    assert!(!outcome.damaged);
    let (_, cut, outcome) = decoded(&file[..file.len() * 2 / 3], Scale::FULL);
    assert!(outcome.damaged);
    let row = 64 * 3;
    assert_eq!(cut[..40 * row], whole[..40 * row]);
    assert!(cut[120 * row..].iter().all(|&v| v == 128), "missing rows are gray");
}

#[test]
fn jpeg_with_a_missing_restart_interval_keeps_correct_pixels_in_all_other_restart_intervals() {
    let pixels = photo(64, 64);
    let file = peer_encoded(&pixels, (64, 64), SamplingFactor::F_1_1, |e| e.set_restart_interval(8));
    let markers: Vec<usize> =
        (0..file.len() - 1).filter(|&i| file[i] == 0xff && matches!(file[i + 1], 0xd0..=0xd7)).collect();
    assert_eq!(markers.len(), 7, "each interval is one row of blocks");
    let (_, whole, _) = decoded(&file, Scale::FULL);
    let lost = [&file[..markers[2]], &file[markers[3]..]].concat();
    let (_, actual, outcome) = decoded(&lost, Scale::FULL);
    assert!(outcome.damaged);
    let rows = |y: std::ops::Range<usize>| y.start * 64 * 3..y.end * 64 * 3;
    assert_eq!(actual[rows(0..24)], whole[rows(0..24)]);
    assert_eq!(
        actual[rows(32..64)],
        whole[rows(32..64)],
        "the decoder resynchronises by the number of the marker"
    );
}

#[test]
fn jpeg_decoder_stops_at_the_limit_of_scans_and_reports_damage_if_the_file_has_more_scans() {
    let file = pixaven_jpeg::encode(&photo(64, 64), 64, 64, PROGRESSIVE).unwrap();
    let decode = |max_scans| {
        let mut pixels = vec![0; 64 * 64 * 3];
        let decoder = Decoder::new(&file).unwrap();
        decoder
            .decode(Scale::FULL, Colour::YCbCr, max_scans, &mut pixels)
            .map(|outcome| (outcome.damaged, pixels))
    };
    assert!(decode(0).is_err(), "zero scans give no image");
    let (first, all) = (decode(1).unwrap(), decode(10).unwrap());
    assert!(first.0 && !all.0);
    assert_ne!(first.1, all.1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn decoding_a_jpeg_with_altered_bytes_never_panics(
        index in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        scale in 0..7_usize,
    ) {
        let mut file = sample_files().swap_remove(index);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        try_decode(&file, Scale::ALL[scale]);
    }

    #[test]
    fn decoding_a_valid_jpeg_prefix_followed_by_random_bytes_never_panics(
        index in 0..5_usize,
        from in any::<prop::sample::Index>(),
        random in prop::collection::vec(any::<u8>(), 0..400),
        scale in 0..7_usize,
    ) {
        let mut file = sample_files().swap_remove(index);
        let from = from.index(file.len());
        file.truncate(from);
        file.extend(random);
        try_decode(&file, Scale::ALL[scale]);
    }
}

#[test]
fn jpeg_decoder_searches_only_once_for_restart_markers_if_the_file_contains_none() {
    // The file is a large image in which every restart interval has one block, but the data contains no
    // restart marker. The test would take minutes if the decoder searched for a marker again for each block.
    let mut file = peer_encoded(&vec![90; 2048 * 1024], (2048, 1024), SamplingFactor::F_1_1, |e| {
        e.set_restart_interval(1);
    });
    let scan = file.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    file.truncate(scan + 10);
    file.resize(4 << 20, 0);
    let (_, pixels, outcome) = decoded(&file, Scale::ALL[0]);
    assert!(outcome.damaged);
    assert!(pixels[1..].iter().all(|&v| v == 128), "only the first block has data");
}

/// Decodes a file at the scale `scale` and returns `missing_permille` of the outcome.
fn missing_permille(file: &[u8], scale: Scale) -> u16 {
    decoded(file, scale).2.missing_permille
}

#[test]
fn missing_share_reported_for_a_truncated_sequential_jpeg_is_the_share_of_its_missing_blocks() {
    let pixels = photo(64, 128);
    for interval in [0, 8] {
        let file = peer_encoded(&pixels, (64, 128), SamplingFactor::F_1_1, |encoder| {
            if interval > 0 {
                encoder.set_restart_interval(interval);
            }
        });
        let (_, whole, _) = decoded(&file, Scale::FULL);
        for percent in [30, 60, 90] {
            let cut = &file[..file.len() * percent / 100];
            let (_, pixels, outcome) = decoded(cut, Scale::FULL);
            // All rows of blocks before the end of the file are correct. Only the last row with data may be
            // partly gray.
            let n_good = pixels.chunks(64 * 3).zip(whole.chunks(64 * 3)).take_while(|(a, b)| a == b).count();
            let (least, most) = ((120 - n_good.min(120)) * 1000 / 128, (128 - n_good) * 1000 / 128);
            let missing = usize::from(outcome.missing_permille);
            assert!((least..=most).contains(&missing), "{percent} %: {missing} not in {least}..={most}");
        }
    }
}

#[test]
fn missing_share_reported_for_a_truncated_jpeg_is_equal_at_every_decoding_scale() {
    for file in sample_files() {
        for percent in [50, 80, 95] {
            let cut = &file[..file.len() * percent / 100];
            let shares = Scale::ALL.map(|scale| missing_permille(cut, scale));
            assert!(
                shares[0] > 0 && shares.iter().all(|&share| share == shares[0]),
                "{percent} %: {shares:?}"
            );
        }
    }
}

#[test]
fn missing_share_reported_for_a_truncated_progressive_jpeg_falls_with_every_complete_scan() {
    let file = pixaven_jpeg::encode(&photo(64, 64), 64, 64, PROGRESSIVE).unwrap();
    let scans = (0..file.len() - 1).filter(|&i| file[i..i + 2] == [0xff, 0xda]);
    let shares: Vec<u16> = scans.skip(1).map(|end| missing_permille(&file[..end], Scale::FULL)).collect();
    assert!(shares.len() > 3 && shares.is_sorted_by(|a, b| a > b), "{shares:?}");
    assert!(shares[0] > 900, "the first scan has few of the coefficients: {shares:?}");
}

#[test]
fn missing_share_is_0_for_a_jpeg_that_lacks_only_its_end_marker_or_has_damaged_data() {
    for file in sample_files() {
        assert_eq!(missing_permille(&file, Scale::FULL), 0);
        for n_bytes in 1..=2 {
            assert_eq!(
                missing_permille(&file[..file.len() - n_bytes], Scale::FULL),
                0,
                "{n_bytes} bytes less"
            );
        }
        let mut damaged = file.clone();
        let middle = file.len() / 2;
        damaged.splice(middle..middle + 40, [0x55; 4]);
        assert!(missing_in(&damaged).is_none_or(|missing| missing == 0), "the file has its end marker");
    }
}

/// Decodes a file and returns `missing_permille` of the outcome, or `None` if decoding fails.
fn missing_in(file: &[u8]) -> Option<u16> {
    let decoder = Decoder::new(file).ok()?;
    let frame = decoder.frame();
    let n = frame.components.len();
    let mut pixels = vec![0; frame.width as usize * frame.height as usize * n];
    let colour = if n == 3 { Colour::YCbCr } else { Colour::Stored };
    decoder.decode(Scale::FULL, colour, 20, &mut pixels).ok().map(|outcome| outcome.missing_permille)
}
