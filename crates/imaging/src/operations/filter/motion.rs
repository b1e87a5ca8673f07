//! `filter.blur` of the mode `motion`: the mean along a line through each pixel, as a camera that moves would take it.

use super::super::channels::is_opaque;
use super::super::resample::{premultiply_in_place, unpremultiply_in_place};
use crate::{Image, Scratch};

/// A pixel that counts, relative to the one that is made.
#[derive(Debug, Clone, Copy)]
struct Tap {
    x: isize,
    y: isize,
    weight: f32,
}

/// Blurs along a line of `radius` pixels to both sides, `angle` degrees counter-clockwise from the right. Edges are
/// clamped, alpha is premultiplied. Takes time in proportion to the radius.
pub(super) fn blur(mut image: Image, radius: f32, angle: f32, scratch: &mut Scratch) -> Image {
    let has_alpha = !is_opaque(&image);
    if has_alpha {
        premultiply_in_place(&mut image);
    }
    let taps = line(radius, angle);
    let mut blurred = convolve(&image, &taps, scratch);
    scratch.give(image.into_data());
    if has_alpha {
        unpremultiply_in_place(&mut blurred);
    }
    blurred
}

/// The taps of a line: one step per pixel along its longer axis, and between two pixels across it. The last step of each
/// end counts by what of it the line covers.
fn line(radius: f32, angle: f32) -> Vec<Tap> {
    let (sin, cos) = angle.to_radians().sin_cos();
    let flat = cos.abs() >= sin.abs();
    let (along, across) = if flat { (cos, -sin) } else { (-sin, cos) };
    let slope = across / along;
    let reach = radius * along.abs();
    let n_steps = reach.ceil() as isize;

    let mut taps = Vec::new();
    for step in -n_steps..=n_steps {
        let covered = (reach + 1.0 - step.abs() as f32).clamp(0.0, 1.0);
        let offset = step as f32 * slope;
        // Sines of right angles are not exactly 0: what is not a hundredth of a pixel away lies on the line.
        let offset = if (offset - offset.round()).abs() < 0.01 { offset.round() } else { offset };
        let (below, share) = (offset.floor(), offset - offset.floor());
        for (place, weight) in [(below, 1.0 - share), (below + 1.0, share)] {
            let (x, y) = if flat { (step, place as isize) } else { (place as isize, step) };
            taps.push(Tap { x, y, weight: covered * weight });
        }
    }
    taps.retain(|tap| tap.weight > 0.0);
    let total: f32 = taps.iter().map(|tap| tap.weight).sum();
    taps.iter_mut().for_each(|tap| tap.weight /= total);
    taps
}

/// The weighted sum of the taps for every pixel, one row at a time.
fn convolve(image: &Image, taps: &[Tap], scratch: &mut Scratch) -> Image {
    let n_bytes = image.channels().count();
    let (stride, height) = (image.width() as usize * n_bytes, image.height() as usize);
    let margin = taps.iter().map(|tap| tap.x.unsigned_abs()).max().unwrap_or(0) * n_bytes;
    let padded = stride + 2 * margin;
    let mut source = scratch.take(padded * height);
    for (line, row) in source.chunks_exact_mut(padded).zip(image.data().chunks_exact(stride)) {
        let (left, rest) = line.split_at_mut(margin);
        let (inner, right) = rest.split_at_mut(stride);
        inner.copy_from_slice(row);
        left.chunks_exact_mut(n_bytes).for_each(|pixel| pixel.copy_from_slice(&row[..n_bytes]));
        right.chunks_exact_mut(n_bytes).for_each(|pixel| pixel.copy_from_slice(&row[stride - n_bytes..]));
    }

    let mut data = scratch.take(stride * height);
    let mut sums = vec![0.0f32; stride];
    for (y, row) in data.chunks_exact_mut(stride).enumerate() {
        sums.fill(0.5);
        for tap in taps {
            let from_row = y.saturating_add_signed(tap.y).min(height - 1);
            let start = (from_row * padded + margin).strict_add_signed(tap.x * n_bytes as isize);
            let weight = tap.weight;
            for (sum, &value) in sums.iter_mut().zip(&source[start..start + stride]) {
                *sum += f32::from(value) * weight;
            }
        }
        row.iter_mut().zip(&sums).for_each(|(value, sum)| *value = *sum as u8);
    }
    scratch.give(source);
    Image::new(image.width(), image.height(), image.channels(), data)
}
