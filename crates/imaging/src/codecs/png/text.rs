//! Reads the ancillary chunks of a PNG (ISO/IEC 15948, 11.3): EXIF, XMP, author, copyright and ICC profile.
//! Before a chunk is decompressed, the number of chunks and the length of the metadata are checked against
//! the limits. Decompression stops at the limit.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::scan::chunks;
use crate::limits::FileBudget;
use crate::metadata::Metadata;
use crate::{Error, Limits};

/// The keyword of an `iTXt` chunk with XMP (XMP specification, part 3, 1.1.5).
pub(super) const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp";

/// The metadata and the ICC profile of a file.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) metadata: Metadata,
    /// The ICC profile of the file.
    pub(super) profile: Option<Vec<u8>>,
}

/// Reads all chunks with metadata or an ICC profile from a file. Ignores a chunk that cannot be decompressed.
///
/// # Errors
/// Returns [`Error::Limit`] if the file has too many chunks or too much metadata.
pub(super) fn read(input: &[u8], limits: &Limits) -> Result<Texts, Error> {
    let mut budget = FileBudget::new(limits);
    for (kind, data) in chunks(input) {
        budget.part()?;
        if matches!(&kind, b"eXIf" | b"iTXt" | b"zTXt" | b"tEXt" | b"iCCP") {
            budget.metadata(data.len())?;
        }
    }
    let mut texts = Texts::default();
    for (kind, data) in chunks(input) {
        match &kind {
            b"eXIf" if texts.metadata.exif.is_none() => texts.metadata.exif = Some(data.to_vec()),
            b"iCCP" if texts.profile.is_none() => {
                texts.profile = match keyword(data) {
                    Some((_, [0, packed @ ..])) => unpack(packed, &mut budget)?,
                    _ => None,
                };
            }
            b"tEXt" | b"zTXt" | b"iTXt" => texts.take(&kind, data, &mut budget)?,
            _ => {}
        }
    }
    Ok(texts)
}

impl Texts {
    /// Stores the text of a `tEXt`, `zTXt` or `iTXt` chunk if this module uses the keyword of the chunk. If
    /// several chunks have the same keyword, the first is used.
    fn take(&mut self, kind: &[u8; 4], data: &[u8], budget: &mut FileBudget<'_>) -> Result<(), Error> {
        let Some((keyword, rest)) = keyword(data) else { return Ok(()) };
        let metadata = &self.metadata;
        let is_wanted = match keyword {
            XMP_KEYWORD => metadata.xmp.is_none(),
            b"Author" => metadata.author.is_none(),
            b"Copyright" => metadata.copyright.is_none(),
            _ => false,
        };
        if !is_wanted {
            return Ok(());
        }
        let (packed, body) = match (kind, rest) {
            (b"tEXt", text) => (false, text),
            (b"zTXt", [0, packed @ ..]) => (true, packed),
            (b"iTXt", [flag @ (0 | 1), 0, languages @ ..]) => match after_two_zeros(languages) {
                Some(text) => (*flag == 1, text),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let Some(text) = (if packed { unpack(body, budget)? } else { Some(body.to_vec()) }) else {
            return Ok(());
        };
        if keyword == XMP_KEYWORD {
            self.metadata.xmp = Some(text);
            return Ok(());
        }
        // The text of `iTXt` is UTF-8. The text of `tEXt` and `zTXt` is Latin-1, whose bytes are equal to the
        // code points of Unicode.
        let text = if kind == b"iTXt" {
            String::from_utf8(text).ok()
        } else {
            Some(text.into_iter().map(char::from).collect())
        };
        let slot =
            if keyword == b"Author" { &mut self.metadata.author } else { &mut self.metadata.copyright };
        *slot = text;
        Ok(())
    }
}

/// Splits the data of a chunk at the zero byte that ends the keyword. Returns the keyword and the data after
/// the zero byte.
fn keyword(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, data)?;
    Some((&data[..end], &data[end + 1..]))
}

/// Skips the language tag and the translated keyword of an `iTXt` chunk, and returns the data that follow.
fn after_two_zeros(data: &[u8]) -> Option<&[u8]> {
    let (_, rest) = keyword(data)?;
    keyword(rest).map(|(_, text)| text)
}

/// Decompresses a zlib stream. Returns `None` when the stream is malformed, and an error when the data exceed
/// the limit on metadata.
fn unpack(packed: &[u8], budget: &mut FileBudget<'_>) -> Result<Option<Vec<u8>>, Error> {
    let mut unpacked = Vec::new();
    // The decompressed data may have one byte more than the limit on metadata allows. This byte shows that
    // the data exceed the limit.
    let max_bytes = budget.metadata_left().saturating_add(1);
    let result = ZlibDecoder::new(packed).take(max_bytes).read_to_end(&mut unpacked);
    budget.metadata(unpacked.len())?;
    Ok(result.is_ok().then_some(unpacked))
}
