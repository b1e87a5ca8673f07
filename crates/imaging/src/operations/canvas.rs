//! Putting a picture onto a larger canvas, and what an absent background means.

use super::Context;
use super::channels::promote;
use crate::geometry::{Rect, Size};
use crate::plan::Color;
use crate::{Channels, Image, Scratch};

impl Context<'_> {
    /// The colour to use for a background. Absent: transparent where the output has alpha, else white. Where it has
    /// none, a translucent colour is laid over white, as the encoder will do with the rest of the picture.
    pub(super) fn backdrop(&self, asked: Option<Color>) -> Color {
        match asked {
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

/// The channels a picture needs to show this colour.
pub(super) fn channels_for(color: Color) -> Channels {
    if color.a < 255 {
        Channels::Rgba
    } else if color.r == color.g && color.g == color.b {
        Channels::Gray
    } else {
        Channels::Rgb
    }
}

/// The picture at `at` on a canvas filled with `color`.
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
