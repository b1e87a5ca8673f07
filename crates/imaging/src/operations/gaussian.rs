//! Box blur and gaussian blur for `filter.blur`, computed by running means (moving averages). The computing
//! time does not depend on the radius.
//!
//! A gaussian is approximated by three *extended* box blurs (Gwosdek, Grewenig, Bruhn, Weickert: *Theoretical
//! foundations of gaussian convolution by extended box filtering*, 2011). Each extended box blur is a mean
//! over `2r + 1` pixels, plus a fraction of the next pixel on each side. The fraction is chosen so that the
//! variance is exactly the requested variance. Beyond an edge of the image, the outermost pixel is repeated.
//! Colours are premultiplied by alpha.
//!
//! The horizontal pass processes strips of neighbouring rows, and the vertical pass strips of neighbouring
//! columns. A strip has 32 lanes and fits into the cache. All values are whole multiples of 1/64 of a level
//! (1/255 of the full range). `f32` adds such values exactly, so the running sum collects no rounding errors
//! along a row.
//!
//! Each end of a strip is extended by copies of the outermost pixel. The number of copies is the sum of the
//! distances, in pixels, over which the moving averages read. Therefore moving averages in succession give
//! the same result near an edge as if the outermost pixel were repeated without end.

use super::channels::is_opaque;
use super::resample::{premultiply_in_place, unpremultiply_in_place};
use crate::{Channels, Image};

/// The number of lanes that the filter processes together. A lane is one channel of one row (or of one
/// column).
const N_LANES: usize = 32;

/// The values of all lanes at one position along the strip.
type Lanes = [f32; N_LANES];

/// The number of steps in one level (1/255 of the full range). All values are whole multiples of 1/64 of a
/// level.
const STEPS_PER_LEVEL: f32 = 64.0;

/// Adding this constant to an `f32` and subtracting it again rounds the `f32` to a whole number, if the `f32`
/// is below 2²² in magnitude.
const ROUNDING_OFFSET: f32 = 12_582_912.0;

/// After this constant was added to a whole number from 0 to 255, the lowest byte of the `f32` is this
/// number.
const BYTE_OFFSET: f32 = 8_388_608.0;

/// A moving average: a weighted mean over neighbouring positions. `2·radius + 1` positions have the weight 1,
/// and the next position on each side has the weight `edge`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    radius: usize,
    edge: f32,
}

impl Mean {
    /// The moving average of a box blur. The fractional part of the radius is the weight of the outermost
    /// pixel on each side.
    pub(super) fn of_radius(radius: f32) -> Self {
        Self { radius: radius as usize, edge: radius.fract() }
    }

    /// The extended box blur which, when run three times, approximates a gaussian blur with the standard
    /// deviation `sigma` (Gwosdek et al. 2011, equation (14)).
    pub(super) fn third_of_gaussian(sigma: f32) -> Self {
        let variance = sigma * sigma / 3.0;
        let radius = (0.5 * (12.0 * variance + 1.0).sqrt() - 0.5).floor();
        let edge = (2.0 * radius + 1.0) * (radius * (radius + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (radius + 1.0) * (radius + 1.0)));
        Self { radius: radius as usize, edge }
    }

    /// Writes the weighted mean around each position of `from` to the same position of `to`.
    fn run(self, from: &[Lanes], to: &mut [Lanes]) {
        let last = from.len() - 1;
        let weight = 1.0 / (2.0 * self.radius as f32 + 1.0 + 2.0 * self.edge);
        let edge = self.edge * weight;
        let mut sum = from[0].map(|value| value * (self.radius + 1) as f32);
        for distance in 1..=self.radius {
            let next = &from[distance.min(last)];
            sum.iter_mut().zip(next).for_each(|(sum, value)| *sum += value);
        }
        for (i, mean) in to.iter_mut().enumerate() {
            let entering = &from[(i + self.radius + 1).min(last)];
            let leaving = &from[i.saturating_sub(self.radius)];
            let left = &from[i.saturating_sub(self.radius + 1)];
            for lane in 0..N_LANES {
                let exact = sum[lane] * weight + (entering[lane] + left[lane]) * edge;
                mean[lane] = (exact + ROUNDING_OFFSET) - ROUNDING_OFFSET;
                sum[lane] += entering[lane] - leaving[lane];
            }
        }
    }
}

/// Blurs with a gaussian whose standard deviation is `sigma` pixels.
pub(super) fn blur(image: &mut Image, sigma: f32) {
    smooth(image, &[Mean::third_of_gaussian(sigma); 3]);
}

/// Runs all moving averages one after the other, first along the rows and then along the columns.
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

/// Working memory for one strip, with margins at both ends: the input of a moving average (`current`) and its
/// output (`next`).
struct Strip<'a> {
    means: &'a [Mean],
    margin: usize,
    current: Vec<Lanes>,
    next: Vec<Lanes>,
}

impl<'a> Strip<'a> {
    fn new(means: &'a [Mean], n_positions: usize) -> Self {
        let margin = means.iter().map(|mean| mean.radius + 1).sum();
        let lanes = vec![[0.0; N_LANES]; n_positions + 2 * margin];
        Self { means, margin, next: lanes.clone(), current: lanes }
    }

    /// The values of the first `n_positions` pixels of the strip. The margin before these pixels is not
    /// included.
    fn positions(&mut self, n_positions: usize) -> &mut [Lanes] {
        &mut self.current[self.margin..][..n_positions]
    }

    /// Fills the margins and runs the moving averages over the first `n_positions` positions.
    fn run(&mut self, n_positions: usize) {
        let end = self.margin + n_positions;
        let (first, last) = (self.current[self.margin], self.current[end - 1]);
        self.current[..self.margin].fill(first);
        self.current[end..end + self.margin].fill(last);
        for mean in self.means {
            mean.run(&self.current[..end + self.margin], &mut self.next[..end + self.margin]);
            std::mem::swap(&mut self.current, &mut self.next);
        }
    }
}

/// Blurs along the rows. Each row of `N`-byte pixels takes `N` lanes.
fn along_rows<const N: usize>(image: &mut Image, strip: &mut Strip<'_>) {
    let width = image.width() as usize;
    let stride = width * N;
    for rows in image.data_mut().chunks_mut(stride * (N_LANES / N)) {
        for (i, row) in rows.chunks_exact(stride).enumerate() {
            for (lanes, pixel) in strip.positions(width).iter_mut().zip(row.as_chunks::<N>().0) {
                for (lane, &value) in lanes[i * N..][..N].iter_mut().zip(pixel) {
                    *lane = f32::from(value) * STEPS_PER_LEVEL;
                }
            }
        }
        strip.run(width);
        for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
            for (lanes, pixel) in strip.positions(width).iter().zip(row.as_chunks_mut::<N>().0) {
                for (&lane, value) in lanes[i * N..][..N].iter().zip(pixel) {
                    *value = to_byte(lane);
                }
            }
        }
    }
}

/// Blurs along the columns. Each byte of a row takes one lane.
fn along_columns(image: &mut Image, strip: &mut Strip<'_>) {
    let height = image.height() as usize;
    let stride = image.width() as usize * image.channels().count();
    let data = image.data_mut();
    for start in (0..stride).step_by(N_LANES) {
        let n_lanes = N_LANES.min(stride - start);
        for (lanes, row) in strip.positions(height).iter_mut().zip(data.chunks_exact(stride)) {
            for (lane, &value) in lanes.iter_mut().zip(&row[start..start + n_lanes]) {
                *lane = f32::from(value) * STEPS_PER_LEVEL;
            }
        }
        strip.run(height);
        for (lanes, row) in strip.positions(height).iter().zip(data.chunks_exact_mut(stride)) {
            for (&lane, value) in lanes.iter().zip(&mut row[start..start + n_lanes]) {
                *value = to_byte(lane);
            }
        }
    }
}

/// Rounds a value to a byte. The conversion `as u8` is not used, because it also clamps, and the compiler
/// does not vectorise the clamping.
fn to_byte(lane: f32) -> u8 {
    (lane * (1.0 / STEPS_PER_LEVEL) + BYTE_OFFSET).to_bits() as u8
}
