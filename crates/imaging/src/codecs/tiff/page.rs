//! Interprets and checks the tags of a picture (TIFF 6.0, sections 3 to 23, and the Technical Notes). Only
//! this module and its submodule `tags` interpret the tags that describe pixels.

mod tags;

use std::ops::Range;

pub(super) use self::tags::LOSSLESS_JPEG;

use super::directory::{Directory, File};
use super::{corrupt, unsupported};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The largest number of samples that may be decoded for a picture, including padding, as a multiple of the
/// number of samples of the largest allowed picture.
const MAX_PADDING: u64 = 2;

/// Size in bytes of the pieces into which a large uncompressed strip is divided, so that decoding a piece
/// needs little memory.
const PIECE_BYTES: usize = 1 << 20;

/// The number format of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Unsigned integer.
    Unsigned,
    /// The samples are signed integers in two's complement.
    Signed,
    /// The samples are IEEE 754 floating-point numbers.
    Float,
}

/// The photometric interpretation: the meaning of the colour samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    /// Gray, where the sample value 0 means white.
    WhiteIsZero,
    /// Gray, where the sample value 0 means black.
    BlackIsZero,
    /// The samples are red, green and blue.
    Rgb,
    /// The samples are indices into the colour map.
    Palette,
    /// The samples are amounts of ink, where 0 means no ink.
    Inks,
    /// The samples are luma and chroma (YCbCr).
    YCbCr,
    /// The samples are CIE L*a*b* with signed a* and b*.
    Lab,
    /// The samples are CIE L*a*b*, where a* and b* are offset by half their range, as in ICC profiles.
    IccLab,
}

/// The compression of strips and tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    CcittRle,
    CcittRleWords,
    CcittGroup3,
    CcittGroup4,
    Lzw,
    OldJpeg,
    Jpeg,
    Deflate,
    PackBits,
    Lzma,
    Zstd,
    Webp,
}

/// The alpha sample of each pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alpha {
    pub(super) sample: usize,
    /// Whether the colours are premultiplied by alpha (associated alpha).
    pub(super) associated: bool,
}

/// The place of a strip or tile in the file.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// The range of those bytes of the strip or tile that are inside the file.
    pub(super) bytes: Range<usize>,
    /// Whether the strip or tile extends beyond the end of the file. Also true if the file does not state the
    /// size of the strip or tile, because missing bytes cannot be excluded then.
    pub(super) is_cut_off: bool,
}

/// The properties of one picture, from its tags.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The number of bits of a sample, 1 to 32 or 64. All samples have the same number of bits.
    pub(super) bits: usize,
    pub(super) number: Number,
    /// The number of samples per pixel, including samples that are not colours.
    pub(super) n_samples: usize,
    /// Number of colour samples, which are the first samples of a pixel.
    pub(super) n_colors: usize,
    pub(super) alpha: Option<Alpha>,
    pub(super) photometric: Photometric,
    pub(super) compression: Compression,
    /// The number of the predictor: 1 means none, 2 means horizontal differencing, and 3 means differencing
    /// of the bytes of floats.
    pub(super) predictor: u64,
    /// Whether the samples of a pixel are stored in separate strips or tiles (planar configuration 2).
    pub(super) planar: bool,
    /// Whether the lowest bits of a byte, instead of the highest bits, contain the first pixel.
    pub(super) low_bit_first: bool,
    pub(super) tiled: bool,
    /// Width of a strip or tile in pixels. A strip is as wide as the picture.
    pub(super) chunk_width: usize,
    /// Height of a strip or tile in pixels.
    pub(super) chunk_height: usize,
    /// The byte range of each strip or tile in the file.
    pub(super) chunks: Vec<Chunk>,
    /// The colour map: red, green and blue of every index.
    pub(super) palette: Vec<[u8; 3]>,
    /// The number of pixels that share one chroma sample, horizontally and vertically.
    pub(super) subsampling: (usize, usize),
    /// The weights of red, green and blue in the luma of YCbCr.
    pub(super) luma: [f64; 3],
    /// The sample values of reference black and reference white, for luma and for both chroma samples.
    pub(super) reference: [f64; 6],
    /// The value of the tag T4Options, which states the variant of CCITT Group 3 coding.
    pub(super) fax_options: u64,
    /// The smallest and the largest value of float samples, if the file states them.
    pub(super) range: Option<(f64, f64)>,
}

impl Page {
    /// Reads and checks the tags of the directory of a picture.
    pub(super) fn read(file: &File<'_>, directory: &Directory, limits: &Limits) -> Result<Self, Error> {
        let number = |tag| directory.number(file, tag);
        let side = |tag, name: &str| match number(tag) {
            Some(side @ 1..=0x7fff_ffff) => Ok(side as usize),
            Some(side) => Err(corrupt(format!("a {name} of {side} pixels"))),
            None => Err(corrupt(format!("there is no {name}"))),
        };
        let (width, height) = (side(256, "width")?, side(257, "height")?);
        // The size is checked before memory for the pixels is allocated.
        limits.check_input(width as u32, height as u32, 1)?;
        let compression = tags::compression(number(259).unwrap_or(1))?;
        let n_samples = number(277).unwrap_or(1).max(1);
        check(Limit::Parts, limits.parts.into(), n_samples)?;
        let n_samples = n_samples as usize;
        let photometric = tags::photometric(number(262), compression, n_samples, number(512))?;
        let bits = tags::equal(file, directory, 258, "bits per sample")?.unwrap_or(1) as usize;
        let format = match tags::equal(file, directory, 339, "sample formats")? {
            None | Some(0 | 1 | 4) => Number::Unsigned,
            Some(2) => Number::Signed,
            Some(3) => Number::Float,
            Some(other) => return Err(unsupported(format!("sample format {other}"))),
        };
        match (format, bits) {
            (Number::Float, 16 | 24 | 32 | 64) => {}
            (Number::Unsigned | Number::Signed, 1..=32 | 64) => {}
            _ => return Err(unsupported(format!("{format:?} numbers of {bits} bits"))),
        }
        let (n_colors, alpha) = tags::channels(file, directory, photometric, n_samples)?;
        let planar = number(284) == Some(2) && n_samples > 1;
        let mut page = Self {
            width,
            height,
            bits,
            number: format,
            n_samples,
            n_colors,
            alpha,
            photometric,
            compression,
            predictor: number(317).unwrap_or(1),
            planar,
            low_bit_first: number(266) == Some(2),
            tiled: directory.find(322).is_some() && directory.find(323).is_some(),
            chunk_width: width,
            chunk_height: height,
            chunks: Vec::new(),
            palette: tags::palette(file, directory, photometric, bits)?,
            subsampling: tags::subsampling(file, directory, photometric, compression)?,
            luma: tags::reals(file, directory, 529).unwrap_or([0.299, 0.587, 0.114]),
            reference: tags::reals(file, directory, 532).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
            fax_options: number(292).unwrap_or(0),
            range: tags::real(file, directory, 340).zip(tags::real(file, directory, 341)),
        };
        page.place_chunks(file, directory, limits)?;
        Ok(page)
    }

    /// Reads the size of strips or tiles and the byte range of each.
    fn place_chunks(&mut self, file: &File<'_>, directory: &Directory, limits: &Limits) -> Result<(), Error> {
        let number = |tag| directory.number(file, tag).unwrap_or(0) as usize;
        if self.tiled {
            (self.chunk_width, self.chunk_height) = (number(322), number(323));
            if self.chunk_width == 0 || self.chunk_height == 0 {
                return Err(corrupt("tiles without a size"));
            }
        } else {
            self.chunk_height = match number(278) {
                0 => self.height,
                rows => rows.min(self.height),
            };
        }
        let (across, down) = self.grid();
        let n_planes = if self.planar { self.n_samples } else { 1 };
        let n_chunks = (across as u64 * down as u64).saturating_mul(n_planes as u64);
        check(Limit::Parts, limits.parts.into(), n_chunks)?;
        // The decoder also decodes the padding of tiles, and samples that are not colours. The total number
        // of decoded samples must not exceed twice the samples of the largest allowed picture with four
        // samples per pixel.
        let padded =
            (across as u64).saturating_mul(self.chunk_width as u64).saturating_mul(self.height as u64);
        let n_samples = padded.saturating_mul(self.n_samples as u64);
        check(Limit::Pixels, limits.pixels, n_samples / (4 * MAX_PADDING))?;
        let find = |own, other| directory.find(own).or_else(|| directory.find(other));
        let (places_entry, sizes) =
            if self.tiled { (find(324, 273), find(325, 279)) } else { (find(273, 324), find(279, 325)) };
        let values = |entry| file.numbers_of(entry, n_chunks as usize);
        let places = places_entry.map(values).unwrap_or_default();
        let sizes = sizes.map(values).unwrap_or_default();
        let n_bytes = file.bytes.len();
        for (i, &place) in places.iter().enumerate() {
            let start = usize::try_from(place).unwrap_or(usize::MAX);
            let end = match sizes.get(i) {
                // If the file does not state the size of a strip or tile, the byte range of the strip or tile
                // extends to the end of the file.
                None | Some(0) => usize::MAX,
                Some(&size) => start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)),
            };
            let bytes = start.min(n_bytes)..end.min(n_bytes);
            self.chunks.push(Chunk { bytes, is_cut_off: end > n_bytes });
        }
        // If the file ends within the list of the offsets of strips or tiles, every strip or tile without an
        // offset is missing.
        let n_announced = places_entry.map_or(0, |entry| entry.count.min(n_chunks)) as usize;
        if n_announced > self.chunks.len() {
            self.chunks.resize(n_announced, Chunk { bytes: n_bytes..n_bytes, is_cut_off: true });
        }
        self.divide_plain_strips();
        Ok(())
    }

    /// Divides large uncompressed strips into pieces, so that each step of decoding needs little memory.
    fn divide_plain_strips(&mut self) {
        let n_samples = if self.planar { 1 } else { self.n_samples };
        let row_bytes = (self.width * n_samples * self.bits).div_ceil(8);
        let n_rows = (PIECE_BYTES / row_bytes).max(1);
        let is_plain = self.compression == Compression::None && self.photometric != Photometric::YCbCr;
        if self.tiled || !is_plain || n_rows >= self.chunk_height {
            return;
        }
        let mut chunks = Vec::new();
        for (i, strip) in self.chunks.iter().enumerate() {
            let top = i % self.height.div_ceil(self.chunk_height) * self.chunk_height;
            let strip_rows = self.chunk_height.min(self.height - top);
            let Chunk { bytes, is_cut_off } = strip;
            for row in (0..strip_rows).step_by(n_rows) {
                let start = bytes.start.saturating_add(row * row_bytes).min(bytes.end);
                let end = start.saturating_add(n_rows * row_bytes).min(bytes.end);
                chunks.push(Chunk { bytes: start..end, is_cut_off: *is_cut_off });
            }
        }
        // The pieces replace the strips only if every strip consists of whole pieces, or if there is only one
        // strip, because all pieces except the last must have the same number of rows.
        if self.chunk_height.is_multiple_of(n_rows) || self.chunk_height == self.height {
            (self.chunks, self.chunk_height) = (chunks, n_rows);
        }
    }

    /// Returns the number of strips or tiles from left to right, and the number from top to bottom.
    pub(super) fn grid(&self) -> (usize, usize) {
        (self.width.div_ceil(self.chunk_width), self.height.div_ceil(self.chunk_height))
    }

    /// Returns the number of bits per pixel, summed over all samples.
    pub(super) fn depth(&self) -> u8 {
        u8::try_from(self.bits * self.n_samples).unwrap_or(u8::MAX)
    }
}
