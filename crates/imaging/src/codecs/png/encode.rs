//! Writing PNG without loss: the smallest of palette, gray and colour that holds the picture, alpha only
//! where there is some, and the compression that suits the content.

use ::png::{BitDepth, ColorType, DeflateCompression, EncodingError, Filter};

use crate::codecs::codec::Encoded;
use crate::codecs::palette::{self, Indexed};
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// Photographs barely compress: measured on one of 720 × 588 pixels, the fast coder made for PNG comes within
/// a tenth of the size of level 6 in a thirtieth of the time. What lies below level 2 is larger and slower
/// than it.
const FAST: DeflateCompression = DeflateCompression::FdeflateUltraFast;

/// Which compression, by `output.effort`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// For photographs, after a filter; `None`: the fast coder alone.
    photo: Option<u8>,
    /// For drawings, whose pixels repeat: a filter would only hide that. `None`: they are written as
    /// photographs.
    drawing: Option<u8>,
    /// For indices, whose runs are what deflate is for.
    indexed: u8,
}

impl Effort {
    pub(super) fn of(output: &Output) -> Self {
        let (photo, drawing, indexed) = match output.effort {
            None => (None, Some(4), 6),
            Some(0) => (None, None, 1),
            Some(1) => (None, Some(2), 2),
            Some(effort) => (Some(effort.min(9)), Some(effort.min(9)), effort.min(9)),
        };
        Self { photo, drawing, indexed }
    }

    /// For photographs of which only one try is made.
    pub(super) fn single(self) -> DeflateCompression {
        self.photo.map_or(FAST, DeflateCompression::Level)
    }
}

/// The filter for photographs: for each row the one that leaves the smallest sum of differences.
pub(super) const PHOTO_FILTER: Filter = Filter::Adaptive;

/// What a photograph's coder makes at least this many times smaller is no photograph, but a drawing.
const DRAWING_RATIO: usize = 5;

/// Failing to encode our own pixels is our fault.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
pub(super) fn failed(error: EncodingError) -> Error {
    Error::Encode { format: "PNG", reason: error.to_string() }
}

/// A whole file.
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

/// Gray values need no table when they would need eight bits anyway.
fn is_better_as_gray(image: &Image, indexed: &Indexed) -> bool {
    image.channels() == Channels::Gray && indexed.colors.len() > 16
}

/// The picture with fewer channels, where that loses nothing.
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

/// The colours themselves. Whether they are those of a photograph or of a drawing shows when they were
/// compressed.
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
        let other = compress(image, color_type, DeflateCompression::Level(level), filter)?;
        if other.len() < bytes.len() {
            bytes = other;
        }
    }
    let depth = 8 * color_type.samples() as u8;
    let info = describe(image, colorspace, depth, image.channels().has_alpha());
    Ok(Encoded { info, bytes })
}

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

/// Indices of `bits` bits, the first in the highest bits; each row begins with a new byte.
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

/// The facts of a still picture.
pub(super) fn describe(image: &Image, colorspace: Colorspace, depth: u8, alpha: bool) -> ImageInfo {
    ImageInfo::plain(Format::Png, Size::of(image), colorspace, depth, alpha)
}
