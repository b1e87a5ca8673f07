//! Recognises HEIF files (ISO/IEC 23008-12): AVIF and HEIC.

use crate::format::Format;
use crate::isobmff::{Boxes, brands, child};

/// The largest number of boxes at the beginning of a file that are searched for pictures.
const MAX_BOXES: usize = 32;

/// The largest number of bytes of a box that are searched for the coding of the pictures. The description of
/// the pictures precedes the tables, so the first bytes suffice.
const MAX_SEARCHED_BYTES: usize = 64 << 10;

/// The brands of HEIF files that do not state a coding, or state a coding that this build does not decode.
const GENERAL_BRANDS: [&[u8; 4]; 13] = [
    b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"1pic", b"unif", b"heif", b"jpeg", b"j2ki", b"vvic",
    b"evbi", b"evmi",
];

/// Recognises HEIF by the brands in the `ftyp` box. If no brand states how the pictures are coded, the boxes
/// decide: first the coding that the pictures or a sequence of pictures state, then HEIC. A wrong choice
/// between HEIC and AVIF only affects the reported name of the format, because the decoder uses the type of
/// each item in the file. A video, whose brands or boxes name no pictures, is not recognised.
pub(super) fn heif_format(input: &[u8]) -> Option<Format> {
    let mut is_general = false;
    for brand in brands(input) {
        match brand {
            b"avif" | b"avis" | b"avio" => return Some(Format::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
                return Some(Format::Heic);
            }
            brand => is_general |= GENERAL_BRANDS.contains(&brand),
        }
    }
    if input.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let described = Boxes::new(input).take(MAX_BOXES).find_map(|(kind, content)| match &kind {
        b"meta" => content.get(4..).filter(|meta| is_for_pictures(meta)),
        b"moov" => {
            let tracks = Boxes::new(content).filter(|(kind, _)| kind == b"trak");
            let mut media = tracks.filter_map(|(_, track)| child(track, b"mdia"));
            media.find(|media| is_for_pictures(media))
        }
        _ => None,
    });
    match described {
        Some(pictures) => Some(coding(pictures).unwrap_or(Format::Heic)),
        None => is_general.then_some(Format::Heic),
    }
}

/// Whether the handler of a `meta` or `mdia` box is the one for pictures. The content of the box `hdlr` begins
/// with the version, the flags and a reserved field.
fn is_for_pictures(boxes: &[u8]) -> bool {
    child(boxes, b"hdlr").and_then(|content| content.get(8..12)) == Some(b"pict")
}

/// The format of the pictures according to the decoder configuration in a box.
fn coding(content: &[u8]) -> Option<Format> {
    let searched = &content[..content.len().min(MAX_SEARCHED_BYTES)];
    let has = |kind: &[u8; 4]| memchr::memmem::find(searched, kind).is_some();
    if has(b"av1C") { Some(Format::Avif) } else { has(b"hvcC").then_some(Format::Heic) }
}
