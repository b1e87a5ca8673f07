//! The attributes `shadows` and `highlights`: change the dark and the bright areas of the image. The strength
//! of the change at a pixel depends on the base tone of the pixel, see [`super::base_tone`].

use super::super::channels::luma;
use super::super::tone_curve::{multiply_odds, smoothstep};
use super::base_tone::BaseTone;
use crate::{Channels, Image};

/// The base tone from which on `shadows` has no effect. `highlights` has no effect on base tones up to 1
/// minus this number.
const SHADOWS_END: f32 = 0.6;

/// The number of times by which a full amount doubles or halves the odds of a value in black or white areas.
/// With a larger number, a dark area could become lighter than a less dark area.
const MAX_DOUBLINGS: f32 = 2.0;

/// For each base tone, the new value of each value.
type Curves = [[u8; 256]];

/// Changes the dark areas by `shadows` and the bright areas by `highlights`, both from −1 (darker) to 1
/// (lighter): the odds `v / (1 − v)` of each value are multiplied by `4^(shadows · (1 − s(q / 0.6)) +
/// highlights · s((q − 0.4) / 0.6))`, where `q` is the base tone (0–1) of the pixel and `s` is the
/// smoothstep function. Black and white stay the same.
pub(super) fn change(image: &mut Image, shadows: f32, highlights: f32) {
    let curves = curves(shadows, highlights);
    let base = BaseTone::of(image);
    match image.channels() {
        Channels::Gray => change_pixels(image, &base, &curves, |pixel: &[u8; 1]| pixel[0]),
        Channels::Rgb => change_pixels(image, &base, &curves, |&pixel: &[u8; 3]| luma(pixel)),
        Channels::Rgba => change_pixels(image, &base, &curves, |&[r, g, b, _]: &[u8; 4]| luma([r, g, b])),
    }
}

fn curves(shadows: f32, highlights: f32) -> Vec<[u8; 256]> {
    let curve = |base: u8| {
        let base = f32::from(base) / 255.0;
        let dark = 1.0 - smoothstep(0.0, SHADOWS_END, base);
        let bright = smoothstep(1.0 - SHADOWS_END, 1.0, base);
        let factor = (MAX_DOUBLINGS * (shadows * dark + highlights * bright)).exp2();
        std::array::from_fn(|value| (multiply_odds(value as f32 / 255.0, factor) * 255.0 + 0.5) as u8)
    };
    (0..=255).map(curve).collect()
}

/// Applies to each pixel of `N` bytes the curve of its base tone. `luma_of` returns the luma of a pixel.
fn change_pixels<const N: usize>(
    image: &mut Image,
    base: &BaseTone,
    curves: &Curves,
    luma_of: impl Fn(&[u8; N]) -> u8,
) {
    let width = image.width() as usize;
    let columns = base.columns(width);
    for (y, row) in image.data_mut().chunks_exact_mut(width * N).enumerate() {
        let base = base.row(y);
        for (pixel, &column) in row.as_chunks_mut::<N>().0.iter_mut().zip(&columns) {
            let curve = &curves[usize::from(base.tone(column, luma_of(pixel)))];
            // The fourth byte is alpha, which is kept.
            for value in &mut pixel[..N.min(3)] {
                *value = curve[usize::from(*value)];
            }
        }
    }
}
