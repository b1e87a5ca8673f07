//! Converts images between gray, RGB and RGBA, for encoders of formats that do not store every kind of pixel.

use crate::{Channels, Image, Scratch};

/// Converts an image to `channels`. From gray to colour, the gray value is copied to all three channels. An
/// added alpha channel is opaque. If alpha is removed, the image is composited over white. An image that
/// already has the requested channels is returned unchanged.
pub(super) fn with_channels(image: Image, channels: Channels, scratch: &mut Scratch) -> Image {
    let (width, height) = (image.width(), image.height());
    let converted = match (image.channels(), channels) {
        (from, to) if from == to => return image,
        (Channels::Gray, to) => {
            let n_channels = to.count();
            let mut data = scratch.take(image.data().len() * n_channels);
            for (pixel, &v) in data.chunks_exact_mut(n_channels).zip(image.data()) {
                pixel[..3].fill(v);
                pixel[3..].fill(255);
            }
            Image::new(width, height, to, data)
        }
        (Channels::Rgb, _) => {
            let mut data = scratch.take(image.data().len() / 3 * 4);
            let pixels = image.data().as_chunks::<3>().0;
            let wide = data.as_chunks_mut::<4>().0;
            wide.iter_mut().zip(pixels).for_each(|(to, &[r, g, b])| *to = [r, g, b, 255]);
            Image::new(width, height, Channels::Rgba, data)
        }
        (Channels::Rgba, _) => flatten_onto_white(&image, scratch),
    };
    scratch.give(image.into_data());
    converted
}

/// Composites an RGBA image over white; the result is RGB. Rounds to the nearest integer.
pub(super) fn flatten_onto_white(image: &Image, scratch: &mut Scratch) -> Image {
    debug_assert_eq!(image.channels(), Channels::Rgba);
    let mut data = scratch.take(image.data().len() / 4 * 3);
    let pixels = image.data().as_chunks::<4>().0;
    for (&[r, g, b, a], flat) in pixels.iter().zip(data.as_chunks_mut::<3>().0) {
        let (alpha, white) = (u32::from(a), 255 * (255 - u32::from(a)));
        *flat = [r, g, b].map(|v| ((u32::from(v) * alpha + white + 127) / 255) as u8);
    }
    Image::new(image.width(), image.height(), Channels::Rgb, data)
}
