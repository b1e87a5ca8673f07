//! Interprets single TIFF tags: converts the numbers in the tags to the types of `page.rs`. The error for an
//! unsupported value names the feature that is not supported.

use super::{Alpha, Compression, Photometric};
use crate::Error;
use crate::codecs::tiff::directory::{Directory, File};
use crate::codecs::tiff::{corrupt, unsupported};

/// The value of the tag JPEGProc that means lossless coding with Huffman codes.
pub(in crate::codecs::tiff) const LOSSLESS_JPEG: u64 = 14;

/// Converts the value of the tag Compression to a [`Compression`].
pub(super) fn compression(value: u64) -> Result<Compression, Error> {
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

/// Converts the value of the tag PhotometricInterpretation. If the tag is missing, the result is the most
/// likely interpretation, judged by the compression and the number of samples.
pub(super) fn photometric(
    value: Option<u64>,
    compression: Compression,
    n_samples: usize,
    jpeg_process: Option<u64>,
) -> Result<Photometric, Error> {
    let is_lossy_old_jpeg = compression == Compression::OldJpeg && jpeg_process != Some(LOSSLESS_JPEG);
    Ok(match value {
        // A file with lossy old-style JPEG is read as YCbCr if it states RGB or no interpretation, because
        // all known files of this kind contain YCbCr.
        Some(2) | None if is_lossy_old_jpeg && n_samples >= 3 => Photometric::YCbCr,
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

/// Reads a tag that has one value for each sample. Returns the value, and fails if the values differ.
pub(super) fn equal(
    file: &File<'_>,
    directory: &Directory,
    tag: u16,
    name: &str,
) -> Result<Option<u64>, Error> {
    let values = directory.find(tag).map(|entry| file.numbers_of(entry, 64)).unwrap_or_default();
    match values.as_slice() {
        [] => Ok(None),
        [first, others @ ..] if others.iter().all(|value| value == first) => Ok(Some(*first)),
        _ => Err(unsupported(format!("different {name} in one pixel"))),
    }
}

/// Returns the number of colour samples and the alpha sample. An extra sample is alpha only if the file
/// declares it as alpha; all other extra samples are ignored. If an RGB file has four samples and says nothing
/// about the fourth, the fourth sample is straight alpha, as in other readers.
pub(super) fn channels(
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
    if extra.is_empty() && photometric == Photometric::Rgb && n_samples == 4 {
        return Ok((n_colors, Some(Alpha { sample: 3, associated: false })));
    }
    let alpha = extra.iter().take(n_samples - n_colors).position(|kind| matches!(kind, 1 | 2));
    let alpha = alpha.map(|i| Alpha { sample: n_colors + i, associated: extra[i] == 1 });
    Ok((n_colors, alpha.filter(|_| photometric != Photometric::Inks)))
}

/// Reads the colour map, which contains all reds, then all greens, then all blues, with 16 bits for each
/// value. If all values are below 256, they are used as 8-bit values, because some encoders write 8-bit
/// values by mistake.
pub(super) fn palette(
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
    let is_8_bit = values.iter().all(|&value| value < 256);
    let value = |i: usize| if is_8_bit { values[i] as u8 } else { (values[i] >> 8) as u8 };
    Ok((0..n).map(|i| [value(i), value(n + i), value(2 * n + i)]).collect())
}

/// Reads and checks the tag YCbCrSubSampling. An invalid tag of a file with JPEG data is ignored, because the
/// headers of the JPEG data state the subsampling.
pub(super) fn subsampling(
    file: &File<'_>,
    directory: &Directory,
    photometric: Photometric,
    compression: Compression,
) -> Result<(usize, usize), Error> {
    if photometric != Photometric::YCbCr {
        return Ok((1, 1));
    }
    let values = directory.find(530).map(|entry| file.numbers_of(entry, 2)).unwrap_or_default();
    match *values.as_slice() {
        [] => Ok((2, 2)),
        [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => Ok((across as usize, down as usize)),
        _ if matches!(compression, Compression::Jpeg | Compression::OldJpeg) => Ok((2, 2)),
        _ => Err(corrupt(format!("chroma subsampling by {values:?}"))),
    }
}

/// Returns the first `N` values of a tag, or `None` if the tag has fewer values or one of these values is not
/// finite.
pub(super) fn reals<const N: usize>(file: &File<'_>, directory: &Directory, tag: u16) -> Option<[f64; N]> {
    let values = directory.find(tag).map(|entry| file.reals_of(entry, N))?;
    <[f64; N]>::try_from(values).ok().filter(|values| values.iter().all(|v| v.is_finite()))
}

/// Returns the first value of a tag, or `None` if the tag is missing or the value is not finite.
pub(super) fn real(file: &File<'_>, directory: &Directory, tag: u16) -> Option<f64> {
    reals::<1>(file, directory, tag).map(|[value]| value)
}
