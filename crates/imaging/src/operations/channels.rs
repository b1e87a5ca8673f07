//! Conversions between pixel layouts: adding colour channels, adding alpha, and computing the luma of a
//! pixel.

use crate::{Channels, Image, Scratch};

/// Whether all pixels are opaque.
pub(super) fn is_opaque(image: &Image) -> bool {
    !image.channels().has_alpha() || is_opaque_data(image.data())
}

/// Whether all pixels of an RGBA buffer are opaque.
pub(super) fn is_opaque_data(pixels: &[u8]) -> bool {
    // The pixels are checked in blocks, because the compiler does not vectorise a loop that can exit after
    // each pixel.
    pixels
        .chunks(4096)
        .all(|block| block.as_chunks::<4>().0.iter().fold(255, |all, pixel| all & pixel[3]) == 255)
}

/// Adds channels until the image has at least those of `wanted`: a gray value is copied to R, G and B, and
/// missing alpha becomes 255.
pub(super) fn promote(image: Image, wanted: Channels, scratch: &mut Scratch) -> Image {
    let (width, height, old) = (image.width(), image.height(), image.channels());
    if old.count() >= wanted.count() {
        return image;
    }
    let data = image.into_data();
    let mut converted = scratch.take(width as usize * height as usize * wanted.count());
    match (old, wanted) {
        (Channels::Gray, Channels::Rgb) => {
            for (pixel, &luma) in converted.as_chunks_mut::<3>().0.iter_mut().zip(&data) {
                *pixel = [luma; 3];
            }
        }
        (Channels::Gray, _) => {
            for (pixel, &luma) in converted.as_chunks_mut::<4>().0.iter_mut().zip(&data) {
                *pixel = [luma, luma, luma, 255];
            }
        }
        _ => {
            for (pixel, &[r, g, b]) in
                converted.as_chunks_mut::<4>().0.iter_mut().zip(data.as_chunks::<3>().0)
            {
                *pixel = [r, g, b, 255];
            }
        }
    }
    scratch.give(data);
    Image::new(width, height, wanted, converted)
}

/// Luma of an sRGB pixel by the weights of Rec. ITU-R BT.709, rounded. The luma of a gray pixel is its value.
pub(super) fn luma([r, g, b]: [u8; 3]) -> u8 {
    // The BT.709 weights times 2^16, rounded. Their sum is 65536.
    ((u32::from(r) * 13_933 + u32::from(g) * 46_871 + u32::from(b) * 4_732 + 32_768) >> 16) as u8
}
