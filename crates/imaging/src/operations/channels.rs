//! From one layout of pixels to another: more channels when colour or alpha appears, and the luma of a picture.

use crate::{Channels, Image, Scratch};

/// Whether no pixel lets anything through.
pub(super) fn is_opaque(image: &Image) -> bool {
    !image.channels().has_alpha() || is_opaque_data(image.data())
}

/// The same of pixels with alpha.
pub(super) fn is_opaque_data(pixels: &[u8]) -> bool {
    // Folded over blocks: a loop that stops at each pixel would not be vectorised.
    pixels
        .chunks(4096)
        .all(|block| block.as_chunks::<4>().0.iter().fold(255, |all, pixel| all & pixel[3]) == 255)
}

/// The same picture with at least the channels of `wanted`: gray becomes colour, no alpha becomes opaque.
pub(super) fn promote(image: Image, wanted: Channels, scratch: &mut Scratch) -> Image {
    let (width, height, old) = (image.width(), image.height(), image.channels());
    if old.count() >= wanted.count() {
        return image;
    }
    let data = image.into_data();
    let mut made = scratch.take(width as usize * height as usize * wanted.count());
    match (old, wanted) {
        (Channels::Gray, Channels::Rgb) => {
            for (pixel, &luma) in made.as_chunks_mut::<3>().0.iter_mut().zip(&data) {
                *pixel = [luma; 3];
            }
        }
        (Channels::Gray, _) => {
            for (pixel, &luma) in made.as_chunks_mut::<4>().0.iter_mut().zip(&data) {
                *pixel = [luma, luma, luma, 255];
            }
        }
        _ => {
            for (pixel, &[r, g, b]) in made.as_chunks_mut::<4>().0.iter_mut().zip(data.as_chunks::<3>().0) {
                *pixel = [r, g, b, 255];
            }
        }
    }
    scratch.give(data);
    Image::new(width, height, wanted, made)
}

/// Luma of a pixel of sRGB values by the weights of Rec. ITU-R BT.709, rounded. Gray values come back unchanged.
pub(super) fn luma([r, g, b]: [u8; 3]) -> u8 {
    // The weights times 2^16; they add up to 65536.
    ((u32::from(r) * 13_933 + u32::from(g) * 46_871 + u32::from(b) * 4_732 + 32_768) >> 16) as u8
}
