//! What the tags of a picture mean (TIFF 6.0, sections 3 to 23, with the Technical Notes), checked: behind this, no tag is
//! read any more.

use std::ops::Range;

use super::directory::{Directory, File};
use super::{corrupt, unsupported};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

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
    /// Of every sample, 1 to 64.
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
        let compression = compression(number(259).unwrap_or(1))?;
        let n_samples = number(277).unwrap_or(1).max(1);
        check(Limit::Parts, limits.parts.into(), n_samples)?;
        let n_samples = n_samples as usize;
        let photometric = photometric(number(262), compression, n_samples)?;
        let bits = equal(file, directory, 258, "bits per sample")?.unwrap_or(1) as usize;
        if !(1..=64).contains(&bits) {
            return Err(unsupported(format!("{bits} bits per sample")));
        }
        let format = match equal(file, directory, 339, "sample formats")? {
            None | Some(0 | 1 | 4) => Number::Unsigned,
            Some(2) => Number::Signed,
            Some(3) => Number::Float,
            Some(other) => return Err(unsupported(format!("sample format {other}"))),
        };
        let (n_colors, alpha) = channels(file, directory, photometric, n_samples)?;
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
            palette: palette(file, directory, photometric, bits)?,
            subsampling: subsampling(file, directory, photometric)?,
            luma: reals(file, directory, 529).unwrap_or([0.299, 0.587, 0.114]),
            reference: reals(file, directory, 532).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
            fax_options: number(292).unwrap_or(0),
            range: real(file, directory, 340).zip(real(file, directory, 341)),
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
        // What tiles have beside the picture is decoded too: not more than the picture may have.
        let padded =
            (across as u64).saturating_mul(self.chunk_width as u64).saturating_mul(self.height as u64);
        check(Limit::Pixels, limits.pixels.saturating_mul(2), padded)?;
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
        Ok(())
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

fn compression(value: u64) -> Result<Compression, Error> {
    Ok(match value {
        0 | 1 => Compression::None,
        2 => Compression::CcittRle,
        32_771 => Compression::CcittRleWords,
        3 => Compression::CcittGroup3,
        4 => Compression::CcittGroup4,
        5 => Compression::Lzw,
        6 => Compression::OldJpeg,
        7 => Compression::Jpeg,
        8 | 32_946 => Compression::Deflate,
        32_773 => Compression::PackBits,
        34_925 => Compression::Lzma,
        50_000 => Compression::Zstd,
        50_001 => Compression::Webp,
        34_676 | 34_677 => return Err(unsupported("SGI log compression")),
        34_887 => return Err(unsupported("LERC compression")),
        other => return Err(unsupported(format!("compression {other}"))),
    })
}

fn photometric(value: Option<u64>, compression: Compression, n_samples: usize) -> Result<Photometric, Error> {
    Ok(match value {
        // What the old JPEG calls red, green and blue has in every known file been luma and chroma.
        Some(2) | None if compression == Compression::OldJpeg && n_samples >= 3 => Photometric::YCbCr,
        Some(0) => Photometric::WhiteIsZero,
        Some(1 | 4) => Photometric::BlackIsZero,
        Some(2 | 34_892) => Photometric::Rgb,
        Some(3) => Photometric::Palette,
        Some(5) => Photometric::Inks,
        Some(6) => Photometric::YCbCr,
        Some(8) => Photometric::Lab,
        Some(9) => Photometric::IccLab,
        Some(32_803) => return Err(unsupported("a colour filter array")),
        Some(32_844 | 32_845) => return Err(unsupported("SGI log colours")),
        Some(other) => return Err(unsupported(format!("photometric interpretation {other}"))),
        None => match compression {
            Compression::CcittRle
            | Compression::CcittRleWords
            | Compression::CcittGroup3
            | Compression::CcittGroup4 => Photometric::WhiteIsZero,
            _ if n_samples >= 3 => Photometric::Rgb,
            _ => Photometric::BlackIsZero,
        },
    })
}

/// The value of a tag that has one for every sample, where they are all alike.
fn equal(file: &File<'_>, directory: &Directory, tag: u16, name: &str) -> Result<Option<u64>, Error> {
    let values = directory.find(tag).map(|entry| file.numbers_of(entry, 64)).unwrap_or_default();
    match values.as_slice() {
        [] => Ok(None),
        [first, others @ ..] if others.iter().all(|value| value == first) => Ok(Some(*first)),
        _ => Err(unsupported(format!("different {name} in one pixel"))),
    }
}

/// How many samples are colour, and which one is alpha. Samples that are neither are left out; so is an alpha that the
/// file does not call so, as long as no pixel needs it to be understood.
fn channels(
    file: &File<'_>,
    directory: &Directory,
    photometric: Photometric,
    n_samples: usize,
) -> Result<(usize, Option<Alpha>), Error> {
    let extra = directory.find(338).map(|entry| file.numbers_of(entry, 64)).unwrap_or_default();
    let n_colors = match photometric {
        Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
        Photometric::Rgb | Photometric::YCbCr | Photometric::Lab | Photometric::IccLab => 3,
        Photometric::Inks => n_samples.saturating_sub(extra.len()).max(3),
    };
    if n_samples < n_colors {
        return Err(corrupt(format!("{n_samples} samples per pixel for {n_colors} colours")));
    }
    if photometric == Photometric::Inks && n_colors > 4 {
        return Err(unsupported(format!("{n_colors} inks")));
    }
    let alpha = extra.iter().take(n_samples - n_colors).position(|kind| matches!(kind, 1 | 2));
    let alpha = alpha.map(|i| Alpha { sample: n_colors + i, associated: extra[i] == 1 });
    Ok((n_colors, alpha.filter(|_| photometric != Photometric::Inks)))
}

/// The colour map: all reds, all greens, all blues, of 16 bits each. Maps whose values all fit into 8 bits were written
/// by mistake as those.
fn palette(
    file: &File<'_>,
    directory: &Directory,
    photometric: Photometric,
    bits: usize,
) -> Result<Vec<[u8; 3]>, Error> {
    if photometric != Photometric::Palette {
        return Ok(Vec::new());
    }
    if bits > 8 {
        return Err(unsupported(format!("indices of {bits} bits")));
    }
    let values = directory.find(320).map(|entry| file.numbers_of(entry, 3 << bits)).unwrap_or_default();
    let n = values.len() / 3;
    if n == 0 {
        return Err(corrupt("the colour map is missing"));
    }
    let narrow = values.iter().all(|&value| value < 256);
    let value = |i: usize| if narrow { values[i] as u8 } else { (values[i] >> 8) as u8 };
    Ok((0..n).map(|i| [value(i), value(n + i), value(2 * n + i)]).collect())
}

fn subsampling(
    file: &File<'_>,
    directory: &Directory,
    photometric: Photometric,
) -> Result<(usize, usize), Error> {
    if photometric != Photometric::YCbCr {
        return Ok((1, 1));
    }
    let values = directory.find(530).map(|entry| file.numbers_of(entry, 2)).unwrap_or_default();
    match *values.as_slice() {
        [] => Ok((2, 2)),
        [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => Ok((across as usize, down as usize)),
        _ => Err(corrupt(format!("chroma subsampling by {values:?}"))),
    }
}

fn reals<const N: usize>(file: &File<'_>, directory: &Directory, tag: u16) -> Option<[f64; N]> {
    let values = directory.find(tag).map(|entry| file.reals_of(entry, N))?;
    <[f64; N]>::try_from(values).ok().filter(|values| values.iter().all(|v| v.is_finite()))
}

fn real(file: &File<'_>, directory: &Directory, tag: u16) -> Option<f64> {
    reals::<1>(file, directory, tag).map(|[value]| value)
}
