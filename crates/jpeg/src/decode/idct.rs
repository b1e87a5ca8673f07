//! The inverse DCT of T.81 A.3.3, from coefficients to samples, in full and in reduced sizes. An inverse
//! transform with N points that uses only the first N coefficients gives the block reduced to N/8 of its
//! size. The reduced block has all the detail that its size can show.
//!
//! Each transform handles eight blocks of a [`Batch`]. Every array holds the values of the eight blocks side by
//! side, so that each operation becomes a vector operation. Arithmetic uses 32-bit floats: exact enough to give the
//! nearest integer for each sample, and identical on all machines, because operations are neither fused nor
//! reordered.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::sync::LazyLock;

use crate::simd::multiversion;
use crate::tables::ZIGZAG_INDICES;

/// The number of blocks that one transform handles. They are eight neighbouring columns of a [`Batch`], which
/// are called a group.
pub(super) const LANES: usize = 8;

/// The number of blocks in a [`Batch`].
pub(super) const BATCH_BLOCKS: usize = 128;

/// The coefficients of blocks: for each coefficient in zigzag order, the values of all blocks.
pub(super) type Batch = [[i16; BATCH_BLOCKS]; 64];

/// A batch of blocks whose coefficients are all zero.
pub(super) const EMPTY_BATCH: Batch = [[0; BATCH_BLOCKS]; 64];

/// The factor of each coefficient, which is the product of its quantisation step and the constant factors of
/// the inverse transform.
#[derive(Debug, Clone)]
pub(super) struct Weights([f32; 64]);

/// The type of a function that transforms a group of eight blocks into `block_height` rows of `LANES *
/// block_width` samples. The second argument is the number of the group in the batch. The last argument is the
/// stride, which is the distance between the starts of two rows in samples.
pub(super) type Transform = fn(&Batch, usize, &Weights, &mut [u8], usize);

/// For each number of samples, the constant factors of the coefficients. They are computed once, because their
/// cosines are a noticeable part of the time for a small image.
static WEIGHTS: LazyLock<[[f32; 8]; 9]> =
    LazyLock::new(|| std::array::from_fn(|side| std::array::from_fn(|k| weight(side, k))));

/// Returns the constant factor of coefficient `k` in an inverse transform to `side` samples.
fn weight(side: usize, k: usize) -> f32 {
    let basis = |angle: f64| (angle * std::f64::consts::PI).cos() as f32;
    let half = if k == 0 { 0.5 * FRAC_1_SQRT_2 } else { 0.5 };
    match (side, k) {
        // These are the scale factors of the fast DCT by Arai, Agui and Nakajima (1988).
        (8, 1..) => 0.5 * basis(k as f64 / 16.0),
        (6, 4) | (3, 2) => half * 0.5,
        (6, 2) | (3, 1) => half * basis(1.0 / 6.0),
        (4, 2) | (2, 1) => half * FRAC_1_SQRT_2,
        _ => half,
    }
}

impl Weights {
    /// Computes the factors of all coefficients from a quantisation table in natural (row-major) order. The
    /// factors scale samples of `precision` bits to 8 bits.
    pub(super) fn new(
        quantisation: &[u16; 64],
        block_width: usize,
        block_height: usize,
        precision: u8,
    ) -> Self {
        let scale = 2f32.powi(8 - i32::from(precision));
        let (across, down) = (&WEIGHTS[block_width], &WEIGHTS[block_height]);
        let mut weights = [0.0; 64];
        for (place, value) in weights.iter_mut().enumerate() {
            let (x, y) = (place % 8, place / 8);
            if x < block_width && y < block_height {
                let step = f32::from(quantisation[place]) * scale;
                *value = step * across[x] * down[y];
            }
        }
        Self(weights)
    }
}

/// Computes a one-dimensional inverse transform to `N` samples. The caller has multiplied the coefficients by
/// their [`weight`].
#[inline(always)]
fn inverse_dct_1d<const N: usize>(c: [f32; 8]) -> [f32; 8] {
    let [c0, c1, c2, c3, c4, c5, ..] = c;
    let mut out = [0.0; 8];
    match N {
        1 => out[0] = c0,
        2 => [out[0], out[1]] = [c0 + c1, c0 - c1],
        3 => {
            let outer = c0 + c2;
            [out[0], out[1], out[2]] = [outer + c1, c0 - (c2 + c2), outer - c1];
        }
        4 => {
            const A: f32 = 0.923_879_5; // cos π/8
            const B: f32 = 0.382_683_43; // cos 3π/8
            let (even, odd) = ([c0 + c2, c0 - c2], [c1 * A + c3 * B, c1 * B - c3 * A]);
            butterfly::<4, 2>(&mut out, even, odd);
        }
        5 => {
            const A: f32 = 0.809_017; // cos 2π/10
            const B: f32 = 0.309_017; // cos 4π/10
            const D: f32 = 0.951_056_5; // cos π/10
            const E: f32 = 0.587_785_25; // cos 3π/10
            let even = [c0 + c2 * A + c4 * B, c0 - c2 * B - c4 * A];
            butterfly::<5, 2>(&mut out, even, [c1 * D + c3 * E, c1 * E - c3 * D]);
            out[2] = c0 - c2 + c4;
        }
        6 => {
            const A: f32 = 0.965_925_8; // cos π/12
            const B: f32 = 0.258_819_04; // cos 5π/12
            let outer = c0 + c4;
            let middle = (c1 - c3 - c5) * FRAC_1_SQRT_2;
            let third = c3 * FRAC_1_SQRT_2;
            let odd = [c1 * A + third + c5 * B, middle, c1 * B - third + c5 * A];
            butterfly::<6, 3>(&mut out, [outer + c2, c0 - (c4 + c4), outer - c2], odd);
        }
        _ => out = inverse_dct_8(c),
    }
    out
}

/// Combines the even part and the odd part of an inverse transform. The sums become the first half of the
/// samples; the differences become the second half in reverse order.
#[inline(always)]
fn butterfly<const N: usize, const HALF: usize>(out: &mut [f32; 8], even: [f32; HALF], odd: [f32; HALF]) {
    for i in 0..HALF {
        out[i] = even[i] + odd[i];
        out[N - 1 - i] = even[i] - odd[i];
    }
}

/// The 8-point inverse transform by the flow graph of Arai, Agui and Nakajima (1988), with five
/// multiplications.
#[inline(always)]
fn inverse_dct_8([c0, c1, c2, c3, c4, c5, c6, c7]: [f32; 8]) -> [f32; 8] {
    let (sum, difference) = (c0 + c4, c0 - c4);
    let low = c2 + c6;
    let high = (c2 - c6) * SQRT_2 - low;
    let (e0, e3, e1, e2) = (sum + low, sum - low, difference + high, difference - high);

    let (z13, z10, z11, z12) = (c5 + c3, c5 - c3, c1 + c7, c1 - c7);
    let o7 = z11 + z13;
    let z5 = (z10 + z12) * 1.847_759_1;
    let o6 = z5 - z10 * 2.613_125_9 - o7;
    let o5 = (z11 - z13) * SQRT_2 - o6;
    let o4 = z5 - z12 * 1.082_392_2 - o5;
    [e0 + o7, e1 + o6, e2 + o5, e3 + o4, e3 - o4, e2 - o5, e1 - o6, e0 - o7]
}

multiversion! {
    fn transform<const X, const Y>(
        batch: &Batch,
        group: usize,
        weights: &Weights,
        out: &mut [u8],
        stride: usize,
    ) = transform_impl
}

#[inline(always)]
fn transform_impl<const X: usize, const Y: usize>(
    batch: &Batch,
    group: usize,
    weights: &Weights,
    out: &mut [u8],
    stride: usize,
) {
    let group = group % (BATCH_BLOCKS / LANES);
    let coefs = |at: usize| &batch[usize::from(ZIGZAG_INDICES[at])].as_chunks::<LANES>().0[group];
    let mut columns = [[[0.0_f32; LANES]; X]; Y];
    #[expect(clippy::needless_range_loop, reason = "`x` is the index of a coefficient, too")]
    for x in 0..X {
        for lane in 0..LANES {
            let mut column = [0.0; 8];
            for (y, value) in column[..Y].iter_mut().enumerate() {
                *value = f32::from(coefs(y * 8 + x)[lane]) * weights.0[y * 8 + x];
            }
            let column = inverse_dct_1d::<Y>(column);
            for y in 0..Y {
                columns[y][x][lane] = column[y];
            }
        }
    }
    for (y, columns) in columns.iter().enumerate() {
        let mut samples = [[0_u8; LANES]; X];
        for lane in 0..LANES {
            let mut row = [0.0; 8];
            for x in 0..X {
                row[x] = columns[x][lane];
            }
            let row = inverse_dct_1d::<X>(row);
            for x in 0..X {
                samples[x][lane] = to_sample(row[x]);
            }
        }
        let out = &mut out[y * stride..y * stride + LANES * X];
        for (lane, block) in out.as_chunks_mut::<X>().0.iter_mut().enumerate() {
            for x in 0..X {
                block[x] = samples[x][lane];
            }
        }
    }
}

/// Adds the level shift (T.81 A.3.1) to a sample, clamps the sum to 0–255 and rounds it. After 2²³ is added,
/// the lowest bits of the float are the nearest integer.
#[inline(always)]
fn to_sample(value: f32) -> u8 {
    let value = value + 128.0;
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (value + 8_388_608.0).to_bits() as u8
}

macro_rules! select {
    ($x:expr, $y:expr; $($side:literal)*) => { select!(@rows $x, $y; [$($side)*]; $($side)*) };
    (@rows $x:expr, $y:expr; $all:tt; $($side:literal)*) => {
        match $x { $($side => select!(@columns $side, $y; $all),)* _ => transform::<8, 8> }
    };
    (@columns $x:literal, $y:expr; [$($side:literal)*]) => {
        match $y { $($side => transform::<$x, $side>,)* _ => transform::<8, 8> }
    };
}

/// Returns the transform function for blocks of this size. A block has 1–6 or 8 samples along each axis.
pub(super) fn select_transform(block_width: usize, block_height: usize) -> Transform {
    select!(block_width, block_height; 1 2 3 4 5 6 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes one sample of the reduced inverse transform by its mathematical definition, with the first
    /// coefficients of an 8-point transform, in `f64`.
    fn definition(coefs: &[i32; 64], block_width: usize, block_height: usize, x: usize, y: usize) -> f64 {
        let basis = |side: usize, k: usize, n: usize| {
            let scale = if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            let angle = (2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * side) as f64;
            0.5 * scale * angle.cos()
        };
        let mut sum = 128.0;
        for v in 0..block_height {
            for u in 0..block_width {
                sum += f64::from(coefs[v * 8 + u]) * basis(block_width, u, x) * basis(block_height, v, y);
            }
        }
        sum.clamp(0.0, 255.0)
    }

    #[test]
    fn jpeg_inverse_dct_of_every_block_size_equals_the_rounded_mathematical_definition() {
        /// The number of the group in the batch.
        const GROUP: usize = 5;
        let mut state = 1_u32;
        let mut random = |range: i32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as i32 % range - range / 2
        };
        for (block_width, block_height) in
            [1, 2, 3, 4, 5, 6, 8].into_iter().flat_map(|x| [1, 2, 3, 4, 5, 6, 8].map(|y| (x, y)))
        {
            let mut batch = EMPTY_BATCH;
            let mut quantisation = [0_u16; 64];
            for (place, step) in quantisation.iter_mut().enumerate() {
                *step = 1 + place as u16 % 5;
                let coefs = &mut batch[usize::from(ZIGZAG_INDICES[place])][GROUP * LANES..][..LANES];
                coefs.fill_with(|| random(if place == 0 { 300 } else { 30 }) as i16);
            }
            let mut out = vec![0; 64 * 8 + 7];
            let stride = LANES * block_width + 1;
            let weights = Weights::new(&quantisation, block_width, block_height, 8);
            select_transform(block_width, block_height)(&batch, GROUP, &weights, &mut out, stride);
            for lane in 0..LANES {
                let coefs: [i32; 64] = std::array::from_fn(|i| {
                    let coef = batch[usize::from(ZIGZAG_INDICES[i])][GROUP * LANES + lane];
                    i32::from(coef) * i32::from(quantisation[i])
                });
                for (x, y) in (0..block_width).flat_map(|x| (0..block_height).map(move |y| (x, y))) {
                    let actual = f64::from(out[y * stride + lane * block_width + x]);
                    let exact = definition(&coefs, block_width, block_height, x, y);
                    assert!(
                        (actual - exact).abs() < 0.501,
                        "{block_width}x{block_height} at {x},{y}: {actual}, not {exact}"
                    );
                }
            }
        }
    }
}
