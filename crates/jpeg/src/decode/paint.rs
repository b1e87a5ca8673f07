//! From samples to pixels, row by row: coarse components are stretched, luma and chroma become colours.
//!
//! Stretching by two follows the triangle filter of the common libraries to the last bit, so that a picture looks the
//! same here as everywhere.

use super::layout::{Laid, Layout, Stretch};
use super::samples::Samples;
use crate::vectors::widest;

/// What the components of a frame mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Nothing: they are put side by side as they are.
    Stored,
    /// The three are luma and chroma, to become red, green and blue.
    YCbCr,
}

/// Fills a picture from the top.
pub(super) struct Painter<'a> {
    layout: &'a Layout,
    colour: Colour,
    pixels: &'a mut [u8],
    /// Rows that are finished.
    n_done: usize,
    lines: [Vec<u8>; 4],
    sums: Vec<u16>,
}

impl<'a> Painter<'a> {
    /// `pixels` are as many as the layout says, of as many bytes as there are components.
    pub(super) fn new(layout: &'a Layout, colour: Colour, pixels: &'a mut [u8]) -> Self {
        let line = |laid: &Laid| match (laid.stretch_x, laid.stretch_y) {
            (Stretch::None, Stretch::None) => Vec::new(),
            _ => vec![0; layout.width.max(2 * laid.width)],
        };
        let mut lines: [Vec<u8>; 4] = Default::default();
        lines.iter_mut().zip(&layout.components).for_each(|(made, laid)| *made = line(laid));
        let widest = layout.components.iter().map(|laid| laid.width).max().unwrap_or(0);
        Self { layout, colour, pixels, n_done: 0, lines, sums: vec![0; widest] }
    }

    /// Paints all rows that follow from the samples known so far.
    pub(super) fn paint(&mut self, samples: &[Samples]) {
        let known = self.layout.components.iter().zip(samples).map(|(laid, samples)| {
            let end = samples.end();
            if end >= laid.height {
                return self.layout.height;
            }
            match laid.stretch_y {
                Stretch::None => end,
                // The last row needs the one below its own.
                Stretch::Double => 2 * end - 1,
                Stretch::Ratio(pixels, made) => end * pixels / made,
            }
        });
        let known = known.min().unwrap_or(0).min(self.layout.height);
        for y in self.n_done..known {
            paint_row(self, y, samples);
        }
        self.n_done = known.max(self.n_done);
    }

    #[inline(always)]
    fn row(&mut self, y: usize, samples: &[Samples]) {
        let n_components = samples.len();
        let width = self.layout.width;
        for ((laid, samples), line) in self.layout.components.iter().zip(samples).zip(&mut self.lines) {
            stretch(laid, samples, y, line, &mut self.sums);
        }
        let lines: [&[u8]; 4] = std::array::from_fn(|i| match (samples.get(i), &self.lines[i][..]) {
            (None, _) => &[][..],
            (Some(samples), []) => samples.row(y),
            (_, line) => &line[..width],
        });
        let out = &mut self.pixels[y * width * n_components..][..width * n_components];
        match (n_components, self.colour) {
            (1, _) => out.copy_from_slice(lines[0]),
            (3, Colour::YCbCr) => to_rgb(lines[0], lines[1], lines[2], out),
            (n, _) => {
                for (i, line) in lines[..n].iter().enumerate() {
                    out[i..].iter_mut().step_by(n).zip(*line).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}

widest! {
    fn paint_row(painter: &mut Painter<'_>, y: usize, samples: &[Samples]) = paint_row_lanes
}

#[inline(always)]
fn paint_row_lanes(painter: &mut Painter<'_>, y: usize, samples: &[Samples]) {
    painter.row(y, samples);
}

/// Makes a line of pixels from the samples around it.
#[inline(always)]
fn stretch(laid: &Laid, samples: &Samples, y: usize, line: &mut [u8], sums: &mut [u16]) {
    let sums = &mut sums[..laid.width];
    let middle = (y / 2, if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 });
    match (laid.stretch_x, laid.stretch_y) {
        (Stretch::None, Stretch::None) => {}
        (Stretch::Double, Stretch::None) => {
            sums.iter_mut().zip(samples.row(y)).for_each(|(sum, &v)| *sum = u16::from(v));
            double::<1, 2, 2>(sums, line);
        }
        (Stretch::Double, Stretch::Double) => {
            add_rows(samples, middle, sums);
            double::<8, 7, 4>(sums, line);
        }
        (Stretch::None, Stretch::Double) => {
            add_rows(samples, middle, sums);
            let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
            line.iter_mut().zip(&*sums).for_each(|(to, &sum)| *to = ((sum + rounding) >> 2) as u8);
        }
        (across, down) => {
            let source = |at: usize, stretch: Stretch| match stretch {
                Stretch::None => at,
                Stretch::Double => at / 2,
                Stretch::Ratio(pixels, made) => at * made / pixels,
            };
            let row = samples.row(source(y, down));
            for (x, to) in line.iter_mut().enumerate() {
                *to = row[source(x, across).min(row.len() - 1)];
            }
        }
    }
}

/// Three parts of the near row and one of the far one.
#[inline(always)]
fn add_rows(samples: &Samples, (near, far): (usize, usize), sums: &mut [u16]) {
    let (near, far) = (samples.row(near), samples.row(far));
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
}

/// Two pixels for each value, a quarter of a sample left and right of it; `FIRST` and `SECOND` are added for rounding,
/// `SHIFT` divides.
#[inline(always)]
fn double<const FIRST: u16, const SECOND: u16, const SHIFT: u32>(values: &[u16], line: &mut [u8]) {
    let line = line[..2 * values.len()].as_chunks_mut::<2>().0;
    let last = values.len() - 1;
    let pair = |before: u16, value: u16, after: u16| {
        let value = 3 * value;
        [((value + before + FIRST) >> SHIFT) as u8, ((value + after + SECOND) >> SHIFT) as u8]
    };
    line[0] = pair(values[0], values[0], values[1.min(last)]);
    line[last] = pair(values[last.saturating_sub(1)], values[last], values[last]);
    for (around, to) in values.array_windows::<3>().zip(&mut line[1..]) {
        *to = pair(around[0], around[1], around[2]);
    }
}

/// The full-range conversion of JFIF 1.02 in fixed point with six bits behind the point, which just fits 16 bits.
#[inline(always)]
fn to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    const HALF: i16 = 32;
    /// A factor in 1/32768.
    const fn fixed(factor: f64) -> i16 {
        (factor * 32_768.0 + 0.5) as i16
    }
    /// Seven and fifteen bits behind the point make 22, of which the lowest sixteen go.
    #[inline(always)]
    fn times(chroma: i16, factor: i16) -> i16 {
        ((i32::from(chroma << 7) * i32::from(factor)) >> 16) as i16
    }
    for (((pixel, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr) {
        let (light, cb, cr) = (i16::from(y) * 64 + HALF, i16::from(cb) - 128, i16::from(cr) - 128);
        let red = light + cr * 64 + times(cr, fixed(0.402));
        let green = light - times(cb, fixed(0.344_136_286)) - times(cr, fixed(0.714_136_286));
        let blue = light + cb * 64 + times(cb, fixed(0.772));
        *pixel = [red, green, blue].map(|v| (v >> 6).clamp(0, 255) as u8);
    }
}
