//! Writes PNG. A picture with at most 256 colours is written with a palette. Any other picture is written as
//! gray, RGB or RGBA, without the channels that it does not need. The compression level depends on the kind
//! of content: photograph, drawing or palette.

use ::png::{BitDepth, ColorType, DeflateCompression, EncodingError, Filter};

use crate::codecs::codec::Encoded;
use crate::codecs::palette::{self, Indexed};
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// The compression for photographs. A fast compression is used, because a slow compression makes photographs
/// hardly smaller. On a photograph of 720 × 588 pixels, the file size differs by at most a tenth from the
/// file size with deflate level 6, and this fast encoder takes a thirtieth of the time. The deflate levels
/// below 2 give larger files and are slower.
const FAST: DeflateCompression = DeflateCompression::FdeflateUltraFast;

/// The deflate levels for the three kinds of content, which depend on `output.effort`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// The deflate level for photographs, whose rows are filtered. `None` means that photographs are
    /// compressed only by the fast encoder.
    photo: Option<u8>,
    /// The deflate level for drawings, whose rows are not filtered, because a filter would hide repeated
    /// pixels from deflate. `None` means that drawings are compressed in the same way as photographs.
    drawing: Option<u8>,
    /// The deflate level for pictures with a palette.
    indexed: u8,
}

impl Effort {
    /// Chooses the deflate levels for `output.effort`.
    pub(super) fn of(output: &Output) -> Self {
        let (photo, drawing, indexed) = match output.effort {
            None => (None, Some(4), 6),
            Some(0) => (None, None, 1),
            Some(1) => (None, Some(2), 2),
            Some(effort) => (Some(effort.min(9)), Some(effort.min(9)), effort.min(9)),
        };
        Self { photo, drawing, indexed }
    }

    /// Returns the compression for pictures that are encoded only once. It is the same compression as for
    /// photographs.
    pub(super) fn single(self) -> DeflateCompression {
        self.photo.map_or(FAST, DeflateCompression::Level)
    }
}

/// The filter for photographs. For each row, the `png` crate chooses the filter with the smallest sum of
/// differences.
pub(super) const PHOTO_FILTER: Filter = Filter::Adaptive;

/// The compression ratio that distinguishes drawings from photographs. A picture is a drawing if the fast
/// encoder makes it smaller by more than this factor.
const DRAWING_RATIO: usize = 5;

/// Converts an error of the `png` crate to an error of this crate.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
pub(super) fn failed(error: EncodingError) -> Error {
    Error::Encode { format: "PNG", reason: error.to_string() }
}

/// Encodes a picture and returns the complete PNG file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let effort = Effort::of(output);
    if let Some(indexed) = palette::exact(image, 256, scratch)
        && !is_better_as_gray(image, &indexed)
    {
        let encoded = encode_indexed(image, &indexed, effort, scratch);
        scratch.give(indexed.indices);
        return encoded;
    }
    let reduced = reduce(image, scratch);
    let encoded = encode_direct(reduced.as_ref().unwrap_or(image), effort);
    if let Some(reduced) = reduced {
        scratch.give(reduced.into_data());
    }
    encoded
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

/// Encodes a picture without a palette. The size of the first attempt shows whether the picture is a
/// photograph or a drawing.
fn encode_direct(image: &Image, effort: Effort) -> Result<Encoded, Error> {
    let (color_type, colorspace) = match image.channels() {
        Channels::Gray => (ColorType::Grayscale, Colorspace::Gray),
        Channels::Rgb => (ColorType::Rgb, Colorspace::Rgb),
        Channels::Rgba => (ColorType::Rgba, Colorspace::Rgb),
    };
    let mut bytes = compress(image, color_type, FAST, PHOTO_FILTER)?;
    let is_drawing = bytes.len() < image.data().len() / DRAWING_RATIO;
    let drawing = effort.drawing.filter(|_| is_drawing).map(|level| (level, Filter::NoFilter));
    for (level, filter) in effort.photo.map(|level| (level, PHOTO_FILTER)).into_iter().chain(drawing) {
        let candidate = compress(image, color_type, DeflateCompression::Level(level), filter)?;
        if candidate.len() < bytes.len() {
            bytes = candidate;
        }
    }
    let depth = 8 * color_type.samples() as u8;
    let info = describe(image, colorspace, depth, image.channels().has_alpha());
    Ok(Encoded { info, bytes })
}

/// Encodes a picture without a palette, with one compression and one filter.
fn compress(
    image: &Image,
    color_type: ColorType,
    compression: DeflateCompression,
    filter: Filter,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(image.data().len() / 2);
    let mut encoder = ::png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(color_type);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(compression);
    encoder.set_filter(filter);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(image.data()).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Encodes a picture with a palette.
fn encode_indexed(
    image: &Image,
    indexed: &Indexed,
    effort: Effort,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let (depth, bits) = match indexed.colors.len() {
        0..=2 => (BitDepth::One, 1),
        3..=4 => (BitDepth::Two, 2),
        5..=16 => (BitDepth::Four, 4),
        _ => (BitDepth::Eight, 8),
    };
    let n_translucent = indexed.colors.iter().take_while(|color| color[3] < 255).count();
    let colors: Vec<u8> = indexed.colors.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let alphas: Vec<u8> = indexed.colors[..n_translucent].iter().map(|color| color[3]).collect();
    let packed = pack(&indexed.indices, image.width() as usize, bits, scratch);
    let mut bytes = Vec::with_capacity(packed.len() / 2);
    let mut encoder = ::png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(colors);
    if n_translucent > 0 {
        encoder.set_trns(alphas);
    }
    encoder.set_deflate_compression(DeflateCompression::Level(effort.indexed));
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&packed).map_err(failed)?;
    writer.finish().map_err(failed)?;
    scratch.give(packed);
    let info = describe(image, Colorspace::Palette, bits as u8, n_translucent > 0);
    Ok(Encoded { info, bytes })
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
