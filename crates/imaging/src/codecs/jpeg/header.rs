//! Reads the markers of a JPEG file, from the first byte to the last: size, components, tables, metadata and
//! number of scans. Entropy-coded data are skipped without being decoded, so every byte is read only once.

use pixaven_jpeg::Frame;

use super::components::{Transform, transform};
use super::failed;
use crate::limits::FileBudget;
use crate::metadata::iptc::{self, Rights};
use crate::{Error, Limits};

/// The identifier at the start of an APP1 segment with XMP (XMP specification, part 3, 1.1.3).
pub(super) const XMP_NAME: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Longest ICC profile that is kept, in bytes. A profile is rarely longer than one megabyte.
const MAX_PROFILE_BYTES: usize = 4 << 20;

/// The contents of the header that are needed to decode the picture and to describe the file.
#[derive(Debug)]
pub(super) struct JpegHeader {
    pub(super) frame: Frame,
    pub(super) transform: Transform,
    /// Whether the file has an Adobe marker. The samples of a four-component file with this marker are stored
    /// inverted.
    pub(super) adobe: bool,
    /// The quantisation tables by their number. The values are in the order of the file (zigzag).
    pub(super) tables: [Option<[u16; 64]>; 4],
    pub(super) n_scans: u32,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) xmp: Option<Vec<u8>>,
    /// Author and copyright, from the IPTC metadata.
    pub(super) rights: Rights,
    pub(super) profile: Option<Vec<u8>>,
    /// Whether the file has an end-of-image marker.
    pub(super) ends: bool,
}

/// The contents of the segments that [`walk`] collects.
#[derive(Default)]
struct Found {
    frame: Option<Frame>,
    jfif: bool,
    adobe: Option<u8>,
    tables: [Option<[u16; 64]>; 4],
    n_scans: u32,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    rights: Rights,
    profile_parts: Vec<(u8, Vec<u8>)>,
    ends: bool,
}

fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt { format: "JPEG", reason: reason.into() }
}

fn unsupported(reason: impl Into<String>) -> Error {
    Error::Unsupported { format: "JPEG", reason: reason.into() }
}

/// Reads all markers of a JPEG file and returns the contents of its header.
pub(super) fn read(input: &[u8], limits: &Limits) -> Result<JpegHeader, Error> {
    let found = walk(input, &mut FileBudget::new(limits))?;
    let missing = |what: &str| {
        let suffix = if found.ends { "" } else { ": the file is cut off or damaged" };
        corrupt(format!("no {what}{suffix}"))
    };
    let frame = found.frame.ok_or_else(|| missing("frame header"))?;
    if found.n_scans == 0 {
        return Err(missing("picture data"));
    }
    let transform = transform(&frame, found.jfif, found.adobe);
    Ok(JpegHeader {
        frame,
        transform,
        adobe: found.adobe.is_some(),
        tables: found.tables,
        n_scans: found.n_scans,
        exif: found.exif,
        xmp: found.xmp,
        rights: found.rights,
        profile: join_profile(found.profile_parts),
        ends: found.ends,
    })
}

/// Iterates over all segments of a JPEG file.
fn walk(input: &[u8], budget: &mut FileBudget<'_>) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut at = 2;
    while let Some((marker, start)) = next_marker(input, at) {
        match marker {
            // Skips a second start-of-image marker, a misplaced restart marker or a TEM marker, because these
            // markers have no length field.
            0xd8 | 0xd0..=0xd7 | 0x01 => {
                at = start + 2;
                continue;
            }
            0xd9 => {
                found.ends = true;
                break;
            }
            _ => {}
        }
        let Some(length) =
            input.get(start + 2..start + 4).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
        else {
            break;
        };
        // A length that does not even include the length field counts as an empty segment.
        let end = start + 2 + length.max(2);
        let Some(body) = input.get(start + 4..end) else { break };
        budget.part()?;
        if matches!(marker, 0xe0..=0xef | 0xfe) {
            budget.metadata(body.len())?;
        }
        found.take_segment(marker, body)?;
        at = end;
        if marker == 0xda {
            found.n_scans += 1;
            at = end_of_scan(input, end);
        }
    }
    Ok(found)
}

impl Found {
    /// Stores the values from one segment that decoding or the file information needs.
    fn take_segment(&mut self, marker: u8, body: &[u8]) -> Result<(), Error> {
        match marker {
            _ if self.frame.is_none() && Frame::is_header(marker) => {
                self.frame = Some(read_frame(marker, body)?);
            }
            0xdb => self.take_tables(body),
            0xe0 if body.starts_with(b"JFIF\0") => self.jfif = true,
            0xe1 if body.starts_with(b"Exif\0\0") && self.exif.is_none() => self.exif = Some(body.to_vec()),
            0xe1 if self.xmp.is_none() && body.starts_with(XMP_NAME) => {
                self.xmp = Some(body[XMP_NAME.len()..].to_vec());
            }
            0xe2 if body.starts_with(b"ICC_PROFILE\0") && body.len() > 14 => {
                let n_kept: usize = self.profile_parts.iter().map(|(_, part)| part.len()).sum();
                if n_kept + body.len() <= MAX_PROFILE_BYTES {
                    self.profile_parts.push((body[12], body[14..].to_vec()));
                }
            }
            0xed if self.rights == Rights::default() => {
                self.rights = body.strip_prefix(b"Photoshop 3.0\0").map(iptc::rights).unwrap_or_default();
            }
            0xee if body.starts_with(b"Adobe") && body.len() >= 12 => self.adobe = Some(body[11]),
            _ => {}
        }
        Ok(())
    }

    /// Stores the quantisation tables of a segment. Only the first definition of each table is kept, because
    /// the first scan uses this definition and codes most of the picture.
    fn take_tables(&mut self, mut body: &[u8]) {
        while let Some((&head, rest)) = body.split_first() {
            let (is_wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let size = if is_wide { 128 } else { 64 };
            let Some((values, rest)) = rest.split_at_checked(size) else { return };
            let mut table = [0; 64];
            for (i, value) in table.iter_mut().enumerate() {
                *value = if is_wide {
                    u16::from_be_bytes([values[2 * i], values[2 * i + 1]])
                } else {
                    u16::from(values[i])
                };
            }
            if let Some(slot) = self.tables.get_mut(number) {
                slot.get_or_insert(table);
            }
            body = rest;
        }
    }
}

/// Reads the frame header: the content of the SOF segment with this marker.
fn read_frame(marker: u8, body: &[u8]) -> Result<Frame, Error> {
    let frame = Frame::parse(marker, body).map_err(failed)?;
    match frame.components.len() {
        1 | 3 | 4 => Ok(frame),
        n => Err(unsupported(format!("{n} components"))),
    }
}

/// Finds the next marker at or after the offset `at`. Returns its code and the offset of its byte 0xff. Skips
/// bytes between segments.
fn next_marker(input: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        let start = at + memchr::memchr(0xff, input.get(at..)?)?;
        match *input.get(start + 1)? {
            0x00 => at = start + 2,
            0xff => at = start + 1,
            marker => return Some((marker, start)),
        }
    }
}

/// Returns the end of the entropy-coded data that begin at the offset `at`. The end is the offset of the next
/// marker other than a restart marker.
fn end_of_scan(input: &[u8], mut at: usize) -> usize {
    while let Some((marker, start)) = next_marker(input, at) {
        if !matches!(marker, 0xd0..=0xd7) {
            return start;
        }
        at = start + 2;
    }
    input.len()
}

/// Joins the parts of an ICC profile in the order of their numbers, which may differ from their order in the
/// file.
fn join_profile(mut parts: Vec<(u8, Vec<u8>)>) -> Option<Vec<u8>> {
    parts.sort_by_key(|&(number, _)| number);
    let profile: Vec<u8> = parts.into_iter().flat_map(|(_, part)| part).collect();
    (!profile.is_empty()).then_some(profile)
}
