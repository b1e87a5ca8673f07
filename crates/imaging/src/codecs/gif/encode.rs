//! Writing GIF, by the `gif` crate: pictures of at most 256 colours keep them, others are quantised and dithered.
//! Transparency is all or nothing: from half opaque on a pixel is opaque.

use ::gif::{DisposalMethod, EncodingError, Frame};
use quantette::deps::palette::Srgb;
use quantette::deps::palette::cast::from_component_slice;
use quantette::{ImageRef, PaletteSize, Pipeline};

use crate::codecs::Encoded;
use crate::codecs::palette::{self, Indexed};
use crate::facts::{Colorspace, Description};
use crate::plan::{Format, Output};
use crate::{Channels, Error, Image, Scratch};

fn failed(reason: impl ToString) -> Error {
    Error::Encode { format: "GIF", reason: reason.to_string() }
}

/// A whole file of one frame.
pub(in crate::codecs) fn encode(
    image: &Image,
    _output: &Output,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let side = |px: u32| u16::try_from(px).map_err(|_| failed("a side is longer than 65535 pixels"));
    let (width, height) = (side(image.width())?, side(image.height())?);
    let indexed = to_indexed(image, scratch)?;
    let transparent = indexed.colors.iter().position(|color| color[3] == 0).map(|index| index as u8);
    let n_colors = indexed.colors.len();
    let colors: Vec<u8> = indexed.colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let mut bytes = Vec::with_capacity(indexed.indices.len() / 2);
    let frame = Frame {
        width,
        height,
        dispose: DisposalMethod::Keep,
        transparent,
        buffer: (&indexed.indices).into(),
        ..Frame::default()
    };
    let write = |bytes: &mut Vec<u8>| -> Result<(), EncodingError> {
        let mut encoder = ::gif::Encoder::new(bytes, width, height, &colors)?;
        encoder.write_frame(&frame)
    };
    write(&mut bytes).map_err(failed)?;
    drop(frame);
    scratch.give(indexed.indices);
    let description = Description {
        format: Format::Gif,
        width: image.width(),
        height: image.height(),
        colorspace: Colorspace::Palette,
        interlaced: false,
        sampling: None,
        depth: table_bits(n_colors),
        quality: None,
        frames: 1,
        alpha: transparent.is_some(),
    };
    Ok(Encoded { description, bytes })
}

/// Bits of an index into a table of `n_colors`; a table has at least two entries.
fn table_bits(n_colors: usize) -> u8 {
    n_colors.next_power_of_two().trailing_zeros().max(1) as u8
}

/// At most 256 colours, one of them transparent when a pixel is.
fn to_indexed(image: &Image, scratch: &mut Scratch) -> Result<Indexed, Error> {
    if image.channels() != Channels::Rgba {
        return match palette::exact(image, 256, scratch) {
            Some(indexed) => Ok(indexed),
            None => quantise(image.data(), image, PaletteSize::MAX),
        };
    }
    let sharp = sharpen_alpha(image, scratch);
    if let Some(indexed) = palette::exact(&sharp, 256, scratch) {
        scratch.give(sharp.into_data());
        return Ok(indexed);
    }
    let mut rgb = scratch.take(sharp.data().len() / 4 * 3);
    let any_transparent = fill_transparent(&sharp, &mut rgb);
    let size = if any_transparent { PaletteSize::from_u8_clamped(255) } else { PaletteSize::MAX };
    let mut indexed = quantise(&rgb, &sharp, size)?;
    scratch.give(rgb);
    if any_transparent {
        let transparent = indexed.colors.len() as u8;
        indexed.colors.push([0; 4]);
        for (index, pixel) in indexed.indices.iter_mut().zip(sharp.data().as_chunks::<4>().0) {
            if pixel[3] == 0 {
                *index = transparent;
            }
        }
    }
    scratch.give(sharp.into_data());
    Ok(indexed)
}

/// Every pixel fully opaque or fully transparent.
fn sharpen_alpha(image: &Image, scratch: &mut Scratch) -> Image {
    let mut data = scratch.take(image.data().len());
    for (to, &[r, g, b, a]) in data.as_chunks_mut::<4>().0.iter_mut().zip(image.data().as_chunks::<4>().0) {
        *to = if a >= 128 { [r, g, b, 255] } else { [0; 4] };
    }
    Image::new(image.width(), image.height(), Channels::Rgba, data)
}

/// The colours of a picture whose transparent pixels repeat the opaque one before them, so that they neither take a
/// colour of their own nor disturb the dithering. Whether there were any.
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

/// Wu's quantiser in Oklab, with Floyd–Steinberg dithering.
fn quantise(rgb: &[u8], image: &Image, size: PaletteSize) -> Result<Indexed, Error> {
    let pixels: &[Srgb<u8>] = from_component_slice(rgb);
    let input = ImageRef::new(image.width(), image.height(), pixels).map_err(failed)?;
    let (colors, indices) =
        Pipeline::new().palette_size(size).input_image(input).output_srgb8_indexed_image().into_parts();
    let colors = colors.into_iter().map(|color| [color.red, color.green, color.blue, 255]).collect();
    Ok(Indexed { colors, indices })
}
