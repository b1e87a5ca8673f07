//! The ideal reduction: the Lanczos kernel with three lobes, computed in `f64` from the lossless picture.

use std::f64::consts::PI;

/// The radius of the kernel, in pixels of the reduced picture.
const RADIUS: f64 = 3.0;

/// The quantity that is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Averaged {
    /// The stored sRGB values.
    Srgb,
    /// The amount of light (IEC 61966-2-1).
    Linear,
}

/// Reduces a square picture of the side `from` to the side `to`. Both are rows of red, green and blue.
/// Where the kernel extends beyond the picture, its other weights are increased so that their sum stays 1.
pub(super) fn reduce(rgb: &[u8], from: usize, to: usize, averaged: Averaged) -> Vec<u8> {
    let table: Vec<f64> = (0..=255).map(|value| decode(f64::from(value) / 255.0, averaged)).collect();
    let weights: Vec<(usize, Vec<f64>)> = (0..to).map(|index| weights(from, to, index)).collect();
    let source: Vec<f64> = rgb.iter().map(|&value| table[usize::from(value)]).collect();
    let mut columns = vec![0.0; from * to * 3];
    for (row, reduced) in source.chunks_exact(from * 3).zip(columns.chunks_exact_mut(to * 3)) {
        for (pixel, (first, weights)) in reduced.as_chunks_mut::<3>().0.iter_mut().zip(&weights) {
            for (values, weight) in row.as_chunks::<3>().0[*first..].iter().zip(weights) {
                pixel.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    let mut reduced = Vec::with_capacity(to * to * 3);
    for (first, weights) in &weights {
        let mut sums = vec![0.0; to * 3];
        for (row, weight) in columns[first * to * 3..].chunks_exact(to * 3).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        reduced.extend(sums.iter().map(|&sum| (encode(sum.clamp(0.0, 1.0), averaged) * 255.0).round() as u8));
    }
    reduced
}

/// The first pixel that contributes to the reduced pixel `index`, and the weights of this pixel and those
/// after it.
fn weights(from: usize, to: usize, index: usize) -> (usize, Vec<f64>) {
    let ratio = from as f64 / to as f64;
    let centre = (index as f64 + 0.5) * ratio - 0.5;
    let first = (centre - RADIUS * ratio).ceil().max(0.0) as usize;
    let last = ((centre + RADIUS * ratio).floor() as usize).min(from - 1);
    let weights: Vec<f64> = (first..=last).map(|at| lanczos((at as f64 - centre) / ratio)).collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.into_iter().map(|weight| weight / sum).collect())
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if x.abs() < RADIUS { sinc(x) * sinc(x / RADIUS) } else { 0.0 }
}

fn decode(value: f64, averaged: Averaged) -> f64 {
    match averaged {
        Averaged::Srgb => value,
        Averaged::Linear if value <= 0.040_45 => value / 12.92,
        Averaged::Linear => ((value + 0.055) / 1.055).powf(2.4),
    }
}

fn encode(value: f64, averaged: Averaged) -> f64 {
    match averaged {
        Averaged::Srgb => value,
        Averaged::Linear if value <= 0.003_130_8 => value * 12.92,
        Averaged::Linear => 1.055 * value.powf(1.0 / 2.4) - 0.055,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_reduction_keeps_a_plain_colour_and_averages_fine_stripes_by_light_or_by_value() {
        let plain = [10, 128, 250].repeat(40 * 40);
        let stripes: Vec<u8> = (0..64 * 64).flat_map(|at| [if at % 2 == 0 { 255 } else { 0 }; 3]).collect();
        for averaged in [Averaged::Srgb, Averaged::Linear] {
            assert_eq!(reduce(&plain, 40, 10, averaged), [10, 128, 250].repeat(10 * 10));
            let expected = if averaged == Averaged::Srgb { 128 } else { 188 };
            let reduced = reduce(&stripes, 64, 8, averaged);
            let inner = (2..6).flat_map(|y| (2..6).map(move |x| (y * 8 + x) * 3)).map(|at| reduced[at]);
            assert!(inner.into_iter().all(|value| value.abs_diff(expected) <= 1), "{reduced:?}");
        }
    }
}
