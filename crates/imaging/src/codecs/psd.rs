//! PSD and PSB, the documents of Photoshop. This decoder reads the merged picture, which the file stores in
//! addition to the layers, in all colour modes and depths. The layers are ignored.
//!
//! The format is specified in "Adobe Photoshop File Formats Specification". PSB, the variant for large
//! documents, stores two of the lengths as 64-bit numbers.

mod pixels;
mod resources;

use self::pixels::{Decoded, Source};
use self::resources::Resources;
use super::codec::Header;
use super::memory::{DecoderMemory, area, pixel_bytes};
use super::still_decoder::DecodeStill;
use crate::bytes::{u16_be, u32_be};
use crate::color::Raster;
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::Truncation;
use crate::{Error, Limits, Scratch};

/// Length of the file header in bytes. The first section follows the header.
const HEADER_BYTES: usize = 26;

/// The largest number of channels that a PSD file may have.
const MAX_CHANNELS: u16 = 56;

fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt { format: "PSD", reason: reason.into() }
}

fn unsupported(reason: impl Into<String>) -> Error {
    Error::Unsupported { format: "PSD", reason: reason.into() }
}

/// The colour mode: the meaning of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Bitmap: one bit per pixel. The bit 1 means black.
    Bitmap,
    Gray,
    Indexed,
    Rgb,
    /// Cyan, magenta, yellow and black. The samples are stored inverted.
    Cmyk,
    /// Inks of any kind. The first four channels are interpreted as cyan, magenta, yellow and black.
    Multichannel,
    /// Duotone: one gray channel, printed with one to four inks. The specification does not describe the
    /// inks, so the picture is shown as gray.
    Duotone,
    Lab,
}

impl Mode {
    /// Converts the number of the colour mode in the file header.
    fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Bitmap,
            1 => Self::Gray,
            2 => Self::Indexed,
            3 => Self::Rgb,
            4 => Self::Cmyk,
            7 => Self::Multichannel,
            8 => Self::Duotone,
            9 => Self::Lab,
            _ => return None,
        })
    }
}

/// A PSD file whose headers were read, with the location of the merged picture.
pub(super) struct Decoder<'a> {
    source: Source<'a>,
    header: Header,
}

impl<'a> Decoder<'a> {
    /// Reads the header, the colour table and the image resources of a file, and finds where the merged
    /// picture begins.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let u16_at = |at| u16_be(input, at).ok_or_else(|| corrupt("the header is cut off"));
        let u32_at = |at| u32_be(input, at).ok_or_else(|| corrupt("the header is cut off"));
        let large = match u16_at(4)? {
            1 => false,
            2 => true,
            version => return Err(unsupported(format!("version {version}"))),
        };
        let (n_channels, height, width) = (u16_at(12)?, u32_at(14)?, u32_at(18)?);
        let (depth, mode) = (u16_at(22)?, u16_at(24)?);
        let mode = Mode::from_number(mode).ok_or_else(|| unsupported(format!("colour mode {mode}")))?;
        if !(1..=MAX_CHANNELS).contains(&n_channels) || width == 0 || height == 0 {
            return Err(corrupt(format!("{n_channels} channels of {width}x{height} pixels")));
        }
        if !matches!((depth, mode), (1, Mode::Bitmap) | (8, _) | (16 | 32, _))
            || (depth != 1 && mode == Mode::Bitmap)
        {
            return Err(unsupported(format!("{depth} bits per channel in this colour mode")));
        }
        let (table, at) = section(input, HEADER_BYTES, false)?;
        let (resources, at) = section(input, at, false)?;
        let resources = Resources::read(resources, limits)?;
        let (layers, at) = section(input, at, large)?;
        let source = Source {
            width: width as usize,
            height: height as usize,
            n_channels: n_channels.into(),
            depth: depth.into(),
            mode,
            table,
            transparent_index: resources.transparent_index,
            alpha: has_merged_alpha(layers, large) && mode != Mode::Bitmap,
            large,
            data: input.get(at..).unwrap_or_default(),
        };
        source.check()?;
        let header = header(&source, resources);
        Ok(Self { source, header })
    }
}

/// Reads a section, which begins with its length. Returns the content of the section and the offset of the
/// next section. If `wide` is true, the length has 64 bits, else 32 bits.
fn section(input: &[u8], at: usize, wide: bool) -> Result<(&[u8], usize), Error> {
    let truncated = || corrupt("a section is cut off");
    let (length, start) = if wide {
        let length = (u64::from(u32_be(input, at).ok_or_else(truncated)?) << 32)
            | u64::from(u32_be(input, at + 4).ok_or_else(truncated)?);
        (usize::try_from(length).map_err(|_| truncated())?, at + 8)
    } else {
        (u32_be(input, at).ok_or_else(truncated)? as usize, at + 4)
    };
    let end = start.checked_add(length).ok_or_else(truncated)?;
    Ok((input.get(start..end).ok_or_else(truncated)?, end))
}

/// Returns the end of the last section whose length field is inside the file, as an offset in bytes.
pub(super) fn announced_bytes(input: &[u8]) -> Option<u64> {
    let is_large = u16_be(input, 4)? == 2;
    let mut at = HEADER_BYTES as u64;
    for is_wide in [false, false, is_large] {
        let Ok(start) = usize::try_from(at) else { break };
        let length = match (u32_be(input, start), u32_be(input, start.saturating_add(4))) {
            (Some(high), Some(low)) if is_wide => u64::from(high) << 32 | u64::from(low),
            (Some(length), _) if !is_wide => length.into(),
            _ => break,
        };
        at = at.saturating_add(if is_wide { 8 } else { 4 }).saturating_add(length);
    }
    Some(at)
}

/// Whether the first channel after the colour channels is the alpha channel of the merged picture. A file
/// with such a channel states a negative number of layers.
fn has_merged_alpha(layers: &[u8], large: bool) -> bool {
    let at = if large { 8 } else { 4 };
    u16_be(layers, at).is_some_and(|count| count.cast_signed() < 0)
}

fn header(source: &Source<'_>, resources: Resources) -> Header {
    let colorspace = match source.mode {
        Mode::Bitmap | Mode::Gray | Mode::Duotone => Colorspace::Gray,
        Mode::Indexed => Colorspace::Palette,
        // The API has no name for the colour space L*a*b*. The header states RGB, because the picture is
        // converted to RGB.
        Mode::Rgb | Mode::Lab => Colorspace::Rgb,
        Mode::Cmyk => Colorspace::Cmyk,
        Mode::Multichannel if source.n_channels < 3 => Colorspace::Gray,
        Mode::Multichannel => Colorspace::Cmyk,
    };
    let mut warnings = Vec::new();
    if resources.lacks_merged {
        warnings.push(
            "the PSD was saved without its merged picture: what it holds instead may be blank".to_owned(),
        );
    }
    let info = ImageInfo {
        format: Format::Psd,
        width: source.width as u32,
        height: source.height as u32,
        colorspace,
        interlaced: false,
        sampling: None,
        depth: u8::try_from(source.depth * source.n_channels).unwrap_or(u8::MAX),
        quality: None,
        frames: 1,
        alpha: source.has_alpha(),
    };
    Header {
        info,
        orientation: Orientation::Upright,
        profile: resources
            .profile
            .filter(|_| !matches!(source.mode, Mode::Lab | Mode::Multichannel | Mode::Duotone)),
        metadata: Metadata { exif: resources.exif, xmp: resources.xmp, ..Metadata::default() },
        plays: Some(1),
        warnings,
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
        DecoderMemory::still(n_pixels * pixel_bytes(&self.header.info), n_pixels * 4)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let Decoded { raster, missing_permille, is_damaged } = self.source.decode(scratch)?;
        self.header.truncation = Truncation::of_picture(missing_permille);
        if is_damaged {
            let warning = "the PSD is damaged: a part of the picture was filled in";
            self.header.warnings.push(warning.to_owned());
        }
        Ok(raster)
    }
}
