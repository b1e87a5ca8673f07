//! Files that are cut off, altered or made up: a picture or an error, never a panic, and no more work than their size is
//! worth.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Colour, Decoder, Scale};
use proptest::prelude::*;

use crate::pictures::{decoded, encoded, photo};

/// Decodes whatever can be decoded.
fn attempt(file: &[u8], scale: Scale) -> Option<Vec<u8>> {
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

fn samples() -> Vec<Vec<u8>> {
    let size = (70, 50);
    let pixels = photo(size.0, size.1);
    let inks: Vec<u8> = pixels.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 9]).collect();
    vec![
        encoded(&pixels, size, SamplingFactor::F_2_2, |_| {}),
        encoded(&pixels, size, SamplingFactor::F_4_1, |e| e.set_progressive(true)),
        encoded(&pixels, size, SamplingFactor::F_1_2, |e| e.set_restart_interval(2)),
        encoded(&inks, size, SamplingFactor::F_1_1, |_| {}),
        pixaven_jpeg::encode(
            &pixels,
            size.0,
            size.1,
            pixaven_jpeg::Options { quality: 70, full_chroma: false, progressive: true },
        )
        .unwrap(),
    ]
}

#[test]
fn every_prefix_is_a_picture_or_an_error() {
    for file in samples() {
        let mut n_pictures = 0;
        for end in 0..file.len() {
            n_pictures += usize::from(attempt(&file[..end], Scale::ALL[end % 7]).is_some());
        }
        assert!(n_pictures > file.len() / 2, "most prefixes of a file show something");
    }
}

#[test]
fn the_upper_half_of_a_cut_file_is_as_before_and_the_rest_gray() {
    let pixels = photo(64, 128);
    let file = encoded(&pixels, (64, 128), SamplingFactor::F_1_1, |_| {});
    let (_, whole, outcome) = decoded(&file, Scale::FULL);
    assert!(!outcome.damaged);
    let (_, cut, outcome) = decoded(&file[..file.len() * 2 / 3], Scale::FULL);
    assert!(outcome.damaged);
    let row = 64 * 3;
    assert_eq!(cut[..40 * row], whole[..40 * row]);
    assert!(cut[120 * row..].iter().all(|&v| v == 128), "what is missing is gray");
}

#[test]
fn a_lost_interval_does_not_harm_the_others() {
    let pixels = photo(64, 64);
    let file = encoded(&pixels, (64, 64), SamplingFactor::F_1_1, |e| e.set_restart_interval(8));
    let markers: Vec<usize> =
        (0..file.len() - 1).filter(|&i| file[i] == 0xff && matches!(file[i + 1], 0xd0..=0xd7)).collect();
    assert_eq!(markers.len(), 7, "one row of blocks each");
    let (_, whole, _) = decoded(&file, Scale::FULL);
    let lost = [&file[..markers[2]], &file[markers[3]..]].concat();
    let (_, got, outcome) = decoded(&lost, Scale::FULL);
    assert!(outcome.damaged);
    let rows = |y: std::ops::Range<usize>| y.start * 64 * 3..y.end * 64 * 3;
    assert_eq!(got[rows(0..24)], whole[rows(0..24)]);
    assert_eq!(got[rows(32..64)], whole[rows(32..64)], "found again by the number of the marker");
}

#[test]
fn no_more_scans_are_read_than_asked_for() {
    let options = pixaven_jpeg::Options { quality: 70, full_chroma: false, progressive: true };
    let file = pixaven_jpeg::encode(&photo(64, 64), 64, 64, options).unwrap();
    let decode = |max_scans| {
        let mut pixels = vec![0; 64 * 64 * 3];
        let decoder = Decoder::new(&file).unwrap();
        decoder
            .decode(Scale::FULL, Colour::YCbCr, max_scans, &mut pixels)
            .map(|outcome| (outcome.damaged, pixels))
    };
    assert!(decode(0).is_err(), "no scan, no picture");
    let (first, all) = (decode(1).unwrap(), decode(10).unwrap());
    assert!(first.0 && !all.0);
    assert_ne!(first.1, all.1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn altered_files_never_panic(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        scale in 0..7_usize,
    ) {
        let mut file = samples().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        attempt(&file, Scale::ALL[scale]);
    }

    #[test]
    fn random_bytes_behind_a_header_never_panic(
        which in 0..5_usize,
        from in any::<prop::sample::Index>(),
        random in prop::collection::vec(any::<u8>(), 0..400),
        scale in 0..7_usize,
    ) {
        let mut file = samples().swap_remove(which);
        let from = from.index(file.len());
        file.truncate(from);
        file.extend(random);
        attempt(&file, Scale::ALL[scale]);
    }
}
