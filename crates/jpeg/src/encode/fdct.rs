//! Computes the forward DCT of T.81 A.3.3 and the quantisation in 32-bit floats. The DCT uses the flow graph
//! of Arai, Agui and Nakajima (1988). The quantisation factors include the constant scale factors of this
//! flow graph.

use std::f32::consts::FRAC_1_SQRT_2;

/// The factors by which the coefficients of a block are multiplied to quantise them, column by column.
#[derive(Debug, Clone)]
pub(super) struct Weights([[f32; 8]; 8]);

impl Weights {
    /// Computes the factors from a quantisation table in natural (row-major) order.
    pub(super) fn new(quantisation: &[u8; 64]) -> Self {
        let factor = |k: usize| {
            if k == 0 {
                1.0
            } else {
                (k as f64 * std::f64::consts::PI / 16.0).cos() * std::f64::consts::SQRT_2
            }
        };
        let weight = |across: usize, down: usize| {
            let step = f64::from(quantisation[down * 8 + across]);
            (1.0 / (step * factor(across) * factor(down) * 8.0)) as f32
        };
        Self(std::array::from_fn(|across| std::array::from_fn(|down| weight(across, down))))
    }
}

/// Computes the coefficients of a block in quantisation steps, not rounded, column by column. `samples` begins
/// with the first row of the block.
#[inline(always)]
pub(super) fn transform_block(samples: &[u8], stride: usize, weights: &Weights) -> [[f32; 8]; 8] {
    let mut rows = [[0.0_f32; 8]; 8];
    for (row, samples) in rows.iter_mut().zip(samples.chunks(stride)) {
        for (value, &sample) in row.iter_mut().zip(&samples[..8]) {
            *value = f32::from(sample) - 128.0;
        }
    }
    let rows = forward_dct_columns(rows);
    let mut columns = [[0.0_f32; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        for (y, value) in column.iter_mut().enumerate() {
            *value = rows[y][x];
        }
    }
    let mut columns = forward_dct_columns(columns);
    for (column, weights) in columns.iter_mut().zip(&weights.0) {
        for (value, &weight) in column.iter_mut().zip(weights) {
            *value *= weight;
        }
    }
    columns
}

/// Rounds a number with a magnitude below 2²². After 1.5 · 2²³ is added, the lowest bits of the float are the
/// nearest integer.
#[inline(always)]
pub(super) fn round_to_i16(value: f32) -> i16 {
    (value + 12_582_912.0).to_bits() as i16
}

/// Computes eight one-dimensional transforms along the first index of the array. The second index is the
/// number of the transform.
#[inline(always)]
fn forward_dct_columns(d: [[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let mut out = [[0.0; 8]; 8];
    for i in 0..8 {
        let transformed =
            forward_dct_1d([d[0][i], d[1][i], d[2][i], d[3][i], d[4][i], d[5][i], d[6][i], d[7][i]]);
        for k in 0..8 {
            out[k][i] = transformed[k];
        }
    }
    out
}

/// Computes the 8-point forward transform by the flow graph of Arai, Agui and Nakajima (1988), without the
/// scale factors of the flow graph.
#[inline(always)]
fn forward_dct_1d(d: [f32; 8]) -> [f32; 8] {
    let (s0, s1, s2, s3) = (d[0] + d[7], d[1] + d[6], d[2] + d[5], d[3] + d[4]);
    let (d0, d1, d2, d3) = (d[0] - d[7], d[1] - d[6], d[2] - d[5], d[3] - d[4]);

    let (outer, inner) = (s0 + s3, s1 + s2);
    let (outer_difference, inner_difference) = (s0 - s3, s1 - s2);
    let turned = (inner_difference + outer_difference) * FRAC_1_SQRT_2;

    let (a, b, c) = (d3 + d2, d2 + d1, d1 + d0);
    let z5 = (a - c) * 0.382_683_43;
    let z2 = a * 0.541_196_1 + z5;
    let z4 = c * 1.306_563 + z5;
    let z3 = b * FRAC_1_SQRT_2;
    let (z11, z13) = (d0 + z3, d0 - z3);
    [
        outer + inner,
        z11 + z4,
        outer_difference + turned,
        z13 - z2,
        outer - inner,
        z13 + z2,
        outer_difference - turned,
        z11 - z4,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_forward_dct_with_quantisation_equals_the_rounded_mathematical_definition() {
        let mut state = 7_u32;
        let samples: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(80)
        .collect();
        let values = transform_block(&samples, 10, &Weights::new(&[3; 64]));
        let half = |k: usize| if k == 0 { 0.5 * std::f64::consts::FRAC_1_SQRT_2 } else { 0.5 };
        let basis = |n: usize, k: usize| {
            half(k) * ((2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        for (u, v) in (0..8).flat_map(|u| (0..8).map(move |v| (u, v))) {
            let mut sum = 0.0;
            for (x, y) in (0..8).flat_map(|x| (0..8).map(move |y| (x, y))) {
                sum += (f64::from(samples[y * 10 + x]) - 128.0) * basis(x, u) * basis(y, v);
            }
            let actual = f64::from(values[u][v]);
            assert!((actual - sum / 3.0).abs() < 0.001, "{u},{v}: {actual}, not {}", sum / 3.0);
        }
    }
}
