//! Inserts metadata into a finished WebP file (RFC 9649, section 2.7): appends the chunks at the end of the
//! file and sets their flags in the extended header. If the file has no extended header, inserts an extended
//! header.

use super::container;
use crate::metadata::Metadata;

/// The flag in the extended header for EXIF.
const HAS_EXIF: u8 = 0x08;
/// The flag in the extended header for XMP.
const HAS_XMP: u8 = 0x04;
/// The flag in the extended header for alpha.
const HAS_ALPHA: u8 = 0x10;

/// The offset of the flags in a WebP file that has an extended header.
const FLAGS_OFFSET: usize = 20;

/// Inserts EXIF and XMP metadata. `file` must be a file that this crate wrote.
pub(in crate::codecs) fn embed(file: &mut Vec<u8>, metadata: &Metadata) {
    if file.get(12..16) != Some(b"VP8X") {
        extend(file);
    }
    if let Some(exif) = &metadata.exif {
        file[FLAGS_OFFSET] |= HAS_EXIF;
        push(file, *b"EXIF", exif);
    }
    if let Some(xmp) = &metadata.xmp {
        file[FLAGS_OFFSET] |= HAS_XMP;
        push(file, *b"XMP ", xmp);
    }
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
}

/// Sets the flag for alpha in the extended header of an animation. libwebp sets the flag only if a frame has an
/// alpha channel. The canvas can also be transparent where no frame covers it, and readers that trust the
/// flag show these pixels as black. A file without an extended header stays unchanged: libwebp writes an
/// animation of one frame as a still picture, whose own header states whether the picture has alpha.
pub(super) fn flag_alpha(file: &mut [u8]) {
    if file.get(12..16) == Some(b"VP8X") {
        file[FLAGS_OFFSET] |= HAS_ALPHA;
    }
}

/// Inserts an extended header into a file that has none.
fn extend(file: &mut Vec<u8>) {
    let (width, height, alpha) =
        container::parse(file).map(|c| (c.width, c.height, c.alpha)).expect("this crate wrote the file");
    let mut header = b"VP8X\x0a\0\0\0".to_vec();
    header.extend([if alpha { HAS_ALPHA } else { 0 }, 0, 0, 0]);
    header.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
    header.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
    file.splice(12..12, header);
}

/// Appends a chunk to a WebP file.
fn push(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend(kind);
    file.extend((data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    if data.len() % 2 == 1 {
        file.push(0);
    }
}
