//! BMP, the bitmaps of Windows and OS/2. The part after the file header is a DIB (device-independent bitmap),
//! which icons contain, too. `dib.rs` reads the headers of a DIB, `pixels.rs` and `rle.rs` decode its pixels,
//! `encode.rs` writes files.
//!
//! This decoder ignores a colour space that a V4 or V5 header describes by the XYZ values of the primaries
//! and by gamma values. The pixels of such a file are treated as sRGB, as in most viewers. An embedded ICC
//! profile is used.

mod dib;
mod encode;
mod pixels;
mod rle;

use self::dib::Coding;
pub(super) use self::dib::Dib;
pub(super) use self::encode::encode;
pub(super) use self::pixels::{decode, each_row, unpack};
use super::codec::{Decode, Header};
use super::memory::{DecoderMemory, area, pixel_bytes};
use super::nested::NestedDecoder;
use super::still_decoder::{DecodeStill, StillDecoder};
use super::{jpeg, png};
use crate::bytes::u32_le;
use crate::color::Raster;
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::Truncation;
use crate::{Error, Limits, Scratch};

/// Length of the BMP file header, in bytes. The header precedes the DIB and has these fields: signature, file
/// size, two reserved fields, and the offset of the pixels.
const FILE_HEADER_BYTES: usize = 14;

fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt { format: "BMP", reason: reason.into() }
}

/// Opens a BMP file. Its pixels are stored as a bitmap, or as an embedded JPEG or PNG file, which the format
/// allows for printers.
pub(super) fn open<'a>(input: &'a [u8], limits: &Limits) -> Result<Box<dyn Decode + 'a>, Error> {
    let pixels_at = u32_le(input, 10).ok_or_else(|| corrupt("the file header is cut off"))? as usize;
    let body = input.get(FILE_HEADER_BYTES..).unwrap_or_default();
    let dib = Dib::of_file(body, pixels_at.saturating_sub(FILE_HEADER_BYTES))?;
    let data = body.get(dib.pixels_at..).unwrap_or_default();
    match dib.coding {
        Coding::Jpeg => {
            let inner = StillDecoder::new(jpeg::Decoder::open(data, limits)?);
            Ok(Box::new(NestedDecoder::new(inner, Format::Bmp)))
        }
        Coding::Png => Ok(Box::new(NestedDecoder::new(png::Decoder::open(data, limits)?, Format::Bmp))),
        _ => {
            let profile = match dib.profile.clone() {
                Some(range) => {
                    check(Limit::MetadataBytes, limits.metadata_bytes, range.len() as u64)?;
                    body.get(range).map(<[u8]>::to_vec)
                }
                None => None,
            };
            let header = header(Format::Bmp, &dib, dib.has_alpha(), profile);
            Ok(Box::new(StillDecoder::new(Decoder { header, dib, data })))
        }
    }
}

/// A BMP file whose headers were read.
struct Decoder<'a> {
    dib: Dib,
    data: &'a [u8],
    header: Header,
}

/// Describes the file that contains this DIB. `format` is BMP or ICO.
pub(super) fn header(format: Format, dib: &Dib, alpha: bool, profile: Option<Vec<u8>>) -> Header {
    let colorspace = if dib.bits <= 8 { Colorspace::Palette } else { Colorspace::Rgb };
    let size = Size::new(dib.width, dib.height);
    let info = ImageInfo::plain(format, size, colorspace, dib.bits as u8, alpha);
    Header {
        info,
        orientation: Orientation::Upright,
        profile,
        metadata: Metadata::default(),
        plays: Some(1),
        warnings: Vec::new(),
        truncation: None,
    }
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let ImageInfo { width, height, .. } = self.header.info;
        let n_pixels = area(width, height);
        DecoderMemory::still(n_pixels * pixel_bytes(&self.header.info), n_pixels)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let gray_allowed = self.header.profile.is_none();
        let pixels = decode(&self.dib, self.data, gray_allowed, scratch)?;
        self.header.truncation = Truncation::of_picture(pixels.missing_permille);
        Ok(pixels.raster)
    }
}
