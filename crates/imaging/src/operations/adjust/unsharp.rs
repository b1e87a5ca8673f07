//! The attribute `unsharp`: sharpens the image by adding to each pixel the difference between the pixel and a
//! blurred copy of the image. The formula is `Y' = Y + amount · (Y − G(Y))`, where `Y` is the luma, `G` is a
//! gaussian blur with a standard deviation of one pixel, and `amount` is 2 for a strength of 100. Only luma
//! is sharpened, because sharpening each channel would add coloured fringes at edges.

use super::super::channels::is_opaque;
use crate::{Channels, Image};

/// Weights of the gaussian with a standard deviation of one pixel, for the distances 0 to 3. The sum over all
/// seven positions (distance 0 once, the other distances on both sides) is 1.
const TAPS: [f32; 4] = [0.399_050_3, 0.242_036_2, 0.054_005_58, 0.004_433_05];
const RADIUS: usize = TAPS.len() - 1;
const WINDOW: usize = 2 * RADIUS + 1;

const AMOUNT_PER_STEP: f32 = 0.02;

/// Sharpens in place, with `strength` from 0 to 100. Transparent pixels do not affect their neighbours.
pub(super) fn sharpen(image: &mut Image, strength: f32) {
    let (width, height, channels) = (image.width() as usize, image.height() as usize, image.channels());
    let amount = strength * AMOUNT_PER_STEP;
    let stride = width * channels.count();
    let mut rows = Rows::new(width, !is_opaque(image));
    for y in 0..height.min(RADIUS) {
        rows.read(y, &image.data()[y * stride..][..stride], channels);
    }
    for y in 0..height {
        if let Some(row) = image.data().get((y + RADIUS) * stride..(y + RADIUS + 1) * stride) {
            rows.read(y + RADIUS, row, channels);
        }
        rows.compute_detail(y, height);
        let row = &mut image.data_mut()[y * stride..][..stride];
        match channels {
            Channels::Gray => add::<1, 1>(row, &rows.detail, amount),
            Channels::Rgb => add::<3, 3>(row, &rows.detail, amount),
            Channels::Rgba => add::<4, 3>(row, &rows.detail, amount),
        }
    }
}

/// Adds `detail` times `amount` to the first `COLORS` of the `N` bytes of each pixel.
fn add<const N: usize, const COLORS: usize>(row: &mut [u8], detail: &[f32], amount: f32) {
    for (pixel, detail) in row.as_chunks_mut::<N>().0.iter_mut().zip(detail) {
        let offset = detail * amount;
        for value in &mut pixel[..COLORS] {
            *value = (f32::from(*value) + offset + 0.5) as u8;
        }
    }
}

/// The last `WINDOW` rows of the image before sharpening: the luma of each row, and this luma blurred along
/// the row. If the image has alpha, two quantities are blurred separately: the product of luma and alpha, and
/// alpha alone. The blurred product divided by the blurred alpha is the blurred luma of the visible pixels.
struct Rows {
    luma: [Vec<f32>; WINDOW],
    smooth: [Vec<f32>; WINDOW],
    smooth_alpha: [Vec<f32>; WINDOW],
    /// A buffer for one row of values, with `RADIUS` copies of the outermost value at each end.
    padded: Vec<f32>,
    alpha: Vec<f32>,
    detail: Vec<f32>,
    has_alpha: bool,
}

impl Rows {
    fn new(width: usize, has_alpha: bool) -> Self {
        let rows = |width| std::array::from_fn(|_| vec![0.0; width]);
        let width_alpha = if has_alpha { width } else { 0 };
        Self {
            luma: rows(width),
            smooth: rows(width),
            smooth_alpha: rows(width_alpha),
            padded: vec![0.0; width + 2 * RADIUS],
            alpha: vec![0.0; width_alpha],
            detail: vec![0.0; width],
            has_alpha,
        }
    }

    /// Stores the luma of row `y`, and the same luma blurred along the row.
    fn read(&mut self, y: usize, row: &[u8], channels: Channels) {
        let slot = y % WINDOW;
        let luma = &mut self.luma[slot];
        match channels {
            Channels::Gray => luma.iter_mut().zip(row).for_each(|(luma, &value)| *luma = value.into()),
            Channels::Rgb => write_luma::<3>(luma, row),
            Channels::Rgba => write_luma::<4>(luma, row),
        }
        self.padded[RADIUS..][..luma.len()].copy_from_slice(luma);
        if self.has_alpha {
            for (alpha, pixel) in self.alpha.iter_mut().zip(row.as_chunks::<4>().0) {
                *alpha = f32::from(pixel[3]) / 255.0;
            }
            self.padded[RADIUS..].iter_mut().zip(&self.alpha).for_each(|(value, alpha)| *value *= alpha);
            blur_padded(&mut self.padded, &mut self.smooth[slot]);
            self.padded[RADIUS..][..self.alpha.len()].copy_from_slice(&self.alpha);
            blur_padded(&mut self.padded, &mut self.smooth_alpha[slot]);
        } else {
            blur_padded(&mut self.padded, &mut self.smooth[slot]);
        }
    }

    /// For row `y`, writes the difference between the luma and the blurred luma to `detail`. The difference
    /// is 0 where all pixels within `RADIUS` are transparent.
    fn compute_detail(&mut self, y: usize, height: usize) {
        let slots: [usize; WINDOW] =
            std::array::from_fn(|i| (y + i).saturating_sub(RADIUS).min(height - 1) % WINDOW);
        self.detail.fill(0.0);
        add_column(&mut self.detail, &self.smooth, slots);
        if self.has_alpha {
            self.alpha.fill(0.0);
            add_column(&mut self.alpha, &self.smooth_alpha, slots);
        }
        let luma = &self.luma[y % WINDOW];
        for ((smooth, luma), alpha) in self.detail.iter_mut().zip(luma).zip(&self.alpha) {
            *smooth = if *alpha > 0.0 { *smooth / alpha } else { *luma };
        }
        self.detail.iter_mut().zip(luma).for_each(|(detail, luma)| *detail = luma - *detail);
    }
}

/// Adds the rows in `slots` to `sum`, each multiplied by its weight of the gaussian.
fn add_column(sum: &mut [f32], rows: &[Vec<f32>; WINDOW], slots: [usize; WINDOW]) {
    for (i, slot) in slots.into_iter().enumerate() {
        let tap = TAPS[i.abs_diff(RADIUS)];
        sum.iter_mut().zip(&rows[slot]).for_each(|(sum, value)| *sum += tap * value);
    }
}

/// Rec. 709 luma of each pixel of `N` bytes.
fn write_luma<const N: usize>(luma: &mut [f32], row: &[u8]) {
    for (luma, pixel) in luma.iter_mut().zip(row.as_chunks::<N>().0) {
        *luma = f32::from(pixel[0]) * 0.2126 + f32::from(pixel[1]) * 0.7152 + f32::from(pixel[2]) * 0.0722;
    }
}

/// Fills the margins of `padded` with copies of its outermost pixels, and writes the blurred row to
/// `blurred`.
fn blur_padded(padded: &mut [f32], blurred: &mut [f32]) {
    let end = padded.len() - RADIUS;
    let (first, last) = (padded[RADIUS], padded[end - 1]);
    padded[..RADIUS].fill(first);
    padded[end..].fill(last);
    for (to, window) in blurred.iter_mut().zip(padded.windows(WINDOW)) {
        *to = TAPS[0] * window[3]
            + TAPS[1] * (window[2] + window[4])
            + TAPS[2] * (window[1] + window[5])
            + TAPS[3] * (window[0] + window[6]);
    }
}
