//! Writes ICO with one picture, which is stored as a PNG file. All versions of Windows since Vista support
//! PNG in icons. The PNG is always RGBA, because some readers of icons support no other PNG.

use ::png::{BitDepth, ColorType, DeflateCompression, EncodingError, Filter};

use super::MAX_SIDE_PX;
use crate::codecs::codec::Encoded;
use crate::codecs::pixel_format::with_channels;
use crate::format::Format;
use crate::format::signature::{ICO_ENTRY_BYTES, ICO_HEADER_BYTES};
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// Encodes a picture and returns the complete ICO file.
pub(in crate::codecs) fn encode(
    image: &Image,
    _output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_SIDE_PX {
        return Err(Error::Plan(format!(
            "output.format: an ICO has from 1 to {MAX_SIDE_PX} pixels on a side, the result has {width}x{height}"
        )));
    }
    let image = with_channels(image.clone(), Channels::Rgba, scratch);
    let picture =
        picture(&image).map_err(|error| Error::Encode { format: "ICO", reason: error.to_string() })?;
    scratch.give(image.into_data());
    let at = ICO_HEADER_BYTES + ICO_ENTRY_BYTES;
    let mut bytes = Vec::with_capacity(at + picture.len());
    // The file header has three fields: a reserved field, the type (1 means icon), and the number of
    // pictures.
    bytes.extend([0u16, 1, 1].map(u16::to_le_bytes).as_flattened());
    // The first bytes of the directory entry are: width and height, where 0 means 256; the number of colours
    // in the colour table, which is 0 for a picture without a table; and a reserved byte.
    bytes.extend([width as u8, height as u8, 0, 0]);
    // The next fields are the number of colour planes and the number of bits per pixel.
    bytes.extend([1u16, 32].map(u16::to_le_bytes).as_flattened());
    bytes.extend([picture.len() as u32, at as u32].map(u32::to_le_bytes).as_flattened());
    bytes.extend_from_slice(&picture);
    let info = ImageInfo::plain(Format::Ico, Size::new(width, height), Colorspace::Rgb, 32, true);
    Ok(Encoded { info, bytes })
}

/// Encodes an RGBA image as a PNG file.
fn picture(image: &Image) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    // The slowest compression is used, because it gives the smallest file, and because icons are small and
    // kept for a long time.
    encoder.set_deflate_compression(DeflateCompression::Level(9));
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.data())?;
    writer.finish()?;
    Ok(bytes)
}
