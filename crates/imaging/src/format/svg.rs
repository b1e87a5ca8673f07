//! Recognises SVG by the name of the root element, because SVG has no signature. The file may be compressed
//! with gzip, and the text may be UTF-8 or UTF-16.

use std::io::Read;

use flate2::read::GzDecoder;

use super::signature::GZIP;
use super::xml_prolog;

/// The largest number of bytes that are decompressed, or decoded from UTF-16, to find the root element.
/// Uncompressed text in UTF-8 is searched without a limit.
const SNIFFED_BYTES: u64 = 4 << 10;

/// Whether `input` begins like a file whose root element is `svg`, compressed or not.
pub(super) fn is_svg(input: &[u8]) -> bool {
    if input.starts_with(GZIP) {
        let mut head = Vec::new();
        // An error of decompression is ignored, so that a file is recognised by its beginning even if it is
        // truncated or damaged later.
        let _ended = GzDecoder::new(input).take(SNIFFED_BYTES).read_to_end(&mut head);
        return !head.starts_with(GZIP) && is_svg(&head);
    }
    match from_utf16(&input[..input.len().min(SNIFFED_BYTES as usize)]) {
        Some(text) => xml_prolog::root_element(text.as_bytes()) == b"svg",
        None => xml_prolog::root_element(input) == b"svg",
    }
}

/// Decodes UTF-16 that begins with a byte order mark. Returns `None` if the mark is missing. An invalid code
/// unit becomes U+FFFD.
pub(crate) fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (unit, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        _ => return None,
    };
    let units = rest.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
