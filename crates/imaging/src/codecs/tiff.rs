//! TIFF (revision 6.0, its Technical Notes, and BigTIFF). `directory.rs` reads the structure of the file and
//! `page.rs` the tags. `compression.rs`, `ccitt.rs` and `jpeg.rs` decompress, `picture.rs` assembles strips
//! and tiles, and `color.rs` converts samples to colours. `encode.rs` writes files.
//!
//! If a file has several pictures, the decoder reads the first picture that is neither a reduced-resolution
//! picture nor a mask. Pages are not frames of an animation, so `frames` is 1.
//!
//! Not supported: SGI LogLuv, LERC, colour filter arrays, and more than four inks. The error for such a file
//! names the unsupported feature.

mod ccitt;
mod color;
mod compression;
mod directory;
mod encode;
mod exif;
mod jpeg;
mod page;
mod picture;
mod predictor;
mod samples;
mod writer;

use self::directory::{Directory, File};
pub(super) use self::encode::encode;
use self::jpeg::Tables;
use self::page::{Compression, Page, Photometric};
use self::picture::{Decoded, Picture};
use super::codec::Header;
use super::memory::{DecoderMemory, area, pixel_bytes};
use super::still_decoder::DecodeStill;
use crate::color::Raster;
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::Truncation;
use crate::{Error, Limits, Scratch};

fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt { format: "TIFF", reason: reason.into() }
}

fn unsupported(reason: impl Into<String>) -> Error {
    Error::Unsupported { format: "TIFF", reason: reason.into() }
}

/// A decoded strip or tile. Each sample has 8 bits, a pixel has `n` samples, and rows have no padding. If the
/// file is truncated, `samples` contains only the samples that were decoded.
struct Block {
    samples: Vec<u8>,
    n: usize,
    width: usize,
    /// The share of the strip or tile that could not be decoded, in thousandths.
    missing_permille: u16,
    /// Whether the strip or tile has a defect although nothing is missing.
    has_defect: bool,
}

/// A TIFF file whose tags were read.
pub(super) struct Decoder<'a> {
    picture: Picture<'a>,
    header: Header,
}

impl<'a> Decoder<'a> {
    /// Searches the directories of the file for the picture to decode, and reads the tags of this picture.
    pub(super) fn open(input: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let (file, first) = File::open(input)?;
        let directory = main_directory(&file, first, limits)?;
        let page = Page::read(&file, &directory, limits)?;
        let tables = match page.compression {
            Compression::Jpeg => Tables::new_style(&file, &directory),
            Compression::OldJpeg => Tables::old_style(&file, &directory, &page)?,
            _ => Tables::default(),
        };
        let header = header(&file, &directory, &page, limits)?;
        Ok(Self { picture: Picture { file, page, tables, limits: *limits }, header })
    }
}

impl DecodeStill for Decoder<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let page = &self.picture.page;
        let n_pixels = area(page.width as u32, page.height as u32);
        let frame = n_pixels * pixel_bytes(&self.header.info);
        // A strip or tile is decompressed and then converted to samples of 8 bits. Some kinds of samples are
        // converted to other colours in a second buffer.
        let rows = page.chunk_height.min(page.height) as u64;
        let chunk = rows * page.chunk_width as u64 * (page.n_samples * page.bits.div_ceil(8) + 1) as u64;
        let stored = n_pixels * (page.n_colors + usize::from(page.alpha.is_some())) as u64;
        let converted = if stored == frame { 0 } else { stored };
        DecoderMemory::still(frame, converted.max(chunk) + chunk)
    }

    fn decode(&mut self, scratch: &mut Scratch) -> Result<Raster, Error> {
        let Decoded { raster, trouble, missing_permille } = self.picture.decode(scratch)?;
        if let Some(trouble) = trouble {
            self.header.warnings.push(format!("a part of the TIFF is missing and was filled in: {trouble}"));
        }
        self.header.truncation = Truncation::of_picture(missing_permille);
        Ok(raster)
    }
}

/// Returns the offset at which the first directory ends. If the directory is cut off, the offset lies beyond
/// the end of the file. Many TIFF files end with the directory.
pub(super) fn announced_bytes(input: &[u8]) -> Option<u64> {
    File::open(input).ok().map(|(file, first)| file.end_of_directory(first))
}

/// Returns the directory of the first picture that is neither a reduced-resolution picture nor a mask. If
/// there is no such picture, returns the first directory.
fn main_directory(file: &File<'_>, first: u64, limits: &Limits) -> Result<Directory, Error> {
    let mut directory = file.directory(first, limits)?;
    if is_main(file, &directory) {
        return Ok(directory);
    }
    let mut seen = vec![first];
    while directory.next != 0 && !seen.contains(&directory.next) && seen.len() < limits.frames as usize {
        seen.push(directory.next);
        match file.directory(directory.next, limits) {
            Ok(next) if is_main(file, &next) => return Ok(next),
            Ok(next) => directory = next,
            // The search ends at a directory that cannot be read, because the offset of the next directory is
            // stored in this directory.
            Err(_) => break,
        }
    }
    file.directory(first, limits)
}

/// Whether the directory describes a picture that is neither a reduced-resolution picture nor a mask.
fn is_main(file: &File<'_>, directory: &Directory) -> bool {
    let reduced_or_mask = directory.number(file, 254).unwrap_or(0) & 0b101 != 0;
    let old_reduced = directory.number(file, 255) == Some(2);
    !reduced_or_mask && !old_reduced && directory.find(256).is_some()
}

/// Creates the header of a decoded file from the tags of the picture.
fn header(file: &File<'_>, directory: &Directory, page: &Page, limits: &Limits) -> Result<Header, Error> {
    let bytes_of_tag = |tag| match directory.find(tag).map(|entry| file.bytes_of(entry)) {
        Some(bytes) if !bytes.is_empty() => {
            check(Limit::MetadataBytes, limits.metadata_bytes, bytes.len() as u64)?;
            Ok(Some(bytes.to_vec()))
        }
        _ => Ok(None),
    };
    let colorspace = match page.photometric {
        Photometric::WhiteIsZero | Photometric::BlackIsZero => Colorspace::Gray,
        // The API has no name for the colour space L*a*b*. The header states RGB, because the picture is
        // converted to RGB.
        Photometric::Rgb | Photometric::Lab | Photometric::IccLab => Colorspace::Rgb,
        Photometric::Palette => Colorspace::Palette,
        Photometric::Inks => Colorspace::Cmyk,
        Photometric::YCbCr => Colorspace::YCbCr,
    };
    let is_lab = matches!(page.photometric, Photometric::Lab | Photometric::IccLab);
    Ok(Header {
        info: ImageInfo {
            format: Format::Tiff,
            width: page.width as u32,
            height: page.height as u32,
            colorspace,
            interlaced: false,
            sampling: (page.photometric == Photometric::YCbCr).then(|| sampling(page.subsampling)),
            depth: page.depth(),
            quality: None,
            frames: 1,
            alpha: page.alpha.is_some(),
        },
        orientation: Orientation::from_value(directory.number(file, 274).unwrap_or(1)),
        // L*a*b* pixels are converted to sRGB by a fixed formula, so the ICC profile of the file is ignored.
        profile: if is_lab { None } else { bytes_of_tag(34_675)? },
        metadata: Metadata {
            exif: exif::ExifFields::read(file, directory, limits)?.into_block(),
            xmp: bytes_of_tag(700)?,
            ..Metadata::default()
        },
        plays: Some(1),
        warnings: Vec::new(),
        truncation: None,
    })
}

/// Chroma subsampling in the usual notation, e.g. `4:2:0`.
fn sampling(factors: (usize, usize)) -> String {
    match factors {
        (1, 1) => "4:4:4".to_owned(),
        (2, 1) => "4:2:2".to_owned(),
        (2, 2) => "4:2:0".to_owned(),
        (1, 2) => "4:4:0".to_owned(),
        (4, 1) => "4:1:1".to_owned(),
        (4, 2) => "4:1:0".to_owned(),
        (across, down) => format!("{across}x{down},1x1,1x1"),
    }
}
