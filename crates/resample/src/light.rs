//! Resampling of light: sRGB values are converted to amounts of light, resampled in 32-bit floats and
//! converted back. Colours are premultiplied by alpha.
//!
//! The rows of the source arrive from top to bottom. Each row is added to all rows of the result that depend
//! on the row, so that only a few rows are in memory. A finished row is then resampled horizontally.

use std::collections::VecDeque;
use std::sync::LazyLock;

use crate::SourceWindow;
use crate::simd::multiversion;
use crate::srgb::from_linear;
use crate::weights::{KernelFunction, PairWeights, Weights};

/// The number of source rows that are added to the rows of the result at once.
const ROWS: usize = 4;

/// The number of values of a row that are handled at once, a multiple of the channels of a pixel with alpha. The
/// light of all rows fits into the first cache of a processor core.
const TILE: usize = 1024;

/// The light of some values of [`ROWS`] rows.
type Tile = [[f32; TILE]; ROWS];

/// The largest index of the table from light to sRGB. One step is less than a twentieth of an sRGB level.
const MAX_INDEX: f32 = 65_535.0;

static SRGB_OF_LIGHT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let nearest = |index: usize| (from_linear(index as f32 / MAX_INDEX) * 255.0).round() as u8;
    (0..=MAX_INDEX as usize).map(nearest).collect()
});

/// Resamples the light of a picture whose rows arrive from top to bottom.
#[derive(Debug)]
pub struct LightResampler {
    width: usize,
    n_channels: usize,
    columns: Vec<PairWeights>,
    rows: Vec<Weights>,
    /// The number of source rows that were pushed.
    n_pushed: usize,
    /// The number of finished rows of the result.
    n_finished: usize,
    /// The sums of the rows of the result from `n_finished` on.
    sums: VecDeque<Vec<f32>>,
    spare: Vec<Vec<f32>>,
    /// The light of a finished row, with four values for each pixel, and one more pixel at the end.
    pixels: Vec<[f32; 4]>,
    /// The light of a row of the result.
    resampled: Vec<[f32; 4]>,
}

impl LightResampler {
    /// Prepares to resample a part of a source of `width` × `height` pixels to the size `to` (width, height).
    /// The source and the result have `n_channels` channels: 1 (gray), 3 (red, green, blue) or 4 (with alpha).
    pub fn new(
        (width, height): (u32, u32),
        n_channels: usize,
        window: SourceWindow,
        kernel: KernelFunction,
        to: (u32, u32),
    ) -> Self {
        Self {
            width: width as usize,
            n_channels,
            columns: Weights::of_axis(width, window.left, window.width, to.0, kernel)
                .iter()
                .map(Weights::in_pairs)
                .collect(),
            rows: Weights::of_axis(height, window.top, window.height, to.1, kernel),
            n_pushed: 0,
            n_finished: 0,
            sums: VecDeque::new(),
            spare: Vec::new(),
            pixels: vec![[0.0; 4]; width as usize + 1],
            resampled: vec![[0.0; 4]; to.0 as usize],
        }
    }

    /// Adds source rows. `stride` is the distance between the starts of two rows in bytes. Writes all rows of
    /// the result that are finished to their places in `resampled`, which is the whole result.
    ///
    /// # Panics
    /// If `source` has an incomplete row, or if `resampled` is smaller than the result.
    pub fn push(&mut self, source: &[u8], stride: usize, resampled: &mut [u8]) {
        let n_values = self.width * self.n_channels;
        let n_rows = (source.len() + stride - n_values) / stride;
        let mut done = 0;
        while done < n_rows {
            let n = (n_rows - done).min(ROWS);
            let rows: [&[u8]; ROWS] = std::array::from_fn(|row| {
                if row < n { &source[(done + row) * stride..][..n_values] } else { &[][..] }
            });
            self.add_rows(rows, n);
            self.n_pushed += n;
            done += n;
            self.finish_rows(resampled);
        }
    }

    /// Adds the first `n` of some rows to the sums.
    fn add_rows(&mut self, source: [&[u8]; ROWS], n: usize) {
        let n_values = self.width * self.n_channels;
        let end = self.n_pushed + n;
        let n_active = self.rows[self.n_finished..].iter().take_while(|weights| weights.first < end).count();
        while self.sums.len() < n_active {
            let mut sums = self.spare.pop().unwrap_or_default();
            sums.clear();
            sums.resize(n_values, 0.0);
            self.sums.push_back(sums);
        }
        let mut lights: Tile = [[0.0; TILE]; ROWS];
        for start in (0..n_values).step_by(TILE) {
            let tile = start..(start + TILE).min(n_values);
            for (light, row) in lights.iter_mut().zip(source).take(n) {
                to_light(&row[tile.clone()], self.n_channels == 4, &mut light[..tile.len()]);
            }
            for (sums, weights) in self.sums.iter_mut().zip(&self.rows[self.n_finished..]) {
                let weights =
                    std::array::from_fn(|row| if row < n { weights.at(self.n_pushed + row) } else { 0.0 });
                if weights != [0.0; ROWS] {
                    add_weighted(&mut sums[tile.clone()], &lights, weights);
                }
            }
        }
    }

    /// Resamples all rows horizontally to which no further source row contributes.
    fn finish_rows(&mut self, resampled: &mut [u8]) {
        while self.rows.get(self.n_finished).is_some_and(|weights| weights.end() <= self.n_pushed) {
            let Some(sums) = self.sums.pop_front() else { return };
            widen(&sums, self.n_channels, &mut self.pixels);
            self.spare.push(sums);
            let row_bytes = self.columns.len() * self.n_channels;
            let row = &mut resampled[self.n_finished * row_bytes..][..row_bytes];
            resample_row(&self.pixels, &self.columns, &mut self.resampled);
            for (pixel, light) in row.chunks_exact_mut(self.n_channels).zip(&self.resampled) {
                to_srgb(*light, pixel);
            }
            self.n_finished += 1;
        }
    }
}

multiversion! {
    fn to_light(values: &[u8], has_alpha: bool, light: &mut [f32]) = to_light_impl
}

/// Converts sRGB values to light. With alpha, each fourth value is alpha, by which the other three are multiplied.
#[inline(always)]
fn to_light_impl(values: &[u8], has_alpha: bool, light: &mut [f32]) {
    light.iter_mut().zip(values).for_each(|(light, &value)| *light = light_of(value));
    if has_alpha {
        for (light, &[.., alpha]) in light.as_chunks_mut::<4>().0.iter_mut().zip(values.as_chunks::<4>().0) {
            let alpha = f32::from(alpha) / 255.0;
            light.iter_mut().for_each(|light| *light *= alpha);
            light[3] = alpha;
        }
    }
}

/// The light (0–1) of an sRGB value. The exact curve needs a power, which is slow, and a table cannot be read by vector
/// instructions. A polynomial of degree 5, fitted to the curve at all values above 10, differs from it by at most 0.012
/// of the distance between two values. Up to 10, the curve is a straight line.
#[inline(always)]
fn light_of(value: u8) -> f32 {
    const ONE: f32 = 1.0 / 255.0;
    const LINEAR: f32 = 1.0 / 12.92;
    let x = f32::from(value) * ONE;
    let square = x * x;
    // The terms are added in pairs, so that few operations wait for each other.
    let high = (0.663_691_62 - x * 0.303_290_43) + square * 0.085_587_9;
    let curve = (0.000_924_23 + x * 0.032_571_58) + square * (0.520_619_48 + x * high);
    if x <= 0.040_45 { x * LINEAR } else { curve }
}

/// Converts the light of one pixel to sRGB values. Colours are divided by alpha.
fn to_srgb(light: [f32; 4], pixel: &mut [u8]) {
    let table = &*SRGB_OF_LIGHT;
    let value = |light: f32| table[(light.clamp(0.0, 1.0) * MAX_INDEX + 0.5) as usize];
    match pixel {
        [r, g, b, a] => {
            let alpha = light[3].clamp(0.0, 1.0);
            *a = (alpha * 255.0 + 0.5) as u8;
            let factor = if *a == 0 { 0.0 } else { 1.0 / alpha };
            [*r, *g, *b] = [light[0], light[1], light[2]].map(|light| value(light * factor));
        }
        _ => pixel.iter_mut().zip(light).for_each(|(to, light)| *to = value(light)),
    }
}

/// Spreads the values of a row so that each pixel has four.
fn widen(row: &[f32], n_channels: usize, pixels: &mut [[f32; 4]]) {
    match n_channels {
        3 => {
            let triples = row.as_chunks::<3>().0;
            pixels.iter_mut().zip(triples).for_each(|(to, &[r, g, b])| *to = [r, g, b, 0.0]);
        }
        4 => pixels.iter_mut().zip(row.as_chunks::<4>().0).for_each(|(to, from)| *to = *from),
        _ => pixels.iter_mut().zip(row).for_each(|(to, &gray)| *to = [gray, 0.0, 0.0, 0.0]),
    }
}

multiversion! {
    fn resample_row(pixels: &[[f32; 4]], columns: &[PairWeights], resampled: &mut [[f32; 4]]) = resample_row_impl
}

/// Computes the weighted sums of one row. Pairs of pixels are added to two sums, because each addition must wait for the
/// previous one of the same sum.
#[inline(always)]
fn resample_row_impl(pixels: &[[f32; 4]], columns: &[PairWeights], resampled: &mut [[f32; 4]]) {
    for (to, PairWeights { first, pairs }) in resampled.iter_mut().zip(columns) {
        let (pixels, _) = pixels[*first..].as_flattened().as_chunks::<8>();
        let mut sums = [0.0_f32; 8];
        for (pixels, weights) in pixels.iter().zip(pairs) {
            for ((sum, value), weight) in sums.iter_mut().zip(pixels).zip(weights) {
                *sum += value * weight;
            }
        }
        *to = std::array::from_fn(|channel| sums[channel] + sums[channel + 4]);
    }
}

multiversion! {
    fn add_weighted(sums: &mut [f32], lights: &Tile, weights: [f32; ROWS]) = add_weighted_impl
}

/// Adds the weighted sum of some rows.
#[inline(always)]
fn add_weighted_impl(sums: &mut [f32], lights: &Tile, weights: [f32; ROWS]) {
    let [a, b, c, d] = lights.each_ref().map(|light| &light[..sums.len()]);
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum +=
            (a[index] * weights[0] + b[index] * weights[1]) + (c[index] * weights[2] + d[index] * weights[3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srgb::to_linear;

    /// Numbers that look random, from 0 to 255.
    fn bytes(n: usize) -> Vec<u8> {
        let mixed = |i: usize| (i as u32).wrapping_mul(0x9e37_79b9).rotate_left(11).wrapping_mul(0x85eb_ca6b);
        (0..n).map(|i| (mixed(i) >> 24) as u8).collect()
    }

    fn floats(n: usize) -> Vec<f32> {
        bytes(n).iter().map(|&value| f32::from(value) / 100.0 - 0.6).collect()
    }

    #[test]
    fn light_of_each_srgb_value_differs_from_the_curve_by_little_and_converts_back_to_the_value() {
        let exact = |value: u8| to_linear(f32::from(value) / 255.0);
        for value in 0..=255_u8 {
            let light = light_of(value);
            let step = if value == 255 { exact(255) - exact(254) } else { exact(value + 1) - exact(value) };
            assert!((light - exact(value)).abs() <= step * 0.015, "{value}: {light}, not {}", exact(value));
            let mut pixel = [0];
            to_srgb([light; 4], &mut pixel);
            assert_eq!(pixel, [value]);
        }
    }

    #[test]
    fn vector_code_of_the_processor_gives_the_same_bits_as_portable_code() {
        for n in [1, 4, 7, 8, 31, 64, 1020, TILE] {
            for has_alpha in [false, true] {
                let n = if has_alpha { n.next_multiple_of(4) } else { n };
                let mut lights = [vec![0.0; n], vec![0.0; n]];
                to_light(&bytes(n), has_alpha, &mut lights[0]);
                to_light_impl(&bytes(n), has_alpha, &mut lights[1]);
                assert_eq!(lights[0], lights[1], "to_light of {n} values");
            }
            let mut tile: Tile = [[0.0; TILE]; ROWS];
            for (row, values) in tile.iter_mut().zip(floats(ROWS * TILE).chunks_exact(TILE)) {
                row.copy_from_slice(values);
            }
            let mut sums = [floats(n), floats(n)];
            add_weighted(&mut sums[0], &tile, [0.3, -0.04, 0.7, 0.11]);
            add_weighted_impl(&mut sums[1], &tile, [0.3, -0.04, 0.7, 0.11]);
            assert_eq!(sums[0], sums[1], "add_weighted of {n} values");

            let pixels = floats(4 * (n + 1)).as_chunks().0.to_vec();
            let kernel = KernelFunction { weight: |x: f64| (1.0 - x.abs()).max(0.0), radius: 1.0 };
            let columns = Weights::of_axis(n as u32, 0.0, n as f64, n.div_ceil(3) as u32, kernel);
            let columns: Vec<PairWeights> = columns.iter().map(Weights::in_pairs).collect();
            let mut rows = [vec![[0.0; 4]; columns.len()], vec![[0.0; 4]; columns.len()]];
            resample_row(&pixels, &columns, &mut rows[0]);
            resample_row_impl(&pixels, &columns, &mut rows[1]);
            assert_eq!(rows[0], rows[1], "resample_row of {n} pixels");
        }
    }
}
