//! Opens the decoder of the `png` crate for a file, or for a copy of its essential chunks if other chunks are
//! damaged.

use std::borrow::Cow;
use std::io::Cursor;

use ::png::{ColorType, DecodingError, Info, Transformations};

use super::essence::essence;
use super::{BROKEN_ANIMATION, corrupt, scan};
use crate::Error;

/// Largest memory in bytes that the `png` crate may allocate for rows, tables and metadata. The memory for
/// the picture is not included.
const MAX_LIBRARY_BYTES: usize = 32 << 20;

/// The decoder of the `png` crate, which reads a file or a changed copy of the file.
pub(super) type Reader<'a> = ::png::Reader<Cursor<Cow<'a, [u8]>>>;

/// A file that the `png` crate accepts.
pub(super) struct Opened<'a> {
    /// The file, or a copy of its essential chunks.
    pub(super) input: Cow<'a, [u8]>,
    pub(super) reader: Reader<'a>,
    /// A sentence about the damage for the user of the API, if `input` is a copy.
    pub(super) warning: Option<String>,
}

/// Opens the decoder of the `png` crate. If the crate refuses a chunk before the picture data, opens a copy
/// of the essential chunks instead: a damaged chunk that the picture does not need is no reason to refuse the
/// picture.
pub(super) fn open_tolerantly(input: &[u8]) -> Result<Opened<'_>, Error> {
    let input = Cow::Borrowed(input);
    let damage = match reader(input.clone(), false) {
        Ok(reader) if has_whole_palette(reader.info()) => {
            return Ok(Opened { input, reader, warning: None });
        }
        Ok(_) => corrupt("the palette ends within a colour"),
        Err(error) => corrupt(error),
    };
    let copy: Cow<'_, [u8]> = Cow::Owned(essence(&input));
    let Some(reader) = reader(copy.clone(), false).ok().filter(|reader| has_whole_palette(reader.info()))
    else {
        return Err(damage);
    };
    let what = if scan::announces_animation(&input) {
        BROKEN_ANIMATION
    } else {
        "a damaged part of the file was ignored"
    };
    Ok(Opened { input: copy, reader, warning: Some(format!("{what}: {damage}")) })
}

/// Opens the decoder of the `png` crate for a file and reads the chunks before the picture data.
pub(super) fn reader(input: Cow<'_, [u8]>, ignore_checksums: bool) -> Result<Reader<'_>, DecodingError> {
    let limits = ::png::Limits { bytes: MAX_LIBRARY_BYTES };
    let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(input), limits);
    // The `png` crate skips the chunks with texts and the ICC profile, because `text.rs` reads these chunks
    // within the limits of this crate.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.ignore_checksums(ignore_checksums);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.read_info()
}

/// Whether the palette of a picture with palette consists of whole colours. The `png` crate accepts a palette
/// whose length is not a multiple of three bytes, and panics when it uses the palette.
fn has_whole_palette(info: &Info<'_>) -> bool {
    let is_used = info.color_type == ColorType::Indexed;
    info.palette.as_deref().is_none_or(|palette| !is_used || palette.len().is_multiple_of(3))
}
