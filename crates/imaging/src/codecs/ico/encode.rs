//! Writing ICO: one picture of the size asked for, as a PNG file, which everything since Windows Vista reads.

use super::{ENTRY_BYTES, HEADER_BYTES, MAX_SIDE_PX};
use crate::codecs::{Encoded, png};
use crate::metadata::Metadata;
use crate::plan::{Format, Output};
use crate::{Error, Image, Scratch};

/// A whole file.
pub(in crate::codecs) fn encode(
    image: &Image,
    output: &Output,
    _metadata: &Metadata,
    scratch: &mut Scratch,
) -> Result<Encoded, Error> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_SIDE_PX {
        return Err(Error::Plan(format!(
            "output.format: an ICO has from 1 to {MAX_SIDE_PX} pixels on a side, the result has {width}x{height}"
        )));
    }
    let mut encoded = png::encode(image, output, &Metadata::default(), scratch)?;
    let picture = encoded.bytes;
    let at = HEADER_BYTES + ENTRY_BYTES;
    let mut bytes = Vec::with_capacity(at + picture.len());
    // Reserved, an icon, one picture.
    bytes.extend([0u16, 1, 1].map(u16::to_le_bytes).as_flattened());
    // 256 is stated as 0. Then the colours of the table, of which icons state none, and a reserved byte.
    bytes.extend([width as u8, height as u8, 0, 0]);
    // Planes, and the bits that Windows chooses by: what it shows the picture with, not what the PNG stores.
    bytes.extend([1u16, 32].map(u16::to_le_bytes).as_flattened());
    bytes.extend([picture.len() as u32, at as u32].map(u32::to_le_bytes).as_flattened());
    bytes.extend_from_slice(&picture);
    encoded.description.format = Format::Ico;
    Ok(Encoded { description: encoded.description, bytes })
}
