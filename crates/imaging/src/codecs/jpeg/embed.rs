//! Inserts metadata into a finished JPEG file, as APP1 segments after the JFIF segment, which must be the
//! first segment.

use super::header::XMP_NAME;
use crate::metadata::Metadata;

/// Inserts a segment with the EXIF block and a segment with the XMP packet, each only if the metadata contain
/// the block or the packet.
pub(in crate::codecs) fn embed(file: &mut Vec<u8>, metadata: &Metadata) {
    let mut segments = Vec::new();
    if let Some(exif) = &metadata.exif {
        push(&mut segments, &[b"Exif\0\0", exif]);
    }
    if let Some(xmp) = &metadata.xmp {
        push(&mut segments, &[XMP_NAME, xmp]);
    }
    let at = insertion_offset(file);
    file.splice(at..at, segments);
}

/// Appends an APP1 segment whose content is `parts`, one after the other.
fn push(segments: &mut Vec<u8>, parts: &[&[u8]]) {
    let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let length =
        u16::try_from(n_bytes + 2).expect("`Metadata::kept` limits EXIF and XMP to the length of a segment");
    segments.extend([0xff, 0xe1]);
    segments.extend(length.to_be_bytes());
    parts.iter().for_each(|part| segments.extend_from_slice(part));
}

/// Returns the offset at which APP1 segments are inserted. The offset is after the start-of-image marker and,
/// if the file has a JFIF segment, after this segment.
fn insertion_offset(file: &[u8]) -> usize {
    match file {
        [0xff, 0xd8, 0xff, 0xe0, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    }
}
