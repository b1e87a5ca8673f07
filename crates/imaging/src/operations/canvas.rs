//! Places an image on a larger canvas, and chooses the background colour if the plan names none.

use super::Context;
use super::channels::promote;
use crate::geometry::{Rect, Size};
use crate::plan::Color;
use crate::{Channels, Image, Scratch};

impl Context<'_> {
    /// The colour of the background. If the plan names no colour, the background is transparent for an output
    /// format with alpha, and white for other formats. For a format without alpha, a translucent colour is
    /// blended over white, because the encoder does the same with translucent pixels of the image.
    pub(super) fn backdrop(&self, requested: Option<Color>) -> Color {
        match requested {
            Some(color) if self.output_alpha || color.a == 255 => color,
            Some(color) => {
                let over = |c: u8| {
                    let (c, a) = (u32::from(c), u32::from(color.a));
                    ((c * a + 255 * (255 - a) + 127) / 255) as u8
                };
                Color { r: over(color.r), g: over(color.g), b: over(color.b), a: 255 }
            }
            None if self.output_alpha => Color::TRANSPARENT,
            None => Color::WHITE,
        }
    }
}

/// The channel layout with the fewest channels in which this colour can be stored.
pub(super) fn channels_for(color: Color) -> Channels {
    if color.a < 255 {
        Channels::Rgba
    } else if color.r == color.g && color.g == color.b {
        Channels::Gray
    } else {
        Channels::Rgb
    }
}

/// Places the image at the rectangle `at` on a canvas filled with `color`.
pub(super) fn surround(image: Image, at: Rect, canvas: Size, color: Color, scratch: &mut Scratch) -> Image {
    let image = promote(image, channels_for(color), scratch);
    let channels = image.channels();
    let n_bytes = channels.count();
    let fill = [color.r, color.g, color.b, color.a];
    let stride = canvas.width as usize * n_bytes;
    let n_left = at.x as usize * n_bytes;
    let n_inner = at.width as usize * n_bytes;

    let mut data = scratch.take(stride * canvas.height as usize);
    let mut inner = image.data().chunks_exact(n_inner);
    for (y, row) in data.chunks_exact_mut(stride).enumerate() {
        let y = y as u64;
        let in_picture = y >= u64::from(at.y) && y < u64::from(at.y) + u64::from(at.height);
        let source = if in_picture { inner.next() } else { None };
        let Some(source) = source else {
            fill_pixels(row, &fill[..n_bytes]);
            continue;
        };
        let (left, rest) = row.split_at_mut(n_left);
        let (middle, right) = rest.split_at_mut(n_inner);
        fill_pixels(left, &fill[..n_bytes]);
        middle.copy_from_slice(source);
        fill_pixels(right, &fill[..n_bytes]);
    }
    scratch.give(image.into_data());
    Image::new(canvas.width, canvas.height, channels, data)
}

fn fill_pixels(row: &mut [u8], pixel: &[u8]) {
    for target in row.chunks_exact_mut(pixel.len()) {
        target.copy_from_slice(pixel);
    }
}

/// Blends the image into `color`. For each row, `cover` writes the weight of each image pixel, 0–255. The
/// image must have the channels that the colour needs.
pub(super) fn fade(image: &mut Image, color: Color, cover: impl Fn(u32, &mut [u8])) {
    let width = image.width() as usize;
    let stride = width * image.channels().count();
    let channels = image.channels();
    let mut kept = vec![0; width];
    for (y, row) in (0u32..).zip(image.data_mut().chunks_exact_mut(stride)) {
        cover(y, &mut kept);
        match channels {
            Channels::Gray => fade_row::<1>(row, &kept, [color.r]),
            Channels::Rgb => fade_row::<3>(row, &kept, [color.r, color.g, color.b]),
            Channels::Rgba => fade_row_rgba(row, &kept, color),
        }
    }
}

fn fade_row<const N: usize>(row: &mut [u8], kept: &[u8], color: [u8; N]) {
    for (pixel, &kept) in row.as_chunks_mut::<N>().0.iter_mut().zip(kept) {
        let (kept, rest) = (u32::from(kept), u32::from(255 - kept));
        for (value, color) in pixel.iter_mut().zip(color) {
            *value = ((u32::from(*value) * kept + u32::from(color) * rest + 127) / 255) as u8;
        }
    }
}

/// Blends pixels with alpha. Each colour is weighted by its alpha, so that the colour of a transparent pixel
/// has no effect.
fn fade_row_rgba(row: &mut [u8], kept: &[u8], color: Color) {
    let Color { r, g, b, a } = color;
    for (pixel, &kept) in row.as_chunks_mut::<4>().0.iter_mut().zip(kept) {
        if kept == 255 {
            continue;
        }
        let weight = u32::from(kept) * u32::from(pixel[3]);
        let rest = u32::from(255 - kept) * u32::from(a);
        let alpha = weight + rest;
        if alpha == 0 {
            *pixel = [0; 4];
            continue;
        }
        for (value, color) in pixel[..3].iter_mut().zip([r, g, b]) {
            *value = ((u32::from(*value) * weight + u32::from(color) * rest + alpha / 2) / alpha) as u8;
        }
        pixel[3] = ((alpha + 127) / 255) as u8;
    }
}
