//! PNG (ISO/IEC 15948), by the `png` crate.

mod encode;

use std::io::Cursor;

use ::png::{BitDepth, ColorType, Info, Transformations};

pub(super) use self::encode::encode;
use super::{Decode, Frame, Header};
use crate::color::{Layout, Raster};
use crate::facts::{Colorspace, Description};
use crate::orientation::Orientation;
use crate::plan::Format;
use crate::{Error, Scratch};

/// What the library may allocate for itself: rows, tables and metadata, not the picture.
const MAX_LIBRARY_BYTES: usize = 32 << 20;

fn corrupt(error: &::png::DecodingError) -> Error {
    Error::Corrupt { format: "PNG", reason: error.to_string() }
}

/// A PNG file whose header was read.
pub(super) struct Decoder<'a> {
    reader: ::png::Reader<Cursor<&'a [u8]>>,
    header: Header,
    done: bool,
}

impl<'a> Decoder<'a> {
    /// Reads everything before the picture's data.
    pub(super) fn open(input: &'a [u8]) -> Result<Self, Error> {
        let limits = ::png::Limits { bytes: MAX_LIBRARY_BYTES };
        let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(input), limits);
        decoder.set_ignore_text_chunk(true);
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let reader = decoder.read_info().map_err(|error| corrupt(&error))?;
        let header = header(reader.info());
        Ok(Self { reader, header, done: false })
    }
}

fn header(info: &Info<'_>) -> Header {
    let colorspace = match info.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Colorspace::Gray,
        ColorType::Indexed => Colorspace::Palette,
        ColorType::Rgb | ColorType::Rgba => Colorspace::Rgb,
    };
    let alpha_channel = matches!(info.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let description = Description {
        format: Format::Png,
        width: info.width,
        height: info.height,
        colorspace,
        interlaced: info.interlaced,
        sampling: None,
        depth: info.bits_per_pixel() as u8,
        quality: None,
        frames: 1,
        alpha: alpha_channel || info.trns.is_some(),
    };
    Header {
        description,
        orientation: info.exif_metadata.as_deref().map(Orientation::from_exif).unwrap_or_default(),
        profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        plays: None,
        warnings: Vec::new(),
    }
}

impl Decode for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let (color_type, bit_depth) = self.reader.output_color_type();
        debug_assert_eq!(bit_depth, BitDepth::Eight, "the transformations leave nothing else");
        let (width, height) = (self.header.description.width, self.header.description.height);
        let mut data = scratch.take_zeroed(width as usize * height as usize * color_type.samples());
        if let Err(error) = self.reader.next_frame(&mut data) {
            scratch.give(data);
            return Err(corrupt(&error));
        }
        let (layout, data) = match color_type {
            ColorType::Grayscale | ColorType::Indexed => (Layout::Gray, data),
            ColorType::Rgb => (Layout::Rgb, data),
            ColorType::Rgba => (Layout::Rgba, data),
            ColorType::GrayscaleAlpha => (Layout::Rgba, widen(data, scratch)),
        };
        Ok(Some(Frame { raster: Raster { width, height, layout, data }, delay_ms: 0 }))
    }
}

/// Gray with alpha becomes colour with alpha.
fn widen(data: Vec<u8>, scratch: &mut Scratch) -> Vec<u8> {
    let mut wide = scratch.take(data.len() * 2);
    for (&[v, a], pixel) in data.as_chunks::<2>().0.iter().zip(wide.as_chunks_mut::<4>().0) {
        *pixel = [v, v, v, a];
    }
    scratch.give(data);
    wide
}
