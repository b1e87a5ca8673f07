//! From the bytes of a file to the text of a document: unpacking and character encodings, both under a cap.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use super::{corrupt, prolog, unsupported};
use crate::Error;

/// Longest text of a document. In memory a document takes a multiple of it.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// How much of a packed file is unpacked to recognise it.
const SNIFFED_BYTES: u64 = 4 << 10;

const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Whether these are the first bytes of a file whose root element is `svg`, packed or not.
pub(crate) fn is_svg(input: &[u8]) -> bool {
    if input.starts_with(GZIP) {
        let mut head = Vec::new();
        // A file that is cut off or breaks later still has a beginning.
        let _ended = GzDecoder::new(input).take(SNIFFED_BYTES).read_to_end(&mut head);
        return !head.starts_with(GZIP) && is_svg(&head);
    }
    match from_utf16(&input[..input.len().min(SNIFFED_BYTES as usize)]) {
        Some(text) => prolog::read(text.as_bytes()).root == b"svg",
        None => prolog::read(input).root == b"svg",
    }
}

/// The text of a file.
pub(super) fn text(input: &[u8]) -> Result<Cow<'_, str>, Error> {
    if !input.starts_with(GZIP) {
        return decode(input);
    }
    let mut unpacked = Vec::new();
    let mut reader = GzDecoder::new(input).take(MAX_TEXT_BYTES as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(corrupt)?;
    decode(&unpacked).map(|text| Cow::Owned(text.into_owned()))
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(unsupported(&format!("more than {MAX_TEXT_BYTES} bytes of text")));
    }
    if let Some(text) = from_utf16(bytes) {
        return Ok(Cow::Owned(text));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) if says_latin_1(bytes) => Ok(Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect())),
        Err(error) => Err(corrupt(format!("it is not UTF-8: {error}"))),
    }
}

/// UTF-16 with a byte order mark; what is no character is replaced.
fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (unit, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        _ => return None,
    };
    let units = rest.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// Whether the XML declaration names an encoding of one byte per character of which Latin-1 is the common part.
fn says_latin_1(bytes: &[u8]) -> bool {
    let declaration = bytes.split(|&byte| byte == b'>').next().unwrap_or_default().to_ascii_lowercase();
    [&b"iso-8859-1"[..], b"windows-1252", b"latin1"]
        .iter()
        .any(|name| memchr::memmem::find(&declaration, name).is_some())
}
