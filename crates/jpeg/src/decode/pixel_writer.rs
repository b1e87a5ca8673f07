//! Converts samples to pixels, row by row: upsamples the subsampled components and converts YCbCr to RGB.
//!
//! Upsampling by two gives exactly the results of the triangle filter of other JPEG libraries, so that an
//! image looks the same as in other programs.

use super::layout::{ComponentSizes, Layout, Upsampling};
use super::samples::Samples;
use crate::simd::multiversion;

/// The colour space of the components of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// The colour space is unknown: the components of each pixel are stored side by side, without conversion.
    Stored,
    /// The components are luma and chroma (YCbCr), which are converted to RGB.
    YCbCr,
}

/// Writes the rows of an image from top to bottom.
pub(super) struct PixelWriter<'a> {
    layout: &'a Layout,
    colour: Colour,
    pixels: &'a mut [u8],
    /// The number of image rows that were already written.
    n_rows_done: usize,
    row_buffers: [Vec<u8>; 4],
    sums: Vec<u16>,
}

impl<'a> PixelWriter<'a> {
    /// Creates a writer that writes into `pixels`. The buffer must have the size of the reduced image, with
    /// one byte per component and pixel.
    pub(super) fn new(layout: &'a Layout, colour: Colour, pixels: &'a mut [u8]) -> Self {
        let new_buffer = |sizes: &ComponentSizes| match (sizes.upsampling_x, sizes.upsampling_y) {
            (Upsampling::None, Upsampling::None) => Vec::new(),
            _ => vec![0; layout.width.max(2 * sizes.width)],
        };
        let mut row_buffers: [Vec<u8>; 4] = Default::default();
        row_buffers
            .iter_mut()
            .zip(&layout.components)
            .for_each(|(buffer, sizes)| *buffer = new_buffer(sizes));
        let max_width = layout.components.iter().map(|sizes| sizes.width).max().unwrap_or(0);
        Self { layout, colour, pixels, n_rows_done: 0, row_buffers, sums: vec![0; max_width] }
    }

    /// Writes all pixel rows that can be computed from the samples that are already decoded.
    pub(super) fn write_rows(&mut self, samples: &[Samples]) {
        let known = self.layout.components.iter().zip(samples).map(|(sizes, samples)| {
            let end = samples.end();
            if end >= sizes.height {
                return self.layout.height;
            }
            match sizes.upsampling_y {
                Upsampling::None => end,
                // The pixel row `2 * end - 1` cannot be computed yet, because it also depends on the sample
                // row `end`, which is not decoded yet.
                Upsampling::Double => 2 * end - 1,
                Upsampling::Ratio(pixels, n_samples) => end * pixels / n_samples,
            }
        });
        let known = known.min().unwrap_or(0).min(self.layout.height);
        for y in self.n_rows_done..known {
            write_row(self, y, samples);
        }
        self.n_rows_done = known.max(self.n_rows_done);
    }

    #[inline(always)]
    fn convert_row(&mut self, y: usize, samples: &[Samples]) {
        let n_components = samples.len();
        let width = self.layout.width;
        for ((sizes, samples), buffer) in
            self.layout.components.iter().zip(samples).zip(&mut self.row_buffers)
        {
            upsample(sizes, samples, y, buffer, &mut self.sums);
        }
        let rows: [&[u8]; 4] = std::array::from_fn(|i| match (samples.get(i), &self.row_buffers[i][..]) {
            (None, _) => &[][..],
            (Some(samples), []) => samples.row(y),
            (_, buffer) => &buffer[..width],
        });
        let out = &mut self.pixels[y * width * n_components..][..width * n_components];
        match (n_components, self.colour) {
            (1, _) => out.copy_from_slice(rows[0]),
            (3, Colour::YCbCr) => to_rgb(rows[0], rows[1], rows[2], out),
            (n, _) => {
                for (i, row) in rows[..n].iter().enumerate() {
                    out[i..].iter_mut().step_by(n).zip(*row).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}

multiversion! {
    fn write_row(writer: &mut PixelWriter<'_>, y: usize, samples: &[Samples]) = write_row_impl
}

#[inline(always)]
fn write_row_impl(writer: &mut PixelWriter<'_>, y: usize, samples: &[Samples]) {
    writer.convert_row(y, samples);
}

/// Upsamples the samples of one component for the pixel row `y` of the image.
#[inline(always)]
fn upsample(sizes: &ComponentSizes, samples: &Samples, y: usize, out: &mut [u8], sums: &mut [u16]) {
    let sums = &mut sums[..sizes.width];
    let near_and_far = (y / 2, if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 });
    match (sizes.upsampling_x, sizes.upsampling_y) {
        (Upsampling::None, Upsampling::None) => {}
        (Upsampling::Double, Upsampling::None) => {
            sums.iter_mut().zip(samples.row(y)).for_each(|(sum, &v)| *sum = u16::from(v));
            double_row::<1, 2, 2>(sums, out);
        }
        (Upsampling::Double, Upsampling::Double) => {
            add_rows(samples, near_and_far, sums);
            double_row::<8, 7, 4>(sums, out);
        }
        (Upsampling::None, Upsampling::Double) => {
            add_rows(samples, near_and_far, sums);
            let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
            out.iter_mut().zip(&*sums).for_each(|(to, &sum)| *to = ((sum + rounding) >> 2) as u8);
        }
        (across, down) => {
            let source = |at: usize, upsampling: Upsampling| match upsampling {
                Upsampling::None => at,
                Upsampling::Double => at / 2,
                Upsampling::Ratio(pixels, n_samples) => at * n_samples / pixels,
            };
            let row = samples.row(source(y, down));
            for (x, to) in out.iter_mut().enumerate() {
                *to = row[source(x, across).min(row.len() - 1)];
            }
        }
    }
}

/// Computes the sum of three times the nearer sample row and once the farther sample row.
#[inline(always)]
fn add_rows(samples: &Samples, (near, far): (usize, usize), sums: &mut [u16]) {
    let (near, far) = (samples.row(near), samples.row(far));
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
}

/// Makes two pixels of each value. The centre of the first pixel is a quarter of a sample to the left of the
/// centre of the sample, and the centre of the second pixel is a quarter to the right. `FIRST` and `SECOND`
/// are the rounding offsets of the two pixels. The sum is divided by a right shift by `SHIFT` bits.
#[inline(always)]
fn double_row<const FIRST: u16, const SECOND: u16, const SHIFT: u32>(values: &[u16], out: &mut [u8]) {
    let out = out[..2 * values.len()].as_chunks_mut::<2>().0;
    let last = values.len() - 1;
    let pair = |before: u16, value: u16, after: u16| {
        let value = 3 * value;
        [((value + before + FIRST) >> SHIFT) as u8, ((value + after + SECOND) >> SHIFT) as u8]
    };
    out[0] = pair(values[0], values[0], values[1.min(last)]);
    out[last] = pair(values[last.saturating_sub(1)], values[last], values[last]);
    for (around, to) in values.array_windows::<3>().zip(&mut out[1..]) {
        *to = pair(around[0], around[1], around[2]);
    }
}

/// Converts full-range YCbCr to RGB (ITU-T T.871, clause 7). Each result is luma plus a correction from chroma,
/// which is rounded to the nearest integer.
///
/// A product with a factor has eight fractional bits. The whole multiples of chroma are not part of the
/// products, so that all numbers fit into 16 bits: 1.402 = 1 + 0.402, 0.714 = 1 - 0.286, 1.772 = 2 - 0.228.
#[inline(always)]
fn to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    /// The number of pixels that are converted before their bytes are interleaved. The compiler makes vector
    /// code of both loops.
    const PART: usize = 64;
    /// One half with eight fractional bits.
    const HALF: i16 = 128;
    /// Converts a conversion factor to fixed point with 16 fractional bits.
    const fn fixed(factor: f64) -> i16 {
        (factor * 65_536.0).round_ties_even() as i16
    }
    /// Multiplies a chroma value by a factor. The product of numbers with 8 and 16 fractional bits has 24
    /// fractional bits. The shift removes 16 of them and rounds down, so that eight fractional bits remain.
    #[inline(always)]
    fn times(chroma: i16, factor: i16) -> i16 {
        ((i32::from(chroma << 8) * i32::from(factor)) >> 16) as i16
    }
    let convert = |y: u8, cb: u8, cr: u8| {
        let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
        let red = y + cr + ((times(cr, fixed(0.402)) + HALF) >> 8);
        // Two products are rounded down, on average by half a unit each.
        let sum = times(cb, fixed(-0.344_136_286)) + times(cr, fixed(1.0 - 0.714_136_286)) + 1;
        let green = y - cr + ((sum + HALF) >> 8);
        let blue = y + 2 * cb + ((times(cb, fixed(1.772 - 2.0)) + HALF) >> 8);
        [red, green, blue].map(|v| v.clamp(0, 255) as u8)
    };
    let ((y_parts, y), (cb_parts, cb)) = (y.as_chunks::<PART>(), cb.as_chunks::<PART>());
    let (cr_parts, cr) = cr.as_chunks::<PART>();
    let (parts, rest) = out.split_at_mut(3 * PART * y_parts.len());
    let parts = parts.as_chunks_mut::<{ 3 * PART }>().0;
    let (mut red, mut green, mut blue) = ([0; PART], [0; PART], [0; PART]);
    for (((part, y), cb), cr) in parts.iter_mut().zip(y_parts).zip(cb_parts).zip(cr_parts) {
        for i in 0..PART {
            [red[i], green[i], blue[i]] = convert(y[i], cb[i], cr[i]);
        }
        for i in 0..PART {
            part[3 * i] = red[i];
            part[3 * i + 1] = green[i];
            part[3 * i + 2] = blue[i];
        }
    }
    for (((pixel, &y), &cb), &cr) in rest.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr) {
        *pixel = convert(y, cb, cr);
    }
}
