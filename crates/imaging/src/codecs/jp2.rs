//! JPEG 2000 (ISO/IEC 15444-1), as a JP2 file or as a bare codestream. The crate `hayro-jpeg2000`, written in
//! safe Rust, decodes the pixels. The crate `openjp2`, a Rust version of OpenJPEG, encodes pixels. `openjp2`
//! never reads a customer's file, because this module uses only the encoder of `openjp2`.

mod codestream;
mod encode;
mod header;
#[expect(
    unsafe_code,
    reason = "openjp2 writes through C callbacks; all are in this module, each with a safety comment"
)]
mod memory;

use hayro_jpeg2000::{
    ColorSpace, DecodeError, DecodeSettings, DecoderContext, FormatError, Image, MarkerError,
};

use self::codestream::End;
pub(super) use self::encode::encode;
use self::header::Jp2Header;
use super::codec::Header;
use super::memory::{DecoderMemory, area};
use super::still_decoder::DecodeStill;
use crate::alpha::unpremultiply;
use crate::color::{Layout, Raster};
use crate::format::Format;
use crate::geometry::Size;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::{Error, Limits, Scratch};

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn corrupt(reason: impl ToString) -> Error {
    Error::Corrupt { format: Format::Jp2.name(), reason: reason.to_string() }
}

/// Converts an error of the crate `hayro-jpeg2000`.
fn failed(error: DecodeError) -> Error {
    match error {
        DecodeError::Format(FormatError::Unsupported) | DecodeError::Marker(MarkerError::Unsupported) => {
            Error::Unsupported { format: Format::Jp2.name(), reason: error.to_string() }
        }
        error => corrupt(error),
    }
}

/// A JPEG 2000 file whose headers were read.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    image: Image<'a>,
    header: Header,
    channels: Channels,
}

/// The channels of a decoded pixel, in the order in which `hayro-jpeg2000` delivers them.
#[derive(Debug, Clone, Copy)]
struct Channels {
    layout: Layout,
    /// Number of colour channels, without alpha.
    n_colors: usize,
    alpha: bool,
    premultiplied: bool,
}

impl Channels {
    fn count(self) -> usize {
        self.n_colors + usize::from(self.alpha)
    }
}

impl<'a> Decoder<'a> {
    /// Reads the boxes of the file and the main header of the codestream. Decodes no pixels.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let jp2 = header::read(input, limits)?;
        // The limits are checked before `hayro-jpeg2000` is called, because the crate allocates memory for a
        // picture of the size that the file states.
        limits.check_input(jp2.width, jp2.height, 1)?;
        let image = Image::new(input, &settings(None)).map_err(failed)?;
        if image.width() == 0 || image.height() == 0 {
            return Err(corrupt("a side is zero"));
        }
        let channels = channels(&image, &jp2)?;
        let mut warnings = Vec::new();
        let truncation = match jp2.end {
            End::Complete => None,
            End::CutOff(truncation) => Some(truncation),
            End::Unknown => {
                warnings.push("the JPEG 2000 has no end marker: a part of it may be missing".to_owned());
                None
            }
        };
        let profile = match image.color_space() {
            ColorSpace::Icc { profile, .. } => Some(profile.clone()),
            _ => None,
        };
        let header = Header {
            info: describe(&image, &jp2, channels),
            orientation: Orientation::Upright,
            profile: profile.filter(|_| !(channels.n_colors == 1 && channels.alpha)),
            metadata: Metadata { exif: jp2.exif, xmp: jp2.xmp, ..Metadata::default() },
            plays: None,
            warnings,
            truncation,
        };
        Ok(Self { input, image, header, channels })
    }
}

/// The settings of `hayro-jpeg2000`: the decoder tolerates defects, and decodes the lowest resolution level
/// that is at least as large as `needed`.
fn settings(needed: Option<Size>) -> DecodeSettings {
    DecodeSettings {
        resolve_palette_indices: true,
        strict: false,
        target_resolution: needed.map(|size| (size.width, size.height)),
    }
}

fn channels(image: &Image<'_>, jp2: &Jp2Header) -> Result<Channels, Error> {
    let n_colors = usize::from(image.color_space().num_channels());
    let alpha = image.has_alpha();
    let layout = match (n_colors, alpha) {
        (1, false) => Layout::Gray,
        (3, false) => Layout::Rgb,
        (1 | 3, true) => Layout::Rgba,
        (4, _) => Layout::Cmyk,
        // The meaning of the second channel is unknown, so the first channel is shown as gray and the second
        // is ignored.
        (2, _) => Layout::Gray,
        _ => {
            let reason = format!("{n_colors} colour channels");
            return Err(Error::Unsupported { format: Format::Jp2.name(), reason });
        }
    };
    Ok(Channels { layout, n_colors, alpha, premultiplied: jp2.premultiplied })
}

fn describe(image: &Image<'_>, jp2: &Jp2Header, channels: Channels) -> ImageInfo {
    let colorspace = match channels.n_colors {
        _ if jp2.palette => Colorspace::Palette,
        1 | 2 => Colorspace::Gray,
        4 => Colorspace::Cmyk,
        _ if jp2.ycc => Colorspace::YCbCr,
        _ => Colorspace::Rgb,
    };
    ImageInfo {
        format: Format::Jp2,
        width: image.width(),
        height: image.height(),
        colorspace,
        interlaced: false,
        sampling: jp2.sampling.filter(|_| channels.n_colors == 3).map(str::to_owned),
        depth: jp2.bits_per_pixel,
        quality: None,
        frames: 1,
        alpha: channels.alpha,
    }
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn reduce_to(&mut self, needed: Size) {
        // `open` has already created an image of the full size. If creating an image of a smaller size fails,
        // the full-size image is used.
        if let Ok(image) = Image::new(self.input, &settings(Some(needed)))
            && image.width() >= needed.width.min(self.image.width())
            && image.height() >= needed.height.min(self.image.height())
        {
            self.image = image;
        }
    }

    fn memory(&self) -> DecoderMemory {
        let n_pixels = area(self.image.width(), self.image.height());
        // The crate decodes to floats, and needs a second buffer for the wavelets of a channel.
        let n_channels = self.channels.count().max(1) as u64;
        let frame = n_pixels * self.channels.layout.count() as u64;
        DecoderMemory::still(frame, n_pixels * (n_channels * 9 + 4))
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let (width, height) = (self.image.width(), self.image.height());
        let n_pixels = width as usize * height as usize;
        let mut context = DecoderContext::default();
        let decoded = self.image.decode(&mut context).map_err(failed)?;
        let n_channels = decoded.components().len();
        if n_channels < self.channels.count() {
            return Err(corrupt("a channel is missing"));
        }
        if decoded.components().iter().any(|component| component.samples().len() != n_pixels) {
            return Err(corrupt("its channels have different sizes"));
        }
        let mut packed = scratch.take_zeroed(n_pixels * n_channels);
        decoded.store_u8_into(&mut packed);
        let data = self.arrange(packed, n_channels, scratch);
        Ok(Raster { width, height, layout: self.channels.layout, data })
    }
}

impl Decoder<'_> {
    /// Converts pixels of `n_channels` bytes each to the pixel layout of the raster.
    fn arrange(&self, packed: Vec<u8>, n_channels: usize, scratch: &mut Scratch) -> Vec<u8> {
        let Channels { layout, n_colors, alpha, premultiplied } = self.channels;
        if n_channels == layout.count() && !(alpha && premultiplied) {
            return packed;
        }
        let n = layout.count();
        let mut data = scratch.take(packed.len() / n_channels * n);
        for (to, from) in data.chunks_exact_mut(n).zip(packed.chunks_exact(n_channels)) {
            if layout == Layout::Rgba {
                let color = |i: usize| from[i.min(n_colors - 1)];
                let pixel = [color(0), color(1), color(2), from[n_colors]];
                to.copy_from_slice(&if premultiplied { unpremultiply(pixel) } else { pixel });
            } else {
                to.copy_from_slice(&from[..n]);
            }
        }
        scratch.give(packed);
        data
    }
}
