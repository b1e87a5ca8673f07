//! Combines decoded images: pastes one image onto another, composites, crops, and adds an alpha plane to an
//! image.

use crate::alpha::unpremultiply;
use crate::codecs::pixel_format::with_channels;
use crate::{Channels, Image, Scratch};

/// Iterates over the rows of `image` that lie inside `canvas`. For each row, yields the offset in the canvas,
/// the offset in the image and the length, all in pixels.
fn overlap(
    canvas: &Image,
    image: &Image,
    left: i64,
    top: i64,
) -> impl Iterator<Item = (usize, usize, usize)> {
    let (canvas_width, canvas_height) = (i64::from(canvas.width()), i64::from(canvas.height()));
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (x0, x1) = (left.max(0), (left + width).min(canvas_width));
    let rows = top.max(0)..(top + height).min(canvas_height).max(top.max(0));
    rows.filter(move |_| x1 > x0).map(move |y| {
        let to = y * canvas_width + x0;
        let from = (y - top) * width + (x0 - left);
        (to as usize, from as usize, (x1 - x0) as usize)
    })
}

/// Copies `image` onto `canvas`. Both images must have the same channels.
pub(super) fn paste(canvas: &mut Image, image: &Image, left: i64, top: i64) {
    let n = canvas.channels().count();
    let rows: Vec<_> = overlap(canvas, image, left, top).collect();
    for (to, from, length) in rows {
        canvas.data_mut()[to * n..][..length * n].copy_from_slice(&image.data()[from * n..][..length * n]);
    }
}

/// Composites `image` over `canvas`. Both images are RGBA. The alpha of a result pixel is the larger of the
/// alpha in `image` and the alpha in `canvas`.
pub(super) fn lay_over(canvas: &mut Image, image: &Image, left: i64, top: i64) {
    let rows: Vec<_> = overlap(canvas, image, left, top).collect();
    let above = image.data().as_chunks::<4>().0;
    for (to, from, length) in rows {
        let below = &mut canvas.data_mut().as_chunks_mut::<4>().0[to..][..length];
        for (below, above) in below.iter_mut().zip(&above[from..][..length]) {
            let alpha = u32::from(above[3]);
            for (below, &above) in below.iter_mut().zip(above).take(3) {
                let sum = u32::from(above) * alpha + u32::from(*below) * (255 - alpha);
                *below = ((sum + 127) / 255) as u8;
            }
            below[3] = below[3].max(above[3]);
        }
    }
}

/// Copies the rectangle `[left, top, width, height]` of an image.
pub(super) fn cropped(image: Image, [left, top, width, height]: [u32; 4], scratch: &mut Scratch) -> Image {
    let length = width as usize * height as usize * image.channels().count();
    let mut part = Image::new(width, height, image.channels(), scratch.take(length));
    paste(&mut part, &image, -i64::from(left), -i64::from(top));
    scratch.give(image.into_data());
    part
}

/// Puts `alpha` into the alpha channel of `image`. If the two images have different sizes, each pixel of
/// `image` gets the alpha value of the nearest pixel of `alpha`.
pub(super) fn with_alpha(image: Image, alpha: &Image, premultiplied: bool, scratch: &mut Scratch) -> Image {
    let mut image = with_channels(image, Channels::Rgba, scratch);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (alpha_width, alpha_height) = (alpha.width() as usize, alpha.height() as usize);
    let n = alpha.channels().count();
    let pixels = image.data_mut().as_chunks_mut::<4>().0;
    for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
        let line = &alpha.data()[y * alpha_height / height * alpha_width * n..][..alpha_width * n];
        for (x, pixel) in row.iter_mut().enumerate() {
            pixel[3] = line[x * alpha_width / width * n];
            if premultiplied {
                *pixel = unpremultiply(*pixel);
            }
        }
    }
    image
}
