//! `filter.blur` of the mode `motion`: the mean along a line through each pixel, as a camera that moves would take it, in
//! time that does not depend on the length of the line.
//!
//! The picture is sheared so that the lines run along its longer axis, there a running mean goes along each, and the
//! result is sheared back. Both shears interpolate linearly between two pixels; at multiples of 45° there is nothing to
//! interpolate. Only two lines are in memory at a time: two neighbours give the pixels that lie between them.

use super::super::channels::is_opaque;
use super::super::resample::{premultiply_in_place, unpremultiply_in_place};
use crate::{Channels, Image, Scratch};

/// Parts of a pixel to which places across the lines are rounded.
const PARTS: i64 = 256;

/// Blurs along a line of `radius` pixels to both sides, `angle` degrees counter-clockwise from the right. Edges are
/// clamped, alpha is premultiplied.
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

/// One of the two axes of a picture.
#[derive(Debug, Clone, Copy)]
struct Axis {
    n_pixels: usize,
    /// Pixels from one to the next in memory.
    step: usize,
}

impl Axis {
    /// The nearest place that there is.
    fn clamp(self, place: i64) -> usize {
        place.clamp(0, self.n_pixels as i64 - 1) as usize
    }
}

/// The lines of a picture.
struct Motion {
    /// Along which each step of a line goes one pixel.
    along: Axis,
    across: Axis,
    /// Whole pixels to each side, and how much of the next.
    reach: usize,
    edge: f32,
    /// How far across, in parts of a pixel, the line through the origin is at each place along, from `-margin` on.
    shift: Vec<i64>,
    margin: usize,
}

impl Motion {
    fn new(image: &Image, radius: f32, angle: f32) -> Self {
        let (sin, cos) = f64::from(angle).to_radians().sin_cos();
        let columns = Axis { n_pixels: image.width() as usize, step: 1 };
        let rows = Axis { n_pixels: image.height() as usize, step: image.width() as usize };
        let flat = cos.abs() >= sin.abs();
        // Rows are counted downwards.
        let (along, across, step, slope) =
            if flat { (columns, rows, cos, -sin / cos) } else { (rows, columns, sin, -cos / sin) };
        let reach = f64::from(radius) * step.abs();
        let margin = reach as usize + 1;
        let places = -(margin as i64)..(along.n_pixels + margin) as i64;
        let shift = places.map(|place| (place as f64 * slope * PARTS as f64).round() as i64).collect();
        Self { along, across, reach: reach as usize, edge: reach.fract() as f32, shift, margin }
    }

    fn run<const N: usize>(&self, image: &Image, data: &mut [u8]) {
        let from = image.data().as_chunks::<N>().0;
        let to = data.as_chunks_mut::<N>().0;
        let inside = &self.shift[self.margin..][..self.along.n_pixels];
        let (&first, &last) = (inside.first().expect("a side has pixels"), inside.last().expect("as before"));
        let far = (self.across.n_pixels as i64 - 1) * PARTS;
        let lines = (-first.max(last)).div_euclid(PARTS)..=(far - first.min(last)).div_euclid(PARTS);

        let mut strip = vec![[0; N]; self.shift.len()];
        let mut line = vec![[0.0; N]; self.along.n_pixels];
        let mut next = line.clone();
        self.mean(from, *lines.start(), &mut strip, &mut line);
        for number in lines {
            self.mean(from, number + 1, &mut strip, &mut next);
            for place in self.places(number) {
                // The first pixel at or above the line; below the next line, as those are one pixel apart.
                let on_line = number * PARTS + inside[place];
                let across = on_line.div_euclid(PARTS) + i64::from(on_line.rem_euclid(PARTS) > 0);
                if (0..self.across.n_pixels as i64).contains(&across) {
                    let share = (across * PARTS - on_line) as f32 / PARTS as f32;
                    let pixel = &mut to[place * self.along.step + across as usize * self.across.step];
                    for (value, (a, b)) in pixel.iter_mut().zip(line[place].iter().zip(&next[place])) {
                        *value = ((a + (b - a) * share) * (1.0 / PARTS as f32) + 0.5) as u8;
                    }
                }
            }
            std::mem::swap(&mut line, &mut next);
        }
    }

    /// The places at which a line, or one of its two neighbours, is inside the picture.
    fn places(&self, number: i64) -> std::ops::Range<usize> {
        let inside = &self.shift[self.margin..][..self.along.n_pixels];
        let before = |shift: i64| (number + 1) * PARTS + shift < 0;
        let behind = |shift: i64| (number - 1) * PARTS + shift > (self.across.n_pixels as i64 - 1) * PARTS;
        let rising = inside.last() >= inside.first();
        let start = inside.partition_point(|&shift| if rising { before(shift) } else { behind(shift) });
        let end = inside.partition_point(|&shift| if rising { !behind(shift) } else { !before(shift) });
        start..end.max(start)
    }

    /// Writes the means along a line, in parts of a level, where they are needed.
    fn mean<const N: usize>(
        &self,
        from: &[[u8; N]],
        number: i64,
        strip: &mut [[i32; N]],
        line: &mut [[f32; N]],
    ) {
        let places = self.places(number);
        if places.is_empty() {
            return;
        }
        // From one margin before the first place to one behind the last.
        let strip = &mut strip[..places.len() + 2 * self.margin];
        for (i, sample) in strip.iter_mut().enumerate() {
            let across = number * PARTS + self.shift[places.start + i];
            let place = self.along.clamp((places.start + i) as i64 - self.margin as i64) * self.along.step;
            let upper = across.div_euclid(PARTS);
            let share = across.rem_euclid(PARTS) as i32;
            let [a, b] =
                [upper, upper + 1].map(|row| &from[place + self.across.clamp(row) * self.across.step]);
            for (value, (&a, &b)) in sample.iter_mut().zip(a.iter().zip(b)) {
                *value = i32::from(a) * (PARTS as i32 - share) + i32::from(b) * share;
            }
        }
        let n_whole = 2 * self.reach + 1;
        let weight = 1.0 / (n_whole as f32 + 2.0 * self.edge);
        // Sums of at most 201 samples of at most 255 · 256: whole numbers that `f32` still holds.
        let mut sum = [0; N];
        for sample in &strip[1..n_whole] {
            sum.iter_mut().zip(sample).for_each(|(sum, value)| *sum += value);
        }
        for (i, mean) in line[places].iter_mut().enumerate() {
            let (left, leaving) = (strip[i], strip[i + 1]);
            let (entering, right) = (strip[i + n_whole], strip[i + n_whole + 1]);
            for channel in 0..N {
                sum[channel] += entering[channel];
                let ends = (left[channel] + right[channel]) as f32;
                mean[channel] = (sum[channel] as f32 + ends * self.edge) * weight;
                sum[channel] -= leaving[channel];
            }
        }
    }
}
