//! The effect `noise`: adds random grain to each pixel. The grain is strongest in the middle tones, as that of
//! film, and leaves black and white unchanged. All colour channels of a pixel share one random number. The
//! numbers are the same in every run.

use crate::{Channels, Image};

/// Standard deviation of the noise of a middle tone at a strength of 1, in levels.
const DEVIATION: f32 = 32.0;

/// The standard deviation of the sum of four independent, uniformly distributed bytes:
/// `√(4 · (256² − 1) / 12)`.
const DEVIATION_OF_FOUR_BYTES: f32 = 147.8;

/// The number of fractional bits of the fixed-point numbers by which the random numbers are multiplied.
const FRACTION: u32 = 12;

/// One half in the same fixed-point format. With this summand, a shift to the right rounds to the nearest
/// number.
const HALF: i32 = 1 << (FRACTION - 1);

/// Adds to each value `v` (0–1) an approximately normally distributed number that depends only on the position
/// of the pixel, multiplied by `2·√(v·(1 − v))`.
pub(super) fn add(image: &mut Image, strength: f32) {
    match image.channels() {
        Channels::Gray => add_to::<1, 1>(image, strength),
        Channels::Rgb => add_to::<3, 3>(image, strength),
        Channels::Rgba => add_to::<4, 3>(image, strength),
    }
}

/// Adds the noise to pixels of `N` bytes, of which the first `COLORS` are colours.
fn add_to<const N: usize, const COLORS: usize>(image: &mut Image, strength: f32) {
    let factor = strength * DEVIATION / DEVIATION_OF_FOUR_BYTES * (1 << FRACTION) as f32;
    let factors: [i32; 256] = std::array::from_fn(|value| {
        let value = value as f32 / 255.0;
        (factor * 2.0 * (value * (1.0 - value)).sqrt()) as i32
    });
    let stride = image.width() as usize * N;
    for (y, row) in (0u32..).zip(image.data_mut().chunks_exact_mut(stride)) {
        let start = hash(y);
        for (x, pixel) in (0u32..).zip(row.as_chunks_mut::<N>().0) {
            let number = four_bytes(start ^ x);
            for value in &mut pixel[..COLORS] {
                let offset = (number * factors[usize::from(*value)] + HALF) >> FRACTION;
                *value = (i32::from(*value) + offset).clamp(0, 255) as u8;
            }
        }
    }
}

/// The sum of the four bytes of the hash of `position`, minus 510. The result is from −510 to 510, and
/// approximately normally distributed with the mean 0.
fn four_bytes(position: u32) -> i32 {
    let sum: i32 = hash(position).to_le_bytes().into_iter().map(i32::from).sum();
    sum - 510
}

/// The hash function `lowbias32` by Chris Wellons (public domain). It maps each of the 2³² inputs to a
/// different output. The outputs for neighbouring inputs form no visible pattern.
fn hash(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
