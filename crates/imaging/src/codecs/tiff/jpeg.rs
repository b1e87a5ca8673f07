//! Decodes JPEG inside TIFF: strips and tiles with shared tables (Adobe's Technical Note 2), and the older
//! scheme of TIFF 6.0, section 22, whose tags the module `old_style` reads. This module assembles the data of
//! both schemes into complete JPEG files for the JPEG decoder of this crate. The TIFF tags alone define the
//! meaning of the samples, so JPEG markers that could contradict them are removed.

mod old_style;

use std::borrow::Cow;

use self::old_style::{Process, push_headers};
use super::directory::{Directory, File};
use super::page::{Compression, Page, Photometric};
use super::{Block, corrupt, unsupported};
use crate::bytes::u16_be;
use crate::codecs::jpeg;
use crate::codecs::still_decoder::DecodeStill as _;
use crate::info::ImageInfo;
use crate::{Error, Limits, Scratch};

/// The JPEG file of a strip or tile may have at most four times the pixels of the strip or tile, plus
/// `MAX_EXCESS_PX` pixels.
const MAX_EXCESS_PX: u64 = 64 * 64;

/// The JPEG tables that the strips and tiles of a TIFF file share.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    /// The JPEG segments that are inserted before the segments of every strip or tile.
    segments: Vec<u8>,
    /// The whole picture, if the picture is stored as a single JPEG file.
    pub(super) whole: Option<WholeJpeg<'a>>,
    /// If strips and tiles contain only entropy-coded data, the coding process of the missing headers.
    bare: Option<Process>,
}

/// A JPEG file that contains the whole picture.
#[derive(Debug)]
pub(super) struct WholeJpeg<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether the bytes extend to the end of the TIFF file, so that the end of the JPEG file may be missing.
    pub(super) reaches_end: bool,
}

impl<'a> Tables<'a> {
    /// Reads the tag JPEGTables, which is a JPEG file without a picture.
    pub(super) fn new_style(file: &File<'_>, directory: &Directory) -> Self {
        let bytes = directory.find(347).map(|entry| file.bytes_of(entry)).unwrap_or_default();
        let mut segments = Vec::new();
        copy_segments(bytes, &mut segments);
        Self { segments, ..Self::default() }
    }
}

/// Copies the segments before the first scan of a JPEG file, except metadata. Returns whether the file has a
/// scan.
fn copy_segments(bytes: &[u8], to: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while let Some(&[0xff, marker]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match marker {
            0xd8 | 0xff => at += if marker == 0xff { 1 } else { 2 },
            0xd9 => return false,
            0xda => return true,
            _ => {
                let Some(length) = u16_be(bytes, at + 2) else { return false };
                let end = at + 2 + usize::from(length);
                let Some(segment) = bytes.get(at..end).filter(|segment| segment.len() >= 4) else {
                    return false;
                };
                if !matches!(marker, 0xe0..=0xef | 0xfe) {
                    to.extend_from_slice(segment);
                }
                at = end;
            }
        }
    }
    false
}

/// Whether the JPEG decoder converts YCbCr to RGB. The JPEG decoder supports only full range. It must
/// therefore not convert a file in the older scheme whose tags state another range.
pub(super) fn converts(page: &Page) -> bool {
    let full_range = page.reference == [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
    !page.planar && (page.compression == Compression::Jpeg || full_range)
}

/// Decodes the JPEG data of a strip or tile of `width` × `height` pixels, or of the whole picture if the file
/// has only one JPEG. The `bool` beside the data states whether the file contains the end of the data.
pub(super) fn decode(
    page: &Page,
    tables: &Tables<'_>,
    (data, ends): (&[u8], bool),
    (width, height): (usize, usize),
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Block, Error> {
    let n_components = if page.planar { 1 } else { page.n_samples };
    if n_components > 4 {
        return Err(unsupported(format!("JPEG of {n_components} samples per pixel")));
    }
    let mut stream = scratch.take(0);
    stream.extend_from_slice(b"\xff\xd8");
    if n_components == 3 {
        // The Adobe marker states whether the samples are YCbCr. If the file had no Adobe marker, the decoder
        // would derive the colour space from the identifiers of the components.
        let transform = u8::from(page.photometric == Photometric::YCbCr && converts(page));
        stream.extend_from_slice(b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0");
        stream.push(transform);
    }
    stream.extend_from_slice(&tables.segments);
    if let Some(process) = tables.bare {
        push_headers(process, page, n_components, (width, height), &mut stream);
        stream.extend_from_slice(data);
        if ends {
            stream.extend_from_slice(b"\xff\xd9");
        }
    } else {
        let start = stream.len();
        copy_segments(data, &mut stream);
        // Copies all bytes from the first scan to the end. The segments before the first scan were already
        // copied, without metadata.
        match first_scan(data) {
            Some(at) => stream.extend_from_slice(&data[at..]),
            None => stream.truncate(start),
        }
    }
    let block = decode_stream(&stream, (width, height), limits, scratch);
    scratch.give(stream);
    block
}

/// Decodes a complete JPEG file.
fn decode_stream(
    stream: &[u8],
    (width, height): (usize, usize),
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Block, Error> {
    let in_tiff = |error| match error {
        Error::Corrupt { reason, .. } => corrupt(format!("JPEG: {reason}")),
        Error::Unsupported { reason, .. } => unsupported(format!("JPEG: {reason}")),
        other => other,
    };
    let mut decoder = jpeg::Decoder::open(stream, limits).map_err(in_tiff)?;
    let info = &decoder.header().info;
    // A JPEG may have somewhat more pixels than its strip or tile. A much larger JPEG is refused, because a
    // file with many small tiles that contain huge JPEGs could make the decoder slow.
    if u64::from(info.width) * u64::from(info.height) > 4 * (width * height) as u64 + MAX_EXCESS_PX {
        let ImageInfo { width, height, .. } = info;
        return Err(corrupt(format!("a JPEG of {width}x{height} pixels in a smaller place")));
    }
    let raster = decoder.decode(scratch).map_err(in_tiff)?;
    let header = decoder.header();
    Ok(Block {
        n: raster.layout.count(),
        width: raster.width as usize,
        samples: raster.data,
        missing_permille: header.truncation.map_or(0, |truncation| truncation.missing_permille),
        has_defect: !header.warnings.is_empty(),
    })
}

/// Returns the offset of the first scan of a JPEG file.
fn first_scan(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match data.get(at..)?.first_chunk()? {
            [0xff, 0xda] => return Some(at),
            [0xff, 0xd8] => at += 2,
            [0xff, 0xff] => at += 1,
            [0xff, _] => at += 2 + usize::from(u16_be(data, at + 2)?).max(2),
            _ => return None,
        }
    }
}
