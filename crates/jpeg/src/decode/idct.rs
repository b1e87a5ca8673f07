//! From coefficients to samples: the inverse DCT of T.81 A.3.3, and shorter ones that compute a reduced block from the
//! coefficients of its low frequencies (an N-point inverse transform of the first N coefficients is the block reduced to
//! N/8 with all it can show of them).
//!
//! Eight blocks are transformed together, side by side in every array, so that each operation is one of vectors.
//! Arithmetic is in 32-bit floats: exact enough for every sample to be the nearest one, and the same on all machines,
//! because nothing is fused or reordered.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::vectors::widest;

/// Blocks in a [`Group`].
pub(super) const LANES: usize = 8;

/// The coefficients of eight blocks: rows of eight as in a block, and for each place the eight blocks.
#[derive(Debug, Clone)]
pub(super) struct Group(pub(super) [[i16; LANES]; 64]);

impl Group {
    pub(super) const EMPTY: Self = Self([[0; LANES]; 64]);
}

/// What each coefficient is multiplied by: quantisation and the constant factors of the transform.
#[derive(Debug, Clone)]
pub(super) struct Weights([f32; 64]);

/// Transforms a group. Gives `side_y` rows of `LANES * side_x` samples, which begin at multiples of the stride.
pub(super) type Transform = fn(&Group, &Weights, &mut [u8], usize);

/// What the coefficient `k` is multiplied by in a transform to `side` samples.
fn weight(side: usize, k: usize) -> f32 {
    let basis = |angle: f64| (angle * std::f64::consts::PI).cos() as f32;
    let half = if k == 0 { 0.5 * FRAC_1_SQRT_2 } else { 0.5 };
    match (side, k) {
        // The factors of Arai, Agui and Nakajima.
        (8, 1..) => 0.5 * basis(k as f64 / 16.0),
        (6, 4) | (3, 2) => half * 0.5,
        (6, 2) | (3, 1) => half * basis(1.0 / 6.0),
        (4, 2) | (2, 1) => half * FRAC_1_SQRT_2,
        _ => half,
    }
}

impl Weights {
    /// For a quantisation table in rows of eight.
    pub(super) fn new(quantisation: &[u16; 64], side_x: usize, side_y: usize) -> Self {
        let mut weights = [0.0; 64];
        for (place, weight_here) in weights.iter_mut().enumerate() {
            let (x, y) = (place % 8, place / 8);
            if x < side_x && y < side_y {
                *weight_here = f32::from(quantisation[place]) * weight(side_x, x) * weight(side_y, y);
            }
        }
        Self(weights)
    }
}

/// Samples from coefficients that were multiplied by their [`weight`], along one axis.
#[inline(always)]
fn line<const N: usize>(c: [f32; 8]) -> [f32; 8] {
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
            mirror::<4, 2>(&mut out, even, odd);
        }
        5 => {
            const A: f32 = 0.809_017; // cos 2π/10
            const B: f32 = 0.309_017; // cos 4π/10
            const D: f32 = 0.951_056_5; // cos π/10
            const E: f32 = 0.587_785_25; // cos 3π/10
            let even = [c0 + c2 * A + c4 * B, c0 - c2 * B - c4 * A];
            mirror::<5, 2>(&mut out, even, [c1 * D + c3 * E, c1 * E - c3 * D]);
            out[2] = c0 - c2 + c4;
        }
        6 => {
            const A: f32 = 0.965_925_8; // cos π/12
            const B: f32 = 0.258_819_04; // cos 5π/12
            let outer = c0 + c4;
            let middle = (c1 - c3 - c5) * FRAC_1_SQRT_2;
            let third = c3 * FRAC_1_SQRT_2;
            let odd = [c1 * A + third + c5 * B, middle, c1 * B - third + c5 * A];
            mirror::<6, 3>(&mut out, [outer + c2, c0 - (c4 + c4), outer - c2], odd);
        }
        _ => out = line_of_eight(c),
    }
    out
}

/// Both halves of a line from its even and its odd part.
#[inline(always)]
fn mirror<const N: usize, const HALF: usize>(out: &mut [f32; 8], even: [f32; HALF], odd: [f32; HALF]) {
    for i in 0..HALF {
        out[i] = even[i] + odd[i];
        out[N - 1 - i] = even[i] - odd[i];
    }
}

/// The flow graph of Arai, Agui and Nakajima (1988), with five multiplications.
#[inline(always)]
fn line_of_eight([c0, c1, c2, c3, c4, c5, c6, c7]: [f32; 8]) -> [f32; 8] {
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

widest! {
    fn transform<const X, const Y>(group: &Group, weights: &Weights, out: &mut [u8], stride: usize) = transform_lanes
}

#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "an index over three arrays at once is what becomes a vector")]
fn transform_lanes<const X: usize, const Y: usize>(
    group: &Group,
    weights: &Weights,
    out: &mut [u8],
    stride: usize,
) {
    let mut between = [[[0.0_f32; LANES]; X]; Y];
    for x in 0..X {
        for lane in 0..LANES {
            let mut column = [0.0; 8];
            for (y, value) in column[..Y].iter_mut().enumerate() {
                *value = f32::from(group.0[y * 8 + x][lane]) * weights.0[y * 8 + x];
            }
            let column = line::<Y>(column);
            for y in 0..Y {
                between[y][x][lane] = column[y];
            }
        }
    }
    for (y, between) in between.iter().enumerate() {
        let mut samples = [[0_u8; LANES]; X];
        for lane in 0..LANES {
            let mut row = [0.0; 8];
            for x in 0..X {
                row[x] = between[x][lane];
            }
            let row = line::<X>(row);
            for x in 0..X {
                samples[x][lane] = sample(row[x]);
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

/// Shifts the level (T.81 A.3.1), clamps and rounds. Adding 2²³ leaves the nearest integer in the lowest bits.
#[inline(always)]
fn sample(value: f32) -> u8 {
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

/// The transform to blocks of this size: 1–6 or 8 samples along each axis.
pub(super) fn select(side_x: usize, side_y: usize) -> Transform {
    select!(side_x, side_y; 1 2 3 4 5 6 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: the first coefficients of an 8-point transform, as those of one to `side` samples.
    fn definition(coefs: &[i32; 64], side_x: usize, side_y: usize, x: usize, y: usize) -> f64 {
        let basis = |side: usize, k: usize, n: usize| {
            let scale = if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            let angle = (2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * side) as f64;
            0.5 * scale * angle.cos()
        };
        let mut sum = 128.0;
        for v in 0..side_y {
            for u in 0..side_x {
                sum += f64::from(coefs[v * 8 + u]) * basis(side_x, u, x) * basis(side_y, v, y);
            }
        }
        sum.clamp(0.0, 255.0)
    }

    #[test]
    fn every_size_is_the_definition_rounded() {
        let mut state = 1_u32;
        let mut random = |range: i32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as i32 % range - range / 2
        };
        for (side_x, side_y) in
            [1, 2, 3, 4, 5, 6, 8].into_iter().flat_map(|x| [1, 2, 3, 4, 5, 6, 8].map(|y| (x, y)))
        {
            let mut group = Group::EMPTY;
            let mut quantisation = [0_u16; 64];
            for (place, lanes) in group.0.iter_mut().enumerate() {
                quantisation[place] = 1 + place as u16 % 5;
                *lanes = std::array::from_fn(|_| random(if place == 0 { 300 } else { 30 }) as i16);
            }
            let mut out = vec![0; 64 * 8 + 7];
            let stride = LANES * side_x + 1;
            let weights = Weights::new(&quantisation, side_x, side_y);
            select(side_x, side_y)(&group, &weights, &mut out, stride);
            for lane in 0..LANES {
                let coefs: [i32; 64] =
                    std::array::from_fn(|i| i32::from(group.0[i][lane]) * i32::from(quantisation[i]));
                for (x, y) in (0..side_x).flat_map(|x| (0..side_y).map(move |y| (x, y))) {
                    let got = f64::from(out[y * stride + lane * side_x + x]);
                    let exact = definition(&coefs, side_x, side_y, x, y);
                    assert!((got - exact).abs() < 0.501, "{side_x}x{side_y} at {x},{y}: {got}, not {exact}");
                }
            }
        }
    }
}
