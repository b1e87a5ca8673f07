//! What the tags of a picture mean (TIFF 6.0, sections 3 to 23, with the Technical Notes), checked: behind
//! this, no tag is read any more.

mod tags;

use std::ops::Range;

use super::directory::{Directory, File};
use super::{corrupt, unsupported};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// How many times more samples may be decoded than the largest picture would have.
const MAX_PADDING: u64 = 2;

/// Bytes of a piece of a strip that is divided.
const PIECE_BYTES: usize = 1 << 20;

/// What a sample's bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// From 0.
    Unsigned,
    /// Two's complement.
    Signed,
    /// IEEE 754.
    Float,
}

/// What the colour samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    /// 0 is white.
    WhiteIsZero,
    /// 0 is black.
    BlackIsZero,
    /// Red, green, blue.
    Rgb,
    /// Indices into the colour map.
    Palette,
    /// Inks, 0 = none.
    Inks,
    /// Luma and chroma.
    YCbCr,
    /// CIE L*a*b* with signed a* and b*.
    Lab,
    /// The same with a* and b* moved by half their range, as ICC stores them.
    IccLab,
}

/// How a strip or tile is coded; the names are those of the codings.
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

/// Which sample is alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alpha {
    pub(super) sample: usize,
    /// Whether the colours were multiplied by it.
    pub(super) associated: bool,
}

/// The tags of one picture.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Of every sample: 1 to 32, or 64.
    pub(super) bits: usize,
    pub(super) number: Number,
    /// Samples per pixel, colours and others.
    pub(super) n_samples: usize,
    /// How many of them are colour: the first ones.
    pub(super) n_colors: usize,
    pub(super) alpha: Option<Alpha>,
    pub(super) photometric: Photometric,
    pub(super) compression: Compression,
    /// 1: none, 2: differences, 3: differences of the bytes of floats.
    pub(super) predictor: u64,
    /// Every sample in strips or tiles of its own.
    pub(super) planar: bool,
    /// The first pixel in the lowest bit of a byte.
    pub(super) low_bit_first: bool,
    pub(super) tiled: bool,
    /// Of a strip or tile, in pixels; a strip is as wide as the picture.
    pub(super) chunk_width: usize,
    pub(super) chunk_height: usize,
    /// Where the strips or tiles lie.
    pub(super) chunks: Vec<Range<usize>>,
    /// Red, green, blue of every index.
    pub(super) palette: Vec<[u8; 3]>,
    /// Pixels that share a chroma sample, across and down.
    pub(super) subsampling: (usize, usize),
    /// Shares of red, green and blue in luma.
    pub(super) luma: [f64; 3],
    /// Black and white of luma and both chromas.
    pub(super) reference: [f64; 6],
    /// Tag T4Options.
    pub(super) fax_options: u64,
    /// Stated least and greatest value of floats.
    pub(super) range: Option<(f64, f64)>,
}

impl Page {
    /// Reads the tags of a directory.
    pub(super) fn read(file: &File<'_>, directory: &Directory, limits: &Limits) -> Result<Self, Error> {
        let number = |tag| directory.number(file, tag);
        let side = |tag, name: &str| match number(tag) {
            Some(side @ 1..=0x7fff_ffff) => Ok(side as usize),
            Some(side) => Err(corrupt(format!("a {name} of {side} pixels"))),
            None => Err(corrupt(format!("there is no {name}"))),
        };
        let (width, height) = (side(256, "width")?, side(257, "height")?);
        // Before anything is made as long as they are.
        limits.check_input(width as u32, height as u32, 1)?;
        let compression = tags::compression(number(259).unwrap_or(1))?;
        let n_samples = number(277).unwrap_or(1).max(1);
        check(Limit::Parts, limits.parts.into(), n_samples)?;
        let n_samples = n_samples as usize;
        let photometric = tags::photometric(number(262), compression, n_samples)?;
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
            subsampling: tags::subsampling(file, directory, photometric)?,
            luma: tags::reals(file, directory, 529).unwrap_or([0.299, 0.587, 0.114]),
            reference: tags::reals(file, directory, 532).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
            fax_options: number(292).unwrap_or(0),
            range: tags::real(file, directory, 340).zip(tags::real(file, directory, 341)),
        };
        page.place_chunks(file, directory, limits)?;
        Ok(page)
    }

    /// Size and places of strips or tiles.
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
        // What tiles have beside the picture and pixels beside their colours is decoded too: together it is
        // not to be more work than the largest picture of four samples, twice over.
        let padded =
            (across as u64).saturating_mul(self.chunk_width as u64).saturating_mul(self.height as u64);
        let n_samples = padded.saturating_mul(self.n_samples as u64);
        check(Limit::Pixels, limits.pixels, n_samples / (4 * MAX_PADDING))?;
        let find = |own, other| directory.find(own).or_else(|| directory.find(other));
        let (places, sizes) =
            if self.tiled { (find(324, 273), find(325, 279)) } else { (find(273, 324), find(279, 325)) };
        let values = |entry| file.numbers_of(entry, n_chunks as usize);
        let places = places.map(values).unwrap_or_default();
        let sizes = sizes.map(values).unwrap_or_default();
        let n_bytes = file.bytes.len();
        for (i, &place) in places.iter().enumerate() {
            let start = usize::try_from(place).unwrap_or(usize::MAX).min(n_bytes);
            let end = match sizes.get(i) {
                // Without a size, what follows is decoded as far as it is needed.
                None | Some(0) => n_bytes,
                Some(&size) => start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(n_bytes),
            };
            self.chunks.push(start..end);
        }
        self.divide_plain_strips();
        Ok(())
    }

    /// Large strips of samples as they are become several: what is decoded at a time shall be small.
    fn divide_plain_strips(&mut self) {
        let n_samples = if self.planar { 1 } else { self.n_samples };
        let row_bytes = (self.width * n_samples * self.bits).div_ceil(8);
        let n_rows = (PIECE_BYTES / row_bytes).max(1);
        let plain = self.compression == Compression::None && self.photometric != Photometric::YCbCr;
        if self.tiled || !plain || n_rows >= self.chunk_height {
            return;
        }
        let mut chunks = Vec::new();
        for (i, strip) in self.chunks.iter().enumerate() {
            let top = i % self.height.div_ceil(self.chunk_height) * self.chunk_height;
            let strip_rows = self.chunk_height.min(self.height - top);
            for row in (0..strip_rows).step_by(n_rows) {
                let start = strip.start.saturating_add(row * row_bytes).min(strip.end);
                let end = start.saturating_add(n_rows * row_bytes).min(strip.end);
                chunks.push(start..end);
            }
        }
        // Only where the pieces of a strip end with it do those of the next begin in their place.
        if self.chunk_height.is_multiple_of(n_rows) || self.chunk_height == self.height {
            (self.chunks, self.chunk_height) = (chunks, n_rows);
        }
    }

    /// How many strips or tiles lie side by side and one below the other.
    pub(super) fn grid(&self) -> (usize, usize) {
        (self.width.div_ceil(self.chunk_width), self.height.div_ceil(self.chunk_height))
    }

    /// Bits of a pixel, all samples together.
    pub(super) fn depth(&self) -> u8 {
        u8::try_from(self.bits * self.n_samples).unwrap_or(u8::MAX)
    }
}
