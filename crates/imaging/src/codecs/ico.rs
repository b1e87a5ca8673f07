//! ICO and CUR, the icons and cursors of Windows: a directory of pictures. Each picture is a PNG file, or a
//! DIB (device-independent bitmap) that is followed by a mask. The decoder reads the largest picture. If
//! several pictures share the largest size, it reads the one with the most bits per pixel. A picture that
//! cannot be opened is ignored unless the file has no other picture.

mod dib;
mod encode;

pub(super) use self::encode::encode;
use super::codec::Decode;
use super::nested::NestedDecoder;
use super::png;
use super::still_decoder::StillDecoder;
use crate::bytes::{u16_le, u32_le};
use crate::format::Format;
use crate::format::signature::{ICO_ENTRY_BYTES, ICO_HEADER_BYTES};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The longest side that the directory of an ICO file can state, in pixels.
const MAX_SIDE_PX: u32 = 256;

fn corrupt(reason: impl Into<String>) -> Error {
    Error::Corrupt { format: "ICO", reason: reason.into() }
}

/// An entry of the directory, which describes one picture of the file.
struct Entry<'a> {
    n_pixels: u32,
    bits: u16,
    data: &'a [u8],
}

/// Opens the largest picture of an ICO or CUR file. If several pictures share the largest size, opens the one
/// with the most bits per pixel.
pub(super) fn open<'a>(input: &'a [u8], limits: &Limits) -> Result<Box<dyn Decode + 'a>, Error> {
    let n_entries = u16_le(input, 4).ok_or_else(|| corrupt("the directory is cut off"))?;
    check(Limit::Parts, limits.parts.into(), n_entries.into())?;
    let directory = input.get(ICO_HEADER_BYTES..).unwrap_or_default().as_chunks::<ICO_ENTRY_BYTES>().0;
    let is_cursor = input.get(2) == Some(&2);
    let mut entries: Vec<Entry<'_>> = directory
        .iter()
        .take(n_entries.into())
        .filter_map(|entry| {
            let [size, at] = [8, 12].map(|at| u32_le(entry, at).unwrap_or(0) as usize);
            let rest = input.get(at..)?;
            let data = &rest[..size.min(rest.len())];
            let side = |v: u8| if v == 0 { MAX_SIDE_PX } else { v.into() };
            // In an icon, this field of the directory entry states the number of bits per pixel. In a cursor,
            // the field states the position of the hot spot instead.
            let bits = if is_cursor { 0 } else { u16_le(entry, 6).unwrap_or(0) };
            Some(Entry { n_pixels: side(entry[0]) * side(entry[1]), bits, data })
        })
        .collect();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.n_pixels, entry.bits)));
    let mut first_error = None;
    for entry in &entries {
        match open_entry(entry.data, limits) {
            Ok(decoder) => return Ok(decoder),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| corrupt("no picture")))
}

/// Returns the offset at which the last picture of the directory ends.
pub(super) fn announced_bytes(input: &[u8]) -> Option<u64> {
    let n_entries = u16_le(input, 4)?;
    let directory_end = ICO_HEADER_BYTES + usize::from(n_entries) * ICO_ENTRY_BYTES;
    let directory = input.get(ICO_HEADER_BYTES..)?.as_chunks::<ICO_ENTRY_BYTES>().0;
    let ends = directory.iter().take(n_entries.into()).map(|entry| {
        let [size, at] = [8, 12].map(|at| u64::from(u32_le(entry, at).unwrap_or(0)));
        size + at
    });
    ends.chain([directory_end as u64]).max()
}

/// Opens the decoder of one picture: a PNG file, or a DIB with a mask.
fn open_entry<'a>(data: &'a [u8], limits: &Limits) -> Result<Box<dyn Decode + 'a>, Error> {
    if data.starts_with(b"\x89PNG") {
        return Ok(Box::new(NestedDecoder::new(png::Decoder::open(data, limits)?, Format::Ico)));
    }
    Ok(Box::new(StillDecoder::new(dib::Decoder::open(data)?)))
}
