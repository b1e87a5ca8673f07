//! JPEG 2000 (ISO/IEC 15444-1) and High-Throughput JPEG 2000 (ISO/IEC 15444-15), as a JP2 file or as a bare
//! codestream. `picture.rs` names the crates that decode the pixels. The crate `openjp2`, a Rust version of
//! OpenJPEG, encodes pixels. `openjp2` never reads a customer's file, because this module uses only the encoder
//! of `openjp2`.

mod codestream;
mod encode;
mod header;
#[expect(
    unsafe_code,
    reason = "openjp2 writes through C callbacks; all are in this module, each with a safety comment"
)]
mod memory;
mod picture;

use self::codestream::End;
pub(super) use self::encode::encode;
use self::header::Jp2Header;
use self::picture::{Decoded, Picture};
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

/// A JPEG 2000 file whose headers were read.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    picture: Picture<'a>,
    is_high_throughput: bool,
    header: Header,
    channels: Channels,
}

/// The channels of a decoded pixel, in the order in which the decoders deliver them.
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
        // The limits are checked before the decoders are called, because they allocate memory for a picture of
        // the size that the file states.
        limits.check_input(jp2.width, jp2.height, 1)?;
        let picture = Picture::open(input, jp2.high_throughput, None)?;
        if picture.width() == 0 || picture.height() == 0 {
            return Err(corrupt("a side is zero"));
        }
        let channels = channels(&picture, &jp2)?;
        let mut warnings = Vec::new();
        let truncation = match jp2.end {
            End::Complete => None,
            End::CutOff(truncation) => Some(truncation),
            End::Unknown => {
                warnings.push("the JPEG 2000 has no end marker: a part of it may be missing".to_owned());
                None
            }
        };
        let has_profile_of_use = !(channels.n_colors == 1 && channels.alpha);
        let header = Header {
            info: describe(&picture, &jp2, channels),
            orientation: Orientation::Upright,
            profile: picture.profile().filter(|_| has_profile_of_use).map(<[u8]>::to_vec),
            metadata: Metadata { exif: jp2.exif, xmp: jp2.xmp, ..Metadata::default() },
            plays: None,
            warnings,
            truncation,
        };
        Ok(Self { input, picture, is_high_throughput: jp2.high_throughput, header, channels })
    }
}

fn channels(picture: &Picture<'_>, jp2: &Jp2Header) -> Result<Channels, Error> {
    let n_colors = picture.n_colors();
    let alpha = picture.has_alpha();
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

fn describe(picture: &Picture<'_>, jp2: &Jp2Header, channels: Channels) -> ImageInfo {
    let colorspace = match channels.n_colors {
        _ if jp2.palette => Colorspace::Palette,
        1 | 2 => Colorspace::Gray,
        4 => Colorspace::Cmyk,
        _ if jp2.ycc => Colorspace::YCbCr,
        _ => Colorspace::Rgb,
    };
    ImageInfo {
        format: Format::Jp2,
        width: picture.width(),
        height: picture.height(),
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
        // `open` has already read the picture for its full size. If reading it for a smaller size fails, the
        // full size is used.
        if let Ok(picture) = Picture::open(self.input, self.is_high_throughput, Some(needed))
            && picture.width() >= needed.width.min(self.picture.width())
            && picture.height() >= needed.height.min(self.picture.height())
        {
            self.picture = picture;
        }
    }

    fn memory(&self) -> DecoderMemory {
        let n_pixels = area(self.picture.width(), self.picture.height());
        // The crate decodes to floats, and needs a second buffer for the wavelets of a channel.
        let n_channels = self.channels.count().max(1) as u64;
        let frame = n_pixels * self.channels.layout.count() as u64;
        DecoderMemory::still(frame, n_pixels * (n_channels * 9 + 4))
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let (width, height) = (self.picture.width(), self.picture.height());
        let Decoded { n_channels, data } = self.picture.decode(|n_bytes| scratch.take_zeroed(n_bytes))?;
        if n_channels < self.channels.count() {
            return Err(corrupt("a channel is missing"));
        }
        let data = self.arrange(data, n_channels, scratch);
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
