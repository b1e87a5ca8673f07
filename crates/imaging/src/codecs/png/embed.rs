//! Inserts metadata into a finished PNG or APNG file, as chunks after the header chunk and before the
//! picture.

use super::text::XMP_KEYWORD;
use crate::metadata::Metadata;

/// The offset at which chunks are inserted: after the signature and the `IHDR` chunk, which is always the
/// first chunk and has 13 bytes of data.
const AFTER_HEADER: usize = 8 + 12 + 13;

/// Inserts an `eXIf` chunk with the EXIF block and an `iTXt` chunk with the XMP packet, each only if the
/// metadata contain the block or the packet.
pub(in crate::codecs) fn embed(file: &mut Vec<u8>, metadata: &Metadata) {
    let mut chunks = Vec::new();
    if let Some(exif) = &metadata.exif {
        push(&mut chunks, *b"eXIf", &[exif]);
    }
    if let Some(xmp) = &metadata.xmp {
        // The five zero bytes after the keyword mean: end of the keyword, not compressed (two bytes), empty
        // language tag, empty translated keyword.
        push(&mut chunks, *b"iTXt", &[XMP_KEYWORD, b"\0\0\0\0\0", xmp]);
    }
    file.splice(AFTER_HEADER..AFTER_HEADER, chunks);
}

/// Appends a chunk whose data are `parts`, one after the other.
fn push(chunks: &mut Vec<u8>, kind: [u8; 4], parts: &[&[u8]]) {
    let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let start = chunks.len() + 4;
    chunks.extend((n_bytes as u32).to_be_bytes());
    chunks.extend(kind);
    parts.iter().for_each(|part| chunks.extend_from_slice(part));
    let checksum = crc32fast::hash(&chunks[start..]);
    chunks.extend(checksum.to_be_bytes());
}
