//! Resampling of light: sRGB values are converted to amounts of light, resampled in 32-bit floats and
//! converted back. Colours are premultiplied by alpha.
//!
//! The rows of the source arrive from top to bottom. Each row is added to all rows of the result that depend
//! on the row, so that only a few rows are in memory. A finished row is then resampled horizontally.

use std::collections::VecDeque;
use std::sync::LazyLock;

use crate::SourceWindow;
use crate::simd::multiversion;
use crate::srgb::{from_linear, to_linear};

/// The number of source rows that are added to the rows of the result at once.
const ROWS: usize = 4;

/// The number of values of a row that are handled at once. The values of all rows fit into the cache of a
/// processor core.
const TILE: usize = 1024;

/// The largest index of the table from light to sRGB. One step is less than a twentieth of an sRGB level.
const MAX_INDEX: f32 = 65_535.0;

static LIGHT_OF_SRGB: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|value| to_linear(value as f32 / 255.0)));

static SRGB_OF_LIGHT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let nearest = |index: usize| (from_linear(index as f32 / MAX_INDEX) * 255.0).round() as u8;
    (0..=MAX_INDEX as usize).map(nearest).collect()
});

/// A resampling kernel: an even function of the distance in pixels, and the radius outside of which the
/// function is 0.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "described by the type")]
pub struct KernelFunction {
    pub weight: fn(f64) -> f64,
    pub radius: f64,
}

/// The weights with which source pixels contribute to one pixel of the result along an axis. Their sum is 1.
#[derive(Debug)]
struct Weights {
    /// The first source pixel that contributes.
    first: usize,
    weights: Vec<f32>,
}

impl Weights {
    /// Computes the weights of all `to` pixels of the result. The source has `n` pixels, and the part from
    /// `start` with the length `length` becomes the result. Where the kernel extends beyond the source, the
    /// other weights are increased.
    fn of_axis(n: u32, start: f64, length: f64, to: u32, kernel: KernelFunction) -> Vec<Self> {
        let step = length / f64::from(to);
        let stretch = step.max(1.0);
        let reach = kernel.radius * stretch;
        let of_pixel = |index: u32| {
            let centre = start + (f64::from(index) + 0.5) * step;
            let first = (centre - reach).floor().clamp(0.0, f64::from(n - 1)) as usize;
            let end = ((centre + reach).ceil() as usize).clamp(first + 1, n as usize);
            let weight = |at: usize| (kernel.weight)((at as f64 + 0.5 - centre) / stretch);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            Self { first, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        };
        (0..to).map(of_pixel).collect()
    }

    /// The index after the last source pixel that contributes.
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    /// The weight of a source pixel: 0 for a pixel that does not contribute.
    fn at(&self, pixel: usize) -> f32 {
        pixel.checked_sub(self.first).and_then(|index| self.weights.get(index)).copied().unwrap_or(0.0)
    }
}

/// Resamples the light of a picture whose rows arrive from top to bottom.
#[derive(Debug)]
pub struct LightResampler {
    width: usize,
    n_channels: usize,
    columns: Vec<Weights>,
    rows: Vec<Weights>,
    /// The number of source rows that were pushed.
    n_pushed: usize,
    /// The number of finished rows of the result.
    n_finished: usize,
    /// The light of the last pushed rows.
    lights: [Vec<f32>; ROWS],
    /// The sums of the rows of the result from `n_finished` on.
    sums: VecDeque<Vec<f32>>,
    spare: Vec<Vec<f32>>,
    /// The light of a finished row, with four values for each pixel.
    pixels: Vec<[f32; 4]>,
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
        let n_values = width as usize * n_channels;
        Self {
            width: width as usize,
            n_channels,
            columns: Weights::of_axis(width, window.left, window.width, to.0, kernel),
            rows: Weights::of_axis(height, window.top, window.height, to.1, kernel),
            n_pushed: 0,
            n_finished: 0,
            lights: std::array::from_fn(|_| vec![0.0; n_values]),
            sums: VecDeque::new(),
            spare: Vec::new(),
            pixels: vec![[0.0; 4]; width as usize],
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
            for (index, light) in self.lights.iter_mut().take(n).enumerate() {
                to_light(&source[(done + index) * stride..][..n_values], self.n_channels, light);
            }
            self.add_rows(n);
            self.n_pushed += n;
            done += n;
            self.finish_rows(resampled);
        }
    }

    /// Adds the first `n` rows of `lights` to the sums.
    fn add_rows(&mut self, n: usize) {
        let n_values = self.width * self.n_channels;
        let end = self.n_pushed + n;
        let n_active = self.rows[self.n_finished..].iter().take_while(|weights| weights.first < end).count();
        while self.sums.len() < n_active {
            let mut sums = self.spare.pop().unwrap_or_default();
            sums.clear();
            sums.resize(n_values, 0.0);
            self.sums.push_back(sums);
        }
        for start in (0..n_values).step_by(TILE) {
            let tile = start..(start + TILE).min(n_values);
            let lights = self.lights.each_ref().map(|light| &light[tile.clone()]);
            for (sums, weights) in self.sums.iter_mut().zip(&self.rows[self.n_finished..]) {
                let weights =
                    std::array::from_fn(|row| if row < n { weights.at(self.n_pushed + row) } else { 0.0 });
                if weights != [0.0; ROWS] {
                    add_weighted(&mut sums[tile.clone()], lights, weights);
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
            for (pixel, weights) in row.chunks_exact_mut(self.n_channels).zip(&self.columns) {
                let light = weighted_sum(&self.pixels[weights.first..], &weights.weights);
                to_srgb(light, pixel);
            }
            self.n_finished += 1;
        }
    }
}

/// Converts sRGB values to light. Colours with alpha are multiplied by alpha.
fn to_light(row: &[u8], n_channels: usize, light: &mut [f32]) {
    let table = &*LIGHT_OF_SRGB;
    if n_channels == 4 {
        for (to, &[r, g, b, a]) in light.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<4>().0) {
            let alpha = f32::from(a) / 255.0;
            let color = [r, g, b].map(|value| table[usize::from(value)] * alpha);
            *to = [color[0], color[1], color[2], alpha];
        }
    } else {
        light.iter_mut().zip(row).for_each(|(to, &value)| *to = table[usize::from(value)]);
    }
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
        4 => pixels.copy_from_slice(row.as_chunks::<4>().0),
        _ => pixels.iter_mut().zip(row).for_each(|(to, &gray)| *to = [gray, 0.0, 0.0, 0.0]),
    }
}

/// The weighted sum of the first pixels, one for each weight. Two sums are computed at a time, because each
/// addition must wait for the previous one of the same sum.
fn weighted_sum(pixels: &[[f32; 4]], weights: &[f32]) -> [f32; 4] {
    let (pixel_pairs, weight_pairs) = (pixels[..weights.len()].as_chunks::<2>(), weights.as_chunks::<2>());
    let mut sums = [[0.0_f32; 4]; 2];
    for (pixels, weights) in pixel_pairs.0.iter().zip(weight_pairs.0) {
        for ((sum, pixel), weight) in sums.iter_mut().zip(pixels).zip(weights) {
            for channel in 0..4 {
                sum[channel] += pixel[channel] * weight;
            }
        }
    }
    let mut sum: [f32; 4] = std::array::from_fn(|channel| sums[0][channel] + sums[1][channel]);
    for (pixel, weight) in pixel_pairs.1.iter().zip(weight_pairs.1) {
        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value * weight);
    }
    sum
}

multiversion! {
    fn add_weighted(sums: &mut [f32], lights: [&[f32]; ROWS], weights: [f32; ROWS]) = add_weighted_impl
}

/// Adds the weighted sum of some rows.
#[inline(always)]
fn add_weighted_impl(sums: &mut [f32], lights: [&[f32]; ROWS], weights: [f32; ROWS]) {
    let [a, b, c, d] = lights.map(|light| &light[..sums.len()]);
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum +=
            (a[index] * weights[0] + b[index] * weights[1]) + (c[index] * weights[2] + d[index] * weights[3]);
    }
}
