//! Tests of large images with restart markers. Each restart interval is a row of MCUs, and as a file of its own it is so
//! small that it is decoded code by code. Large images are decoded with lookup tables for several coefficients and in
//! several parts of data.

use jpeg_encoder::SamplingFactor;
use pixaven_jpeg::{Outcome, Scale};
use proptest::prelude::*;

use crate::helpers::{decoded, peer_encoded, photo};

/// The size of the large image. A row of MCUs of 16 × 8 pixels or less has at most 240 blocks.
const SIZE: (u32, u32) = (640, 192);

/// The height of a row of MCUs in pixels.
const ROW_HEIGHT: usize = 8;

/// Encodes the large image with a restart interval for each row of MCUs.
fn file(factor: SamplingFactor, quality: u8) -> Vec<u8> {
    let mcu_width = if factor == SamplingFactor::F_2_1 { 16 } else { 8 };
    peer_encoded(&photo(SIZE.0, SIZE.1), SIZE, factor, |encoder| {
        encoder.set_quality(quality);
        encoder.set_restart_interval((SIZE.0 / mcu_width) as u16);
    })
}

/// Splits a file into the part before the entropy-coded data, and the data of each restart interval.
fn split(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let start = file.windows(2).position(|bytes| bytes == [0xff, 0xda]).unwrap() + 14;
    let (mut intervals, mut rest) = (Vec::new(), &file[start..]);
    while let Some(end) = rest.windows(2).position(|bytes| bytes[0] == 0xff && bytes[1] != 0) {
        intervals.push(rest[..end].to_vec());
        rest = &rest[end + 2..];
    }
    (file[..start].to_vec(), intervals)
}

/// Joins restart intervals to a file.
fn joined(header: &[u8], intervals: &[Vec<u8>]) -> Vec<u8> {
    let mut file = header.to_vec();
    for (i, interval) in intervals.iter().enumerate() {
        if i > 0 {
            file.extend([0xff, 0xd0 + (i as u8 - 1) % 8]);
        }
        file.extend(interval);
    }
    file.extend([0xff, 0xd9]);
    file
}

/// Returns a file whose image is only the row of MCUs with the data `interval`.
fn row_alone(header: &[u8], interval: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    let frame = header.windows(2).position(|bytes| matches!(bytes, [0xff, 0xc0 | 0xc1])).unwrap();
    header[frame + 5..frame + 7].copy_from_slice(&(ROW_HEIGHT as u16).to_be_bytes());
    joined(&header, &[interval.to_vec()])
}

/// Decodes the image of all restart intervals, and returns it together with the images of the single intervals, one
/// below the other. Each outcome says whether there is damage.
fn both_ways(header: &[u8], intervals: &[Vec<u8>], scale: Scale) -> [(Vec<u8>, bool); 2] {
    let (_, pixels, Outcome { damaged, .. }) = decoded(&joined(header, intervals), scale);
    let (mut rows, mut any_damaged) = (Vec::new(), false);
    for interval in intervals {
        let (_, row, outcome) = decoded(&row_alone(header, interval), scale);
        rows.extend(row);
        any_damaged |= outcome.damaged;
    }
    [(pixels, damaged), (rows, any_damaged)]
}

/// Returns the sampling factors that do not subsample vertically, so that rows of MCUs are independent.
fn samplings() -> impl Strategy<Value = SamplingFactor> {
    prop::sample::select(vec![SamplingFactor::F_1_1, SamplingFactor::F_2_1])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn each_row_of_a_large_jpeg_has_the_same_pixels_as_in_a_jpeg_of_this_row_alone(
        factor in samplings(),
        quality in 30_u8..=100,
        scale in prop::sample::select(Scale::ALL.to_vec()),
    ) {
        let (header, intervals) = split(&file(factor, quality));
        prop_assert_eq!(intervals.len(), SIZE.1 as usize / ROW_HEIGHT);
        let [all, single] = both_ways(&header, &intervals, scale);
        prop_assert!(!all.1);
        prop_assert_eq!(all, single);
    }

    #[test]
    fn each_row_of_a_large_damaged_jpeg_has_the_same_pixels_as_in_a_jpeg_of_this_row_alone(
        factor in samplings(),
        quality in 30_u8..=100,
        scale in prop::sample::select(Scale::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..255), 0..40),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let (header, mut intervals) = split(&file(factor, quality));
        for (interval, at, value) in changes {
            let interval = interval.get_mut(&mut intervals);
            let at = at.index(interval.len());
            // The change must not remove a stuffed byte, because the rest of the interval would be a marker.
            if at > 0 && interval[at - 1] != 0xff && interval[at] != 0xff {
                interval[at] = value;
            }
        }
        for (interval, end) in cuts {
            let interval = interval.get_mut(&mut intervals);
            interval.truncate(end.index(interval.len() + 1));
            if interval.last() == Some(&0xff) {
                interval.push(0);
            }
        }
        let [all, single] = both_ways(&header, &intervals, scale);
        prop_assert_eq!(all, single);
    }

    #[test]
    fn restart_markers_do_not_change_the_pixels_of_a_large_jpeg(
        factor in prop::sample::select(vec![SamplingFactor::F_1_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1]),
        n_components in prop::sample::select(vec![1, 3, 4]),
        quality in 80_u8..=100,
        interval in 1_u16..100,
        scale in prop::sample::select(Scale::ALL.to_vec()),
    ) {
        let pixels = photo(SIZE.0, SIZE.1);
        let pixel = |rgb: &[u8; 3]| [&rgb[..], &[rgb[1] / 2]].concat()[..n_components].to_vec();
        let pixels: Vec<u8> = pixels.as_chunks::<3>().0.iter().flat_map(pixel).collect();
        let encoded = |interval| {
            peer_encoded(&pixels, SIZE, factor, |encoder| {
                encoder.set_quality(quality);
                if interval > 0 {
                    encoder.set_restart_interval(interval);
                }
            })
        };
        let (with, without) = (decoded(&encoded(interval), scale), decoded(&encoded(0), scale));
        prop_assert!(!with.2.damaged && !without.2.damaged);
        prop_assert_eq!(with.1, without.1);
    }
}
