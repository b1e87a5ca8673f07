//! `emboss` and `edges`: effects that read the luma of a pixel and of its eight neighbours. Beyond an edge of
//! the image its outermost pixels are repeated.

use super::super::channels::luma;
use crate::{Channels, Image, Scratch};

/// The luma of a pixel and of its eight neighbours, in three rows of three.
type Neighbours = [[i32; 3]; 3];

/// Makes edges between bright and dark areas look like a relief that is lit from the upper left: adds half of
/// `strength` times the luma convolved with `−2 −1 0 / −1 0 1 / 0 1 2`, which is the pixels below and right
/// minus the pixels above and left. Mixes the image with the gray of a relief, of which the share is the
/// square of `strength`: at a strength of 0.5 the image keeps three quarters of its colours, and at 1 it is a
/// gray relief.
pub(super) fn emboss(image: &mut Image, strength: f32, scratch: &mut Scratch) {
    let (relief, plate) = (fixed(strength * 0.5), fixed(strength * strength));
    let slope = |[a, b, c]: Neighbours| -2 * a[0] - a[1] - b[0] + b[2] + c[1] + 2 * c[2];
    replace_colors(image, scratch, |value, around| {
        value + ((slope(around) * relief + (PLATE - value) * plate) >> FRACTION)
    });
}

/// The gray value of the flat parts of a relief.
const PLATE: i32 = 128;

/// Draws edges bright on black: the magnitude of the Sobel gradient, halved, so that an edge between black
/// and white becomes exactly white. `strength` is from 0 (the original image) to 1 (only the edges).
pub(super) fn edges(image: &mut Image, strength: f32, scratch: &mut Scratch) {
    let strength = fixed(strength);
    let magnitude = |[a, b, c]: Neighbours| {
        let across = a[2] + 2 * b[2] + c[2] - a[0] - 2 * b[0] - c[0];
        let down = c[0] + 2 * c[1] + c[2] - a[0] - 2 * a[1] - a[2];
        (((across * across + down * down) as f32).sqrt() * 0.5) as i32
    };
    replace_colors(image, scratch, |value, around| {
        value + (((magnitude(around).min(255) - value) * strength) >> FRACTION)
    });
}

/// The number of fractional bits with which the strength of a filter is rounded.
const FRACTION: u32 = 8;

fn fixed(strength: f32) -> i32 {
    (strength * (1 << FRACTION) as f32).round() as i32
}

/// Replaces each colour value by the result of `new`, clamped to 0–255. The arguments of `new` are the old
/// value, and the luma values of the pixel and of its neighbours. Alpha is kept.
fn replace_colors(image: &mut Image, scratch: &mut Scratch, new: impl Fn(i32, Neighbours) -> i32) {
    let width = image.width() as usize;
    let plane = luma_plane(image, scratch);
    match image.channels() {
        Channels::Gray => replace_colors_in::<1, 1>(image.data_mut(), &plane, width, new),
        Channels::Rgb => replace_colors_in::<3, 3>(image.data_mut(), &plane, width, new),
        Channels::Rgba => replace_colors_in::<4, 3>(image.data_mut(), &plane, width, new),
    }
    scratch.give(plane);
}

/// Replaces the first `COLORS` of the `N` bytes of each pixel by the results of `new`.
fn replace_colors_in<const N: usize, const COLORS: usize>(
    data: &mut [u8],
    plane: &[u8],
    width: usize,
    new: impl Fn(i32, Neighbours) -> i32,
) {
    let padded = width + 2;
    for (row, lines) in data.chunks_exact_mut(width * N).zip(plane.windows(3 * padded).step_by(padded)) {
        let (above, rest) = lines.split_at(padded);
        let (beside, below) = rest.split_at(padded);
        let around = above.windows(3).zip(beside.windows(3)).zip(below.windows(3));
        for (pixel, ((a, b), c)) in row.as_chunks_mut::<N>().0.iter_mut().zip(around) {
            let around = [a, b, c].map(|line| [line[0], line[1], line[2]].map(i32::from));
            for value in &mut pixel[..COLORS] {
                *value = new(i32::from(*value), around).clamp(0, 255) as u8;
            }
        }
    }
}

/// The luma of the image, with a border that repeats the outermost pixels, one pixel wide.
fn luma_plane(image: &Image, scratch: &mut Scratch) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let padded = width + 2;
    let mut plane = scratch.take(padded * (height + 2));
    let rows = image.data().chunks_exact(width * image.channels().count());
    for (line, row) in plane.chunks_exact_mut(padded).skip(1).zip(rows) {
        let inner = &mut line[1..=width];
        match image.channels() {
            Channels::Gray => inner.copy_from_slice(row),
            Channels::Rgb => fill_luma::<3>(inner, row),
            Channels::Rgba => fill_luma::<4>(inner, row),
        }
        line[0] = line[1];
        line[padded - 1] = line[width];
    }
    plane.copy_within(padded..2 * padded, 0);
    plane.copy_within(height * padded..(height + 1) * padded, (height + 1) * padded);
    plane
}

fn fill_luma<const N: usize>(line: &mut [u8], row: &[u8]) {
    for (value, pixel) in line.iter_mut().zip(row.as_chunks::<N>().0) {
        *value = luma([pixel[0], pixel[1], pixel[2]]);
    }
}
