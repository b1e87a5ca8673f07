//! Metadata into a finished JPEG file: APP1 segments behind the JFIF header, which must come first.

use super::header::XMP_NAME;
use crate::metadata::Metadata;

/// Puts EXIF and XMP where readers look for them.
pub(in crate::codecs) fn embed(file: &mut Vec<u8>, metadata: &Metadata) {
    let mut segments = Vec::new();
    if let Some(exif) = &metadata.exif {
        push(&mut segments, &[b"Exif\0\0", exif]);
    }
    if let Some(xmp) = &metadata.xmp {
        push(&mut segments, &[XMP_NAME, xmp]);
    }
    let at = place(file);
    file.splice(at..at, segments);
}

fn push(segments: &mut Vec<u8>, parts: &[&[u8]]) {
    let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let length = u16::try_from(n_bytes + 2).expect("what is kept of metadata fits a segment");
    segments.extend([0xff, 0xe1]);
    segments.extend(length.to_be_bytes());
    parts.iter().for_each(|part| segments.extend_from_slice(part));
}

/// Behind the start of the image and a JFIF segment.
fn place(file: &[u8]) -> usize {
    match file {
        [0xff, 0xd8, 0xff, 0xe0, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    }
}
