//! The effect `pixelate`: fills squares of the image with their mean colour.

use crate::{Channels, Image};

/// Fills each square of `side_px` × `side_px` pixels with its mean colour. The first square is in the upper
/// left corner. A side of 1 leaves the image unchanged. Colours are weighted by their alpha.
pub(super) fn pixelate(image: &mut Image, side_px: f32) {
    let side = side_px.round().max(1.0) as usize;
    if side == 1 {
        return;
    }
    match image.channels() {
        Channels::Gray => average_squares::<1>(image, side),
        Channels::Rgb => average_squares::<3>(image, side),
        Channels::Rgba => average_squares_rgba(image, side),
    }
}

fn average_squares<const N: usize>(image: &mut Image, side: usize) {
    for_each_square::<N>(image, side, |square, n_pixels| {
        let mut sums = [0u32; N];
        square(&mut |pixel| {
            sums.iter_mut().zip(*pixel).for_each(|(sum, value)| *sum += u32::from(value));
        });
        let mean = sums.map(|sum| ((sum + n_pixels / 2) / n_pixels) as u8);
        square(&mut |pixel| *pixel = mean);
    });
}

fn average_squares_rgba(image: &mut Image, side: usize) {
    for_each_square::<4>(image, side, |square, n_pixels| {
        let mut sums = [0u64; 4];
        square(&mut |&mut [r, g, b, a]| {
            let weight = u64::from(a);
            sums[0] += u64::from(r) * weight;
            sums[1] += u64::from(g) * weight;
            sums[2] += u64::from(b) * weight;
            sums[3] += weight;
        });
        let [r, g, b, weight] = sums;
        let color = [r, g, b].map(|sum| (sum + weight / 2).checked_div(weight).unwrap_or(0) as u8);
        let n_pixels = u64::from(n_pixels);
        let mean = [color[0], color[1], color[2], ((weight + n_pixels / 2) / n_pixels) as u8];
        square(&mut |pixel| *pixel = mean);
    });
}

/// Calls `edit` for each square. The first argument of `edit` is a function that runs a closure on each pixel
/// of the square. The second argument of `edit` is the number of pixels in the square.
fn for_each_square<const N: usize>(
    image: &mut Image,
    side: usize,
    edit: impl Fn(&mut dyn FnMut(&mut dyn FnMut(&mut [u8; N])), u32),
) {
    let width = image.width() as usize;
    for band in image.data_mut().chunks_mut(width * N * side) {
        let n_rows = band.len() / (width * N);
        for start in (0..width).step_by(side) {
            let end = (start + side).min(width);
            let mut visit = |change: &mut dyn FnMut(&mut [u8; N])| {
                for row in band.chunks_exact_mut(width * N) {
                    row.as_chunks_mut::<N>().0[start..end].iter_mut().for_each(&mut *change);
                }
            };
            edit(&mut visit, ((end - start) * n_rows) as u32);
        }
    }
}
