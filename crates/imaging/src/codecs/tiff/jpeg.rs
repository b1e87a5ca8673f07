//! Decodes JPEG inside TIFF: strips and tiles with shared tables (Adobe's Technical Note 2), and the older
//! scheme of TIFF 6.0, section 22. This module assembles the data of both schemes into complete JPEG files
//! for the JPEG decoder of this crate. The TIFF tags alone define the meaning of the samples, so JPEG markers
//! that could contradict them are removed.

use std::ops::Range;

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
pub(super) struct Tables {
    /// The JPEG segments that are inserted before the segments of every strip or tile.
    segments: Vec<u8>,
    /// The byte range of the whole picture, if the picture is stored as a single JPEG file.
    pub(super) whole: Option<Range<usize>>,
    /// Whether strips and tiles contain only entropy-coded data, without JPEG headers.
    bare: bool,
}

impl Tables {
    /// Reads the tag JPEGTables, which is a JPEG file without a picture.
    pub(super) fn new_style(file: &File<'_>, directory: &Directory) -> Self {
        let bytes = directory.find(347).map(|entry| file.bytes_of(entry)).unwrap_or_default();
        let mut segments = Vec::new();
        copy_segments(bytes, &mut segments);
        Self { segments, whole: None, bare: false }
    }

    /// Reads the tag JPEGInterchangeFormat, which refers to a JPEG file with or without a picture. Without
    /// this tag, reads the tags with the offsets of the tables.
    pub(super) fn old_style(file: &File<'_>, directory: &Directory, page: &Page) -> Result<Self, Error> {
        let n_bytes = file.bytes.len();
        let start = directory.number(file, 513).and_then(|at| usize::try_from(at).ok());
        if let Some(rest) = start.and_then(|at| file.bytes.get(at..))
            && rest.starts_with(b"\xff\xd8")
        {
            let mut segments = Vec::new();
            if copy_segments(rest, &mut segments) {
                return Ok(Self { whole: start.map(|start| start..n_bytes), ..Self::default() });
            }
        }
        // If the first strip is a complete JPEG file, no shared tables are needed.
        let first =
            page.chunks.first().and_then(|chunk| file.bytes.get(chunk.bytes.clone())).unwrap_or_default();
        if first.starts_with(b"\xff\xd8") {
            return Ok(Self::default());
        }
        Ok(Self { segments: tables_by_offset(file, directory)?, whole: None, bare: true })
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

/// Builds JPEG segments from the tables at the offsets in the tags. For each component, the tags have the
/// offset of one quantisation table and of two Huffman tables. A quantisation table has 64 bytes; a Huffman
/// table has 16 counts and then the values.
fn tables_by_offset(file: &File<'_>, directory: &Directory) -> Result<Vec<u8>, Error> {
    let places = |tag| directory.find(tag).map(|entry| file.numbers_of(entry, 4)).unwrap_or_default();
    let at = |place: u64| usize::try_from(place).ok().and_then(|at| file.bytes.get(at..)).unwrap_or_default();
    let truncated = || corrupt("the JPEG tables are cut off");
    let mut segments = Vec::new();
    for (i, place) in places(519).into_iter().enumerate() {
        let table: &[u8; 64] = at(place).first_chunk().ok_or_else(truncated)?;
        segments.extend_from_slice(&[0xff, 0xdb, 0, 67, i as u8]);
        segments.extend_from_slice(table);
    }
    for (class, tag) in [(0u8, 520), (0x10, 521)] {
        for (i, place) in places(tag).into_iter().enumerate() {
            let bytes = at(place);
            let counts: &[u8; 16] = bytes.first_chunk().ok_or_else(truncated)?;
            let n_values = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
            let table = bytes.get(..16 + n_values).filter(|_| n_values <= 256).ok_or_else(truncated)?;
            segments.extend_from_slice(&[0xff, 0xc4]);
            segments.extend((table.len() as u16 + 3).to_be_bytes());
            segments.push(class | i as u8);
            segments.extend_from_slice(table);
        }
    }
    if segments.is_empty() {
        return Err(corrupt("the JPEG tables are missing"));
    }
    if let Some(interval @ 1..=0xffff) = directory.number(file, 515) {
        segments.extend_from_slice(&[0xff, 0xdd, 0, 4]);
        segments.extend((interval as u16).to_be_bytes());
    }
    Ok(segments)
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
    tables: &Tables,
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
    if tables.bare {
        push_frame(page, n_components, width, height, &mut stream);
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

/// Appends the frame header and the scan header, which the older scheme leaves out.
fn push_frame(page: &Page, n_components: usize, width: usize, height: usize, stream: &mut Vec<u8>) {
    let n = n_components as u8;
    let (across, down) = page.subsampling;
    stream.extend_from_slice(&[0xff, 0xc0, 0, 8 + 3 * n, 8]);
    stream.extend((height as u16).to_be_bytes());
    stream.extend((width as u16).to_be_bytes());
    stream.push(n);
    for i in 0..n {
        let sampling = if i == 0 && n == 3 { (across << 4 | down) as u8 } else { 0x11 };
        stream.extend_from_slice(&[i + 1, sampling, i]);
    }
    stream.extend_from_slice(&[0xff, 0xda, 0, 6 + 2 * n, n]);
    (0..n).for_each(|i| stream.extend_from_slice(&[i + 1, i << 4 | i]));
    stream.extend_from_slice(&[0, 63, 0]);
}
