//! Turns the bytes of an SVG file into text: decompresses gzip and decodes the character encoding. The
//! decompressed data and the text have a maximum length.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;

use super::{corrupt, unsupported};
use crate::Error;
use crate::format::signature::GZIP;
use crate::format::svg::from_utf16;

/// The largest allowed length of the text of a document, in bytes. It is limited because the parsed document
/// takes several times as much memory.
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;

/// Returns the text of a file.
///
/// # Errors
/// Returns [`Error::Corrupt`] if the gzip data are malformed or the text has an unknown encoding. Returns
/// [`Error::Unsupported`] if the text is too long.
pub(super) fn text(input: &[u8]) -> Result<Cow<'_, str>, Error> {
    if !input.starts_with(GZIP) {
        return decode(input);
    }
    let mut unpacked = Vec::new();
    let mut reader = GzDecoder::new(input).take(MAX_TEXT_BYTES as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(corrupt)?;
    decode(&unpacked).map(|text| Cow::Owned(text.into_owned()))
}

/// The error of a document whose text is too long.
pub(super) fn too_long() -> Error {
    unsupported(&format!("more than {MAX_TEXT_BYTES} bytes of text"))
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(too_long());
    }
    if let Some(text) = from_utf16(bytes) {
        return Ok(Cow::Owned(text));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) if declares_latin_1(bytes) => {
            Ok(Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()))
        }
        Err(error) => Err(corrupt(format!("it is not UTF-8: {error}"))),
    }
}

/// Whether the XML declaration names Latin-1 or Windows-1252. A file in either encoding is decoded as
/// Latin-1, because the printable characters of Latin-1 are the same in both.
fn declares_latin_1(bytes: &[u8]) -> bool {
    let declaration = bytes.split(|&byte| byte == b'>').next().unwrap_or_default().to_ascii_lowercase();
    [&b"iso-8859-1"[..], b"windows-1252", b"latin1"]
        .iter()
        .any(|name| memchr::memmem::find(&declaration, name).is_some())
}
