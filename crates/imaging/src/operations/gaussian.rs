//! Smoothing by running means, in time that does not depend on the radius. `filter.blur` is built on it.
//!
//! A gaussian is three *extended* box blurs (Gwosdek, Grewenig, Bruhn, Weickert: *Theoretical foundations of gaussian
//! convolution by extended box filtering*, 2011): means over `2r + 1` pixels and a share of the two next to them, with
//! exactly the variance that was asked for. Edges are clamped, alpha is premultiplied.
//!
//! Both directions work on strips of 32 lanes that fit the cache: rows side by side, or columns. All arithmetic is on
//! whole multiples of 1/64 of a level, which `f32` sums exactly, so means do not drift along a row. Beyond its ends a strip is continued by as many repeated
//! pixels as all its means together reach: a mean of means near an edge then is what it would be on an endless canvas.

use super::channels::is_opaque;
use super::resample::{premultiply_in_place, unpremultiply_in_place};
use crate::{Channels, Image};

const N_LANES: usize = 32;

/// One place along the strip: what lies there in each of the rows (or columns) that are worked on together.
type Lanes = [f32; N_LANES];

/// Sub-levels between two values of a byte.
const STEPS: f32 = 64.0;

/// Added and taken away again, it leaves a whole number (below 2²² in size).
const ROUNDER: f32 = 12_582_912.0;

/// Adding this puts a whole number from 0 to 255 into the low byte of an `f32`.
const TO_BYTE: f32 = 8_388_608.0;

/// A mean over `2·reach + 1` places with weight 1 and the two beyond with the weight `edge`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    reach: usize,
    edge: f32,
}

impl Mean {
    /// A box blur; a fraction of the radius counts as a part of the outermost pixels.
    pub(super) fn of_radius(radius: f32) -> Self {
        Self { reach: radius as usize, edge: radius.fract() }
    }

    /// One of three equal means that together have the standard deviation `sigma`: equation (14) of the paper.
    pub(super) fn third_of_gaussian(sigma: f32) -> Self {
        let variance = sigma * sigma / 3.0;
        let reach = (0.5 * (12.0 * variance + 1.0).sqrt() - 0.5).floor();
        let edge = (2.0 * reach + 1.0) * (reach * (reach + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (reach + 1.0) * (reach + 1.0)));
        Self { reach: reach as usize, edge }
    }

    /// Writes the means of `from` to `to`.
    fn run(self, from: &[Lanes], to: &mut [Lanes]) {
        let last = from.len() - 1;
        let weight = 1.0 / (2.0 * self.reach as f32 + 1.0 + 2.0 * self.edge);
        let edge = self.edge * weight;
        let mut sum = from[0].map(|value| value * (self.reach + 1) as f32);
        for ahead in 1..=self.reach {
            let next = &from[ahead.min(last)];
            sum.iter_mut().zip(next).for_each(|(sum, value)| *sum += value);
        }
        for (i, mean) in to.iter_mut().enumerate() {
            let entering = &from[(i + self.reach + 1).min(last)];
            let leaving = &from[i.saturating_sub(self.reach)];
            let left = &from[i.saturating_sub(self.reach + 1)];
            for lane in 0..N_LANES {
                let exact = sum[lane] * weight + (entering[lane] + left[lane]) * edge;
                mean[lane] = (exact + ROUNDER) - ROUNDER;
                sum[lane] += entering[lane] - leaving[lane];
            }
        }
    }
}

/// A gaussian blur of the standard deviation `sigma`, in pixels.
pub(super) fn blur(image: &mut Image, sigma: f32) {
    smooth(image, &[Mean::third_of_gaussian(sigma); 3]);
}

/// Runs the means one after the other, along both axes.
pub(super) fn smooth(image: &mut Image, means: &[Mean]) {
    let has_alpha = !is_opaque(image);
    if has_alpha {
        premultiply_in_place(image);
    }
    let mut strip = Strip::new(means, image.width().max(image.height()) as usize);
    match image.channels() {
        Channels::Gray => along_rows::<1>(image, &mut strip),
        Channels::Rgb => along_rows::<3>(image, &mut strip),
        Channels::Rgba => along_rows::<4>(image, &mut strip),
    }
    along_columns(image, &mut strip);
    if has_alpha {
        unpremultiply_in_place(image);
    }
}

/// Working memory: the lanes of all places and of the margins at both ends, before and after a mean.
struct Strip<'a> {
    means: &'a [Mean],
    margin: usize,
    now: Vec<Lanes>,
    next: Vec<Lanes>,
}

impl<'a> Strip<'a> {
    fn new(means: &'a [Mean], n_places: usize) -> Self {
        let margin = means.iter().map(|mean| mean.reach + 1).sum();
        let lanes = vec![[0.0; N_LANES]; n_places + 2 * margin];
        Self { means, margin, next: lanes.clone(), now: lanes }
    }

    /// The first `n_places` between the margins.
    fn places(&mut self, n_places: usize) -> &mut [Lanes] {
        &mut self.now[self.margin..][..n_places]
    }

    /// Fills the margins and runs the means over the first `n_places`.
    fn run(&mut self, n_places: usize) {
        let end = self.margin + n_places;
        let (first, last) = (self.now[self.margin], self.now[end - 1]);
        self.now[..self.margin].fill(first);
        self.now[end..end + self.margin].fill(last);
        for mean in self.means {
            mean.run(&self.now[..end + self.margin], &mut self.next[..end + self.margin]);
            std::mem::swap(&mut self.now, &mut self.next);
        }
    }
}

/// Left to right, as many rows of `N`-byte pixels at a time as there are lanes for.
fn along_rows<const N: usize>(image: &mut Image, strip: &mut Strip<'_>) {
    let width = image.width() as usize;
    let stride = width * N;
    for rows in image.data_mut().chunks_mut(stride * (N_LANES / N)) {
        for (i, row) in rows.chunks_exact(stride).enumerate() {
            for (lanes, pixel) in strip.places(width).iter_mut().zip(row.as_chunks::<N>().0) {
                for (lane, &value) in lanes[i * N..][..N].iter_mut().zip(pixel) {
                    *lane = f32::from(value) * STEPS;
                }
            }
        }
        strip.run(width);
        for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
            for (lanes, pixel) in strip.places(width).iter().zip(row.as_chunks_mut::<N>().0) {
                for (&lane, value) in lanes[i * N..][..N].iter().zip(pixel) {
                    *value = to_byte(lane);
                }
            }
        }
    }
}

/// Top to bottom, as many bytes of a row at a time as there are lanes.
fn along_columns(image: &mut Image, strip: &mut Strip<'_>) {
    let height = image.height() as usize;
    let stride = image.width() as usize * image.channels().count();
    let data = image.data_mut();
    for start in (0..stride).step_by(N_LANES) {
        let n_lanes = N_LANES.min(stride - start);
        for (lanes, row) in strip.places(height).iter_mut().zip(data.chunks_exact(stride)) {
            for (lane, &value) in lanes.iter_mut().zip(&row[start..start + n_lanes]) {
                *lane = f32::from(value) * STEPS;
            }
        }
        strip.run(height);
        for (lanes, row) in strip.places(height).iter().zip(data.chunks_exact_mut(stride)) {
            for (&lane, value) in lanes.iter().zip(&mut row[start..start + n_lanes]) {
                *value = to_byte(lane);
            }
        }
    }
}

/// Rounds to a byte. A conversion by `as` would not be vectorised, as it has to care for values out of range.
fn to_byte(lane: f32) -> u8 {
    (lane * (1.0 / STEPS) + TO_BYTE).to_bits() as u8
}
