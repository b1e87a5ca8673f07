//! Writes PNG. A picture with at most 256 colours is written with a palette. Any other picture is written as
//! gray, RGB or RGBA, without the channels that it does not need, unless the request allows a lossy palette.

use ::png::BitDepth;

use super::compress::{Color, Effort, Raster, Strategy};
use super::lossy;
use crate::codecs::codec::Encoded;
use crate::codecs::palette::{self, Indexed};
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The largest picture, in bytes before compression, that is compressed as a whole. Larger pictures are
/// compressed row by row by the fastest method, because everything else would need too much memory.
const MAX_WHOLE_BYTES: usize = 48 << 20;

/// The largest picture, in bytes before compression, for which many filters are tried. Larger pictures would
/// take more than five seconds of processor time.
const MAX_MANY_FILTERS_BYTES: usize = 16 << 20;

/// The memory of libdeflate's tables for the default effort, in bytes.
const DEFLATE_BYTES: u64 = 2 << 20;

/// Chooses the compression by `output.effort`. ADR 29 has the measurements.
fn effort(output: &Output, raster: &Raster<'_>) -> Effort {
    let n_bytes = raster.data.len();
    if n_bytes > MAX_WHOLE_BYTES {
        return Effort::Fast;
    }
    let most = if n_bytes > MAX_MANY_FILTERS_BYTES { 1 } else { 4 };
    match output.effort {
        Some(0) => Effort::Fast,
        Some(1) => Effort::Single(Strategy::MinSum, 1),
        Some(2) => Effort::Single(Strategy::MinSum, 5),
        None | Some(3) if raster.is_drawing() => Effort::Drawing,
        Some(4..=5) if raster.is_drawing() => Effort::WholeDrawing,
        None | Some(3) => Effort::Single(Strategy::Bigrams, 5),
        Some(4) => Effort::Single(Strategy::Bigrams, 6),
        Some(5) => Effort::Single(Strategy::Bigrams, 8),
        Some(effort) => Effort::Preset((effort - 5).min(most)),
    }
}

/// The memory that encoding a picture of `n_pixels` pixels with `n_channels` bytes each needs, in bytes, with the
/// file.
pub(in crate::codecs) fn encoder_bytes(n_pixels: u64, n_channels: u64) -> u64 {
    let raw = n_pixels * n_channels;
    if raw <= MAX_WHOLE_BYTES as u64 {
        // The picture is copied and filtered, and the file is compared with others.
        return 3 * raw + DEFLATE_BYTES;
    }
    // The file of a large photograph has at most two thirds of the bytes of the pixels. A picture with a palette
    // needs its indices and its file. An alpha channel that is not needed is removed in a copy.
    let opaque = n_pixels * if n_channels == 4 { 5 } else { 2 };
    opaque.max(raw * 2 / 3)
}

/// Encodes a picture and returns the complete PNG file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let quality = lossy::quality(output);
    let indexed = indexed(image, quality, scratch);
    let mut encoded = encode_either(image, indexed, output, scratch)?;
    encoded.info.quality = quality;
    Ok(encoded)
}

/// Converts a picture to a palette: without loss if a palette can hold the picture and makes it smaller, else with
/// the loss that `quality` allows.
pub(super) fn indexed(image: &Image, quality: Option<u8>, scratch: &mut Scratch) -> Option<Indexed> {
    let exact = palette::exact(image, 256, scratch).filter(|indexed| !is_better_as_gray(image, indexed));
    exact.or_else(|| lossy::reduce(image, quality?, scratch))
}

/// Encodes a picture with its palette, or without a palette if it has none.
pub(super) fn encode_either(
    image: &Image,
    indexed: Option<Indexed>,
    output: &Output,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    if let Some(indexed) = indexed {
        return encode_indexed(image, indexed, output, scratch);
    }
    let reduced = reduce(image, scratch);
    let encoded = encode_direct(reduced.as_ref().unwrap_or(image), output)?;
    if let Some(reduced) = reduced {
        scratch.give(reduced.into_data());
    }
    Ok(encoded)
}

/// Whether a picture is gray and has more than 16 gray values. Such a picture is smaller without a palette,
/// because an index would have eight bits, as many as the gray value itself.
fn is_better_as_gray(image: &Image, indexed: &Indexed) -> bool {
    image.channels() == Channels::Gray && indexed.colors.len() > 16
}

/// Removes the alpha channel if all pixels are opaque, and converts colour to gray if all pixels are gray.
/// Returns `None` when no channel can be removed.
fn reduce(image: &Image, scratch: &mut Scratch) -> Option<Image> {
    let (width, height) = (image.width(), image.height());
    match image.channels() {
        Channels::Gray => None,
        Channels::Rgb => {
            let pixels = image.data().as_chunks::<3>().0;
            pixels.iter().all(|[r, g, b]| r == g && g == b).then(|| {
                let mut data = scratch.take(pixels.len());
                data.iter_mut().zip(pixels).for_each(|(v, pixel)| *v = pixel[0]);
                Image::new(width, height, Channels::Gray, data)
            })
        }
        Channels::Rgba => {
            let pixels = image.data().as_chunks::<4>().0;
            pixels.iter().all(|pixel| pixel[3] == 255).then(|| {
                let gray = pixels.iter().all(|[r, g, b, _]| r == g && g == b);
                let channels = if gray { Channels::Gray } else { Channels::Rgb };
                let mut data = scratch.take(pixels.len() * channels.count());
                if gray {
                    data.iter_mut().zip(pixels).for_each(|(v, pixel)| *v = pixel[0]);
                } else {
                    let flat = data.as_chunks_mut::<3>().0;
                    flat.iter_mut().zip(pixels).for_each(|(to, &[r, g, b, _])| *to = [r, g, b]);
                }
                Image::new(width, height, channels, data)
            })
        }
    }
}

/// Encodes a picture without a palette.
fn encode_direct(image: &Image, output: &Output) -> Result<Encoded, Error> {
    let (color, colorspace) = match image.channels() {
        Channels::Gray => (Color::Gray, Colorspace::Gray),
        Channels::Rgb => (Color::Rgb, Colorspace::Rgb),
        Channels::Rgba => (Color::Rgba, Colorspace::Rgb),
    };
    let (width, height, data) = (image.width(), image.height(), image.data());
    let raster = Raster { width, height, color, depth: BitDepth::Eight, data };
    let bytes = raster.compress(effort(output, &raster))?;
    let depth = 8 * image.channels().count() as u8;
    let info = describe(image, colorspace, depth, image.channels().has_alpha());
    Ok(Encoded { info, bytes })
}

/// Encodes a picture with a palette.
fn encode_indexed(
    image: &Image,
    indexed: Indexed,
    output: &Output,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let (depth, bits) = match indexed.colors.len() {
        0..=2 => (BitDepth::One, 1),
        3..=4 => (BitDepth::Two, 2),
        5..=16 => (BitDepth::Four, 4),
        _ => (BitDepth::Eight, 8),
    };
    let packed = if depth == BitDepth::Eight {
        indexed.indices
    } else {
        let packed = pack(&indexed.indices, image.width() as usize, bits, scratch);
        scratch.give(indexed.indices);
        packed
    };
    let (width, height, data) = (image.width(), image.height(), &packed[..]);
    let raster = Raster { width, height, color: Color::Indexed(&indexed.colors), depth, data };
    let bytes = raster.compress(effort(output, &raster))?;
    scratch.give(packed);
    let alpha = indexed.colors.first().is_some_and(|color| color[3] < 255);
    Ok(Encoded { info: describe(image, Colorspace::Palette, bits as u8, alpha), bytes })
}

/// Packs indices of `bits` bits into bytes. The first index of a byte is in the highest bits. Each row begins
/// with a new byte.
fn pack(indices: &[u8], width: usize, bits: usize, scratch: &mut Scratch) -> Vec<u8> {
    let per_byte = 8 / bits;
    let stride = width.div_ceil(per_byte);
    let mut packed = scratch.take(stride * (indices.len() / width));
    for (row, to) in indices.chunks_exact(width).zip(packed.chunks_exact_mut(stride)) {
        for (group, byte) in row.chunks(per_byte).zip(to) {
            let joined =
                group.iter().fold(0u8, |byte, &index| byte.checked_shl(bits as u32).unwrap_or(0) | index);
            *byte = joined.checked_shl(((per_byte - group.len()) * bits) as u32).unwrap_or(0);
        }
    }
    packed
}

/// Returns the file information for a still picture.
pub(super) fn describe(image: &Image, colorspace: Colorspace, depth: u8, alpha: bool) -> ImageInfo {
    ImageInfo::plain(Format::Png, Size::of(image), colorspace, depth, alpha)
}
