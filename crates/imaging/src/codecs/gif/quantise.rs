//! Reduces an image to at most 256 colours. An image with at most 256 colours is converted without loss; any
//! other image is quantised with dithering.

use quantette::deps::palette::Srgb;
use quantette::deps::palette::cast::from_component_slice;
use quantette::{ImageRef, PaletteSize, Pipeline};

use crate::codecs::palette::{self, Indexed};
use crate::{Error, Image, Scratch};

/// Converts an RGBA image, in which every alpha is 0 or 255, to at most 256 colours. If the image has
/// transparent pixels, one of the 256 entries is transparent. The second value says whether the conversion
/// was lossless.
pub(super) fn to_indexed(image: &Image, scratch: &mut Scratch) -> Result<(Indexed, bool), Error> {
    if let Some(indexed) = palette::exact(image, 256, scratch) {
        return Ok((indexed, true));
    }
    let mut rgb = scratch.take(image.data().len() / 4 * 3);
    let any_transparent = fill_transparent(image, &mut rgb);
    let size = if any_transparent { PaletteSize::from_u8_clamped(255) } else { PaletteSize::MAX };
    let mut indexed = quantise(&rgb, image, size)?;
    scratch.give(rgb);
    if any_transparent {
        let transparent = indexed.colors.len() as u8;
        indexed.colors.push([0; 4]);
        for (index, pixel) in indexed.indices.iter_mut().zip(image.data().as_chunks::<4>().0) {
            if pixel[3] == 0 {
                *index = transparent;
            }
        }
    }
    Ok((indexed, false))
}

/// Copies the colours of the image to `rgb`. A transparent pixel repeats the opaque pixel before it, so that
/// transparent pixels need no palette entry and do not disturb the dithering. Returns whether there are
/// transparent pixels.
fn fill_transparent(image: &Image, rgb: &mut [u8]) -> bool {
    let pixels = image.data().as_chunks::<4>().0;
    let mut last = pixels.iter().find(|pixel| pixel[3] != 0).map_or([0; 3], |&[r, g, b, _]| [r, g, b]);
    let mut any_transparent = false;
    for (to, &[r, g, b, a]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        if a == 0 {
            any_transparent = true;
        } else {
            last = [r, g, b];
        }
        *to = last;
    }
    any_transparent
}

/// Quantises with the algorithm of Wu (1991) in the Oklab colour space, and dithers with the algorithm of
/// Floyd and Steinberg (1976).
fn quantise(rgb: &[u8], image: &Image, size: PaletteSize) -> Result<Indexed, Error> {
    let pixels: &[Srgb<u8>] = from_component_slice(rgb);
    let input = ImageRef::new(image.width(), image.height(), pixels)
        .map_err(|error| Error::Encode { format: "GIF", reason: error.to_string() })?;
    let (colors, indices) =
        Pipeline::new().palette_size(size).input_image(input).output_srgb8_indexed_image().into_parts();
    let colors = colors.into_iter().map(|color| [color.red, color.green, color.blue, 255]).collect();
    Ok(Indexed { colors, indices })
}
