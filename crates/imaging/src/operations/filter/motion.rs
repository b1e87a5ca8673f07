//! The effect `filter.blur` in the mode `motion`: replaces each pixel by the mean along a line through the
//! pixel, as if the camera had moved. The computing time does not depend on the length of the line.
//!
//! The lines are one pixel apart. Along each line, samples are interpolated linearly between the two nearest
//! pixels, and a moving average is computed over the samples. Each result pixel is interpolated linearly
//! between the averages on the two lines next to the pixel, so only two lines are in memory. At multiples of
//! 45° the lines pass through the centres of pixels, and nothing is interpolated.

use super::super::channels::is_opaque;
use super::super::resample::{premultiply_in_place, unpremultiply_in_place};
use crate::{Channels, Image, Scratch};

/// The number of steps in one pixel. Positions perpendicular to the axis `along` are rounded to 1/256 of a
/// pixel.
const FRACTIONS: i64 = 256;

/// Blurs along a line that extends `radius` pixels to both sides, at `angle` degrees counter-clockwise from
/// the direction to the right. Beyond an edge of the image its outermost pixel is repeated. Colours are
/// premultiplied by alpha.
pub(super) fn blur(mut image: Image, radius: f32, angle: f32, scratch: &mut Scratch) -> Image {
    let has_alpha = !is_opaque(&image);
    if has_alpha {
        premultiply_in_place(&mut image);
    }
    let mut data = scratch.take(image.data().len());
    let motion = Motion::new(&image, radius, angle);
    match image.channels() {
        Channels::Gray => motion.run::<1>(&image, &mut data),
        Channels::Rgb => motion.run::<3>(&image, &mut data),
        Channels::Rgba => motion.run::<4>(&image, &mut data),
    }
    let mut blurred = Image::new(image.width(), image.height(), image.channels(), data);
    scratch.give(image.into_data());
    if has_alpha {
        unpremultiply_in_place(&mut blurred);
    }
    blurred
}

/// One of the two axes of an image.
#[derive(Debug, Clone, Copy)]
struct Axis {
    n_pixels: usize,
    /// Distance in the buffer from one pixel to the next pixel of the axis, in pixels.
    step: usize,
}

impl Axis {
    /// Returns `position`, or the nearest position inside of the image if `position` lies outside.
    fn clamp(self, position: i64) -> usize {
        position.clamp(0, self.n_pixels as i64 - 1) as usize
    }
}

/// The direction and length of the blur lines in an image.
struct Motion {
    /// The axis (columns or rows) along which consecutive samples of a line are one pixel apart.
    along: Axis,
    across: Axis,
    /// The mean includes `reach` samples on each side of the centre with the weight 1, and the next sample on
    /// each side with the weight `edge`.
    reach: usize,
    edge: f32,
    /// The blur line through the first pixel of the image, as a function: for each position on the axis
    /// `along`, beginning with the position `-margin`, the position of this line on the axis `across`, in 1/256
    /// of a pixel.
    offsets: Vec<i64>,
    margin: usize,
}

impl Motion {
    fn new(image: &Image, radius: f32, angle: f32) -> Self {
        let (sin, cos) = f64::from(angle).to_radians().sin_cos();
        let columns = Axis { n_pixels: image.width() as usize, step: 1 };
        let rows = Axis { n_pixels: image.height() as usize, step: image.width() as usize };
        let is_horizontal = cos.abs() >= sin.abs();
        // The slope has the opposite sign of the angle, because rows are counted downwards.
        let (along, across, step, slope) =
            if is_horizontal { (columns, rows, cos, -sin / cos) } else { (rows, columns, sin, -cos / sin) };
        let reach = f64::from(radius) * step.abs();
        let margin = reach as usize + 1;
        let positions = -(margin as i64)..(along.n_pixels + margin) as i64;
        let offsets =
            positions.map(|position| (position as f64 * slope * FRACTIONS as f64).round() as i64).collect();
        Self { along, across, reach: reach as usize, edge: reach.fract() as f32, offsets, margin }
    }

    fn run<const N: usize>(&self, image: &Image, data: &mut [u8]) {
        let from = image.data().as_chunks::<N>().0;
        let to = data.as_chunks_mut::<N>().0;
        let inside = &self.offsets[self.margin..][..self.along.n_pixels];
        let (&first, &last) = (
            inside.first().expect("an image has at least one pixel per line"),
            inside.last().expect("an image has at least one pixel per line"),
        );
        let far = (self.across.n_pixels as i64 - 1) * FRACTIONS;
        let lines = (-first.max(last)).div_euclid(FRACTIONS)..=(far - first.min(last)).div_euclid(FRACTIONS);

        let mut samples = vec![[0; N]; self.offsets.len()];
        let mut line = vec![[0.0; N]; self.along.n_pixels];
        let mut next = line.clone();
        self.write_means(from, *lines.start(), &mut samples, &mut line);
        for number in lines {
            self.write_means(from, number + 1, &mut samples, &mut next);
            for position in self.positions(number) {
                // `across` is the first pixel at this `position` that is on the line or beyond the line. The
                // pixel lies before the next line, because lines are one pixel apart.
                let on_line = number * FRACTIONS + inside[position];
                let across = on_line.div_euclid(FRACTIONS) + i64::from(on_line.rem_euclid(FRACTIONS) > 0);
                if (0..self.across.n_pixels as i64).contains(&across) {
                    let share = (across * FRACTIONS - on_line) as f32 / FRACTIONS as f32;
                    let pixel = &mut to[position * self.along.step + across as usize * self.across.step];
                    for (value, (a, b)) in pixel.iter_mut().zip(line[position].iter().zip(&next[position])) {
                        *value = ((a + (b - a) * share) * (1.0 / FRACTIONS as f32) + 0.5) as u8;
                    }
                }
            }
            std::mem::swap(&mut line, &mut next);
        }
    }

    /// The range of positions on the axis `along` at which the line with the number `number`, or one of the
    /// two lines next to it, is inside of the image.
    fn positions(&self, number: i64) -> std::ops::Range<usize> {
        let inside = &self.offsets[self.margin..][..self.along.n_pixels];
        let before = |offset: i64| (number + 1) * FRACTIONS + offset < 0;
        let behind =
            |offset: i64| (number - 1) * FRACTIONS + offset > (self.across.n_pixels as i64 - 1) * FRACTIONS;
        let rising = inside.last() >= inside.first();
        let start = inside.partition_point(|&offset| if rising { before(offset) } else { behind(offset) });
        let end = inside.partition_point(|&offset| if rising { !behind(offset) } else { !before(offset) });
        start..end.max(start)
    }

    /// Writes the mean around each position of the line to `line`, in 1/256 of a level. Only the positions
    /// that [`Motion::positions`] returns are written.
    fn write_means<const N: usize>(
        &self,
        from: &[[u8; N]],
        number: i64,
        samples: &mut [[i32; N]],
        line: &mut [[f32; N]],
    ) {
        let positions = self.positions(number);
        if positions.is_empty() {
            return;
        }
        // The samples begin `margin` before the first position and end `margin` after the last position.
        let samples = &mut samples[..positions.len() + 2 * self.margin];
        for (i, sample) in samples.iter_mut().enumerate() {
            let across = number * FRACTIONS + self.offsets[positions.start + i];
            let position =
                self.along.clamp((positions.start + i) as i64 - self.margin as i64) * self.along.step;
            let upper = across.div_euclid(FRACTIONS);
            let share = across.rem_euclid(FRACTIONS) as i32;
            let [a, b] =
                [upper, upper + 1].map(|row| &from[position + self.across.clamp(row) * self.across.step]);
            for (value, (&a, &b)) in sample.iter_mut().zip(a.iter().zip(b)) {
                *value = i32::from(a) * (FRACTIONS as i32 - share) + i32::from(b) * share;
            }
        }
        let n_whole = 2 * self.reach + 1;
        let weight = 1.0 / (n_whole as f32 + 2.0 * self.edge);
        // The sum has at most 201 samples of at most 255 · 256. `f32` represents such a sum exactly.
        let mut sum = [0; N];
        for sample in &samples[1..n_whole] {
            sum.iter_mut().zip(sample).for_each(|(sum, value)| *sum += value);
        }
        for (i, mean) in line[positions].iter_mut().enumerate() {
            let (left, leaving) = (samples[i], samples[i + 1]);
            let (entering, right) = (samples[i + n_whole], samples[i + n_whole + 1]);
            for channel in 0..N {
                sum[channel] += entering[channel];
                let ends = (left[channel] + right[channel]) as f32;
                mean[channel] = (sum[channel] as f32 + ends * self.edge) * weight;
                sum[channel] -= leaving[channel];
            }
        }
    }
}
