//! Tests of images that are large enough for the lookup tables that cover several coefficients. The same rows
//! in a smaller image, which is decoded code by code, must give the same pixels.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Colour, Decoder, Outcome, Scale};
use proptest::prelude::*;

use crate::helpers::{peer_encoded, photo};

const WIDTH: u32 = 272;

/// The heights of the small image (1020 blocks without subsampling) and of the large image.
const HEIGHTS: [u32; 2] = [80, 720];

/// The rows that are compared. The rows below them can depend on chroma samples below the small image.
const COMPARED_ROWS: u32 = 64;

/// Encodes the small and the large image. Both files have the same data up to the end of the small image.
fn files(factor: SamplingFactor, quality: u8, interval: u16) -> [Vec<u8>; 2] {
    HEIGHTS.map(|height| {
        peer_encoded(&photo(WIDTH, height), (WIDTH, height), factor, |encoder| {
            encoder.set_quality(quality);
            if interval > 0 {
                encoder.set_restart_interval(interval);
            }
        })
    })
}

/// Decodes a file and returns the rows that both files have in common.
fn upper_rows(file: &[u8], scale: Scale) -> Option<(Vec<u8>, Outcome)> {
    let decoder = Decoder::new(file).ok()?;
    let (width, height) = scale.of(decoder.frame().width, decoder.frame().height);
    let mut pixels = vec![0; (width * height * 3) as usize];
    let outcome = decoder.decode(scale, Colour::YCbCr, 100, &mut pixels).ok()?;
    let (_, n_rows) = scale.of(width, COMPARED_ROWS);
    pixels.truncate((width * n_rows * 3) as usize);
    Some((pixels, outcome))
}

/// Returns the offset of the first byte of the scan.
fn scan_start(file: &[u8]) -> usize {
    file.windows(2).position(|bytes| bytes == [0xff, 0xda]).unwrap() + 14
}

/// Returns the sampling factors for which the encoder writes a single scan.
fn samplings() -> impl Strategy<Value = SamplingFactor> {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
    prop::sample::select(vec![F_1_1, F_2_1, F_1_2, F_2_2])
}

fn intervals() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0, 0, 1, 3, 8, 17, 40])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_large_jpeg_has_the_same_pixels_as_a_small_jpeg_with_the_same_data(
        factor in prop_oneof![4 => samplings(), 1 => Just(SamplingFactor::F_4_1)],
        quality in 20_u8..=100,
        interval in intervals(),
        scale in prop::sample::select(Scale::ALL.to_vec()),
    ) {
        let [small, large] = files(factor, quality, interval).map(|file| upper_rows(&file, scale).unwrap());
        prop_assert!(!small.1.damaged && !large.1.damaged);
        prop_assert_eq!(small.0, large.0);
    }

    #[test]
    fn a_large_jpeg_that_is_cut_off_has_the_same_pixels_as_a_small_one(
        factor in samplings(),
        quality in 20_u8..=100,
        interval in intervals(),
        scale in prop::sample::select(Scale::ALL.to_vec()),
        end in any::<prop::sample::Index>(),
    ) {
        let [mut small, mut large] = files(factor, quality, interval);
        let start = scan_start(&small);
        // Only the last bytes differ: the end of the small image pads its last byte.
        let end = start + end.index(small.len() - 8 - start);
        small.truncate(end);
        large.truncate(end);
        let (small, large) = (upper_rows(&small, scale).unwrap(), upper_rows(&large, scale).unwrap());
        prop_assert!(small.1.damaged && large.1.damaged);
        prop_assert_eq!(small.0, large.0);
    }

    #[test]
    fn a_large_jpeg_with_altered_bytes_has_the_same_pixels_as_a_small_one(
        factor in samplings(),
        quality in 20_u8..=100,
        interval in intervals(),
        scale in prop::sample::select(Scale::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let [mut small, mut large] = files(factor, quality, interval);
        let start = scan_start(&small);
        for (at, value) in changes {
            let at = start + at.index(small.len() - 8 - start);
            small[at] = value;
            large[at] = value;
        }
        let (small, large) = (upper_rows(&small, scale).unwrap(), upper_rows(&large, scale).unwrap());
        // Altered data can need more bytes than the small image has. Then only the large image has pixels.
        if !small.1.damaged {
            prop_assert_eq!(small.0, large.0);
        }
    }
}
