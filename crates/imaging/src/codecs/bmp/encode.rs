//! Writes BMP: gray pictures with 8 bits per pixel and a table of grays, opaque pictures with 24 bits, and
//! pictures with alpha with 32 bits and a V4 header. Rows are written bottom-up, the default of the format,
//! because some readers support only this order.

use crate::codecs::codec::Encoded;
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Channels, Error, Image, Scratch};

/// Length in bytes of the header of a picture without alpha (BITMAPINFOHEADER).
const INFO_HEADER_BYTES: u32 = 40;

/// Length in bytes of the header of a picture with alpha, which has masks for four channels (BITMAPV4HEADER).
const V4_HEADER_BYTES: u32 = 108;

/// The bytes `sRGB` as an integer: the value of the header field for the colour space.
const SRGB: u32 = 0x7352_4742;

/// Encodes a picture and returns the complete BMP file.
pub(in crate::codecs) fn encode(
    image: &Image,
    _output: &Output,
    _metadata: &Metadata,
    _scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let n_channels = image.channels().count();
    let row_bytes = image.width() as usize * n_channels;
    let stride = row_bytes.next_multiple_of(4);
    let (header_bytes, table_bytes) = match image.channels() {
        Channels::Gray => (INFO_HEADER_BYTES, 1024),
        Channels::Rgb => (INFO_HEADER_BYTES, 0),
        Channels::Rgba => (V4_HEADER_BYTES, 0),
    };
    let pixels_at = 14 + header_bytes + table_bytes;
    let n_pixel_bytes = stride * image.height() as usize;
    let n_bytes = pixels_at as usize + n_pixel_bytes;
    let Ok(file_bytes) = u32::try_from(n_bytes) else {
        return Err(Error::Plan(format!(
            "output.format: a BMP has less than 4 GiB, this one needs {n_bytes} bytes"
        )));
    };
    let mut bytes = Vec::with_capacity(n_bytes);
    bytes.extend_from_slice(b"BM");
    bytes.extend([file_bytes, 0, pixels_at].map(u32::to_le_bytes).as_flattened());
    let depth = 8 * n_channels as u16;
    let compression: u32 = if image.channels().has_alpha() { 3 } else { 0 };
    bytes.extend([header_bytes, image.width(), image.height()].map(u32::to_le_bytes).as_flattened());
    bytes.extend([1, depth].map(u16::to_le_bytes).as_flattened());
    // The next fields of the header are: compression, size of the pixel data, pixels per metre horizontally
    // and vertically (96 per inch), number of colours in the table, and number of important colours.
    let rest = [compression, n_pixel_bytes as u32, 3780, 3780, table_bytes / 4, 0];
    bytes.extend(rest.map(u32::to_le_bytes).as_flattened());
    match image.channels() {
        Channels::Gray => (0..=255).for_each(|v| bytes.extend([v, v, v, 0])),
        Channels::Rgb => {}
        Channels::Rgba => {
            let masks: [u32; 5] = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0xff00_0000, SRGB];
            bytes.extend(masks.map(u32::to_le_bytes).as_flattened());
            // The fields for the primaries and the gamma values of the colour space are zero, because readers
            // ignore them if the colour space is sRGB.
            bytes.resize(pixels_at as usize, 0);
        }
    }
    for row in image.data().chunks_exact(row_bytes).rev() {
        match image.channels() {
            Channels::Gray => bytes.extend_from_slice(row),
            Channels::Rgb => bytes.extend(row.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [b, g, r])),
            Channels::Rgba => {
                bytes.extend(row.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]));
            }
        }
        bytes.resize(bytes.len() + stride - row_bytes, 0);
    }
    Ok(Encoded { info: describe(image), bytes })
}

fn describe(image: &Image) -> ImageInfo {
    let channels = image.channels();
    let colorspace = if channels == Channels::Gray { Colorspace::Palette } else { Colorspace::Rgb };
    ImageInfo::plain(
        Format::Bmp,
        Size::of(image),
        colorspace,
        8 * channels.count() as u8,
        channels.has_alpha(),
    )
}
