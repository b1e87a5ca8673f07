//! Reads the tags of the older scheme of JPEG inside TIFF (TIFF 6.0, section 22). Files in this scheme differ
//! in what their strips contain: whole JPEG files, parts of a single JPEG file, or entropy-coded data whose
//! tables are elsewhere in the TIFF file.

use super::{Tables, WholeJpeg, first_scan};
use crate::Error;
use crate::bytes::u16_be;
use crate::codecs::tiff::corrupt;
use crate::codecs::tiff::directory::{Directory, File};
use crate::codecs::tiff::page::{LOSSLESS_JPEG, Page};

/// The length of the end-of-image marker, in bytes.
const MARKER_BYTES: usize = 2;

/// The coding process of entropy-coded data without headers (tag JPEGProc).
#[derive(Debug, Clone, Copy)]
pub(super) enum Process {
    Baseline,
    /// Lossless coding, with the number of the predictor and with the number of low bits that are left out.
    Lossless {
        predictor: u8,
        n_low_bits: u8,
    },
}

impl<'a> Tables<'a> {
    /// Reads the tag JPEGInterchangeFormat, which refers to a JPEG file with or without a picture. Without
    /// this tag, reads the tags with the offsets of the tables.
    pub(in crate::codecs::tiff) fn old_style(
        file: &File<'a>,
        directory: &Directory,
        page: &Page,
    ) -> Result<Self, Error> {
        let first = page.chunks.first().map(|chunk| chunk.bytes.clone()).unwrap_or_default();
        let strips_are_files = file.bytes.get(first.clone()).unwrap_or_default().starts_with(b"\xff\xd8");
        let start = directory.number(file, 513).and_then(|at| usize::try_from(at).ok());
        if let Some(start) = start
            && let Some(rest) = file.bytes.get(start..).filter(|rest| rest.starts_with(b"\xff\xd8"))
            && let Some(scan) = first_scan(rest)
        {
            let data = scan + 2 + u16_be(rest, scan + 2).map_or(0, usize::from);
            // The JPEG file may end with its headers. Then the strips contain the entropy-coded data.
            let has_data = match directory.number(file, 514) {
                None | Some(0) => first.start >= start,
                Some(n_bytes) => n_bytes > (data + MARKER_BYTES) as u64,
            };
            if has_data || first.start == start + data || first.is_empty() {
                let whole = WholeJpeg { bytes: rest.into(), reaches_end: true };
                return Ok(Self { whole: Some(whole), ..Self::default() });
            }
            if !strips_are_files {
                let whole = join_strips(file, page, rest.get(..data).unwrap_or(rest));
                return Ok(Self { whole: Some(whole), ..Self::default() });
            }
        }
        // If the first strip is a complete JPEG file, no shared tables are needed.
        if strips_are_files {
            return Ok(Self::default());
        }
        let value = |tag| directory.number(file, tag);
        let bare = match value(512) {
            Some(LOSSLESS_JPEG) => Process::Lossless {
                predictor: value(517).unwrap_or(1) as u8,
                n_low_bits: value(518).unwrap_or(0) as u8,
            },
            _ => Process::Baseline,
        };
        Ok(Self { segments: tables_by_offset(file, directory)?, whole: None, bare: Some(bare) })
    }
}

/// Joins the headers of a JPEG file and the entropy-coded data, which the strips contain. Strips that overlap
/// could make the result larger than the TIFF file; the strips after this size are left out.
fn join_strips<'a>(file: &File<'_>, page: &Page, headers: &[u8]) -> WholeJpeg<'a> {
    let mut bytes = headers.to_vec();
    for chunk in &page.chunks {
        let strip = file.bytes.get(chunk.bytes.clone()).unwrap_or_default();
        if bytes.len() + strip.len() > file.bytes.len() {
            break;
        }
        bytes.extend_from_slice(strip);
    }
    let reaches_end = page.chunks.iter().any(|chunk| chunk.is_cut_off);
    if !reaches_end && !bytes.ends_with(b"\xff\xd9") {
        bytes.extend_from_slice(b"\xff\xd9");
    }
    WholeJpeg { bytes: bytes.into(), reaches_end }
}

/// Builds JPEG segments from the tables at the offsets in the tags. For each component, the tags have the
/// offset of one quantisation table and of two Huffman tables; if a tag has fewer offsets than there are
/// components, the last offset applies to the other components. A quantisation table has 64 bytes; a Huffman
/// table has 16 counts and then the values.
fn tables_by_offset(file: &File<'_>, directory: &Directory) -> Result<Vec<u8>, Error> {
    let places = |tag| {
        let mut places = directory.find(tag).map(|entry| file.numbers_of(entry, 4)).unwrap_or_default();
        if let Some(&last) = places.last() {
            places.resize(4, last);
        }
        places
    };
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

/// Appends the frame header and the scan header, which the older scheme leaves out.
pub(super) fn push_headers(
    process: Process,
    page: &Page,
    n_components: usize,
    (width, height): (usize, usize),
    stream: &mut Vec<u8>,
) {
    let n = n_components as u8;
    let (across, down) = page.subsampling;
    let (marker, precision, selection, end, low) = match process {
        Process::Baseline => (0xc0, 8, 0, 63, 0),
        Process::Lossless { predictor, n_low_bits } => (0xc3, page.bits as u8, predictor, 0, n_low_bits & 15),
    };
    stream.extend_from_slice(&[0xff, marker, 0, 8 + 3 * n, precision]);
    stream.extend((height as u16).to_be_bytes());
    stream.extend((width as u16).to_be_bytes());
    stream.push(n);
    for i in 0..n {
        let sampling = if i == 0 && n == 3 { (across << 4 | down) as u8 } else { 0x11 };
        stream.extend_from_slice(&[i + 1, sampling, i]);
    }
    stream.extend_from_slice(&[0xff, 0xda, 0, 6 + 2 * n, n]);
    (0..n).for_each(|i| stream.extend_from_slice(&[i + 1, i << 4 | i]));
    stream.extend_from_slice(&[selection, end, low]);
}
