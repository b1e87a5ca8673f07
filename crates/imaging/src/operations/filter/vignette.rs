//! The effect `vignette`: darkens the image towards its corners.

use crate::{Channels, Image};

/// Multiplies each value by `1 − strength · d⁴`, where `d` is the pixel's distance from the centre, divided
/// by the distance of a corner from the centre. The formula approximates the cos⁴ law, by which a simple lens
/// darkens the image towards its corners.
pub(super) fn darken(image: &mut Image, strength: f32) {
    match image.channels() {
        Channels::Gray => darken_colors::<1, 1>(image, strength),
        Channels::Rgb => darken_colors::<3, 3>(image, strength),
        Channels::Rgba => darken_colors::<4, 3>(image, strength),
    }
}

/// Darkens the first `COLORS` of the `N` bytes of each pixel.
fn darken_colors<const N: usize, const COLORS: usize>(image: &mut Image, strength: f32) {
    let columns = squares(image.width());
    let rows = squares(image.height());
    let stride = image.width() as usize * N;
    for (row, y) in image.data_mut().chunks_exact_mut(stride).zip(rows) {
        for (pixel, x) in row.as_chunks_mut::<N>().0.iter_mut().zip(&columns) {
            let distance = x + y;
            let kept = 1.0 - strength * distance * distance;
            for value in &mut pixel[..COLORS] {
                *value = (f32::from(*value) * kept + 0.5) as u8;
            }
        }
    }
}

/// For each pixel along a side: half the square of its distance from the centre. The distance is measured in
/// units of the distance from the centre to the edge.
fn squares(side: u32) -> Vec<f32> {
    let half = side as f32 / 2.0;
    (0..side)
        .map(|i| {
            let distance = (i as f32 + 0.5 - half) / half;
            distance * distance / 2.0
        })
        .collect()
}
