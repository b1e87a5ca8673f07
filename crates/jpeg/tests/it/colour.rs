//! Tests of the conversion from YCbCr to RGB.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixaven_jpeg::Scale;

use crate::helpers::decoded;

/// The luma values of the test image. One block has each combination of luma and chroma values.
const LUMA: [u8; 9] = [0, 1, 47, 90, 128, 171, 213, 254, 255];

/// The distance between two chroma values of the test image, from 0 to 255.
const CHROMA_STEP: usize = 5;

/// The width of the test image in blocks. Its rows begin with different chroma values.
const BLOCKS_WIDE: usize = 72;

/// Creates the luma and chroma values of the test image, in the order of its blocks.
fn blocks() -> Vec<[u8; 3]> {
    let chroma = || (0..=255_u8).step_by(CHROMA_STEP);
    let of_row = |y: u8, cb: u8| chroma().map(move |cr| [y, cb, cr]);
    LUMA.iter().flat_map(|&y| chroma().flat_map(move |cb| of_row(y, cb))).collect()
}

/// Encodes an image of blocks that have a single colour each. Quality 100 keeps the colours exactly.
fn encoded(blocks: &[[u8; 3]]) -> Vec<u8> {
    let mut pixels = Vec::new();
    for row in blocks.chunks(BLOCKS_WIDE) {
        let line: Vec<u8> = row.iter().flat_map(|block| [*block; 8]).flatten().collect();
        (0..8).for_each(|_| pixels.extend_from_slice(&line));
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 100);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    let (width, height) = (8 * BLOCKS_WIDE, 8 * blocks.len() / BLOCKS_WIDE);
    encoder.encode(&pixels, width as u16, height as u16, ColorType::Ycbcr).unwrap();
    file
}

/// Converts a colour with the formula of ITU-T T.871, without rounding.
fn exact_rgb([y, cb, cr]: [u8; 3]) -> [f64; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    let green = y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587;
    [y + 1.402 * cr, green, y + 1.772 * cb].map(|v| v.clamp(0.0, 255.0))
}

#[test]
fn ycbcr_is_converted_to_the_nearest_rgb_values_without_a_bias() {
    let blocks = blocks();
    let (_, pixels, outcome) = decoded(&encoded(&blocks), Scale::ALL[0]);
    assert!(!outcome.damaged);
    assert_eq!(pixels.len(), 3 * blocks.len());
    let mut sums = [0.0; 3];
    for (&block, pixel) in blocks.iter().zip(pixels.as_chunks::<3>().0) {
        for ((sum, exact), &actual) in sums.iter_mut().zip(exact_rgb(block)).zip(pixel) {
            let actual = f64::from(actual);
            assert!((actual - exact).abs() < 0.51, "{block:?}: {pixel:?}, exact {exact:.3}");
            *sum += actual - exact.round();
        }
    }
    let means = sums.map(|sum| sum / blocks.len() as f64);
    assert!(means.iter().all(|mean| mean.abs() < 0.002), "mean differences from the nearest: {means:?}");
}
