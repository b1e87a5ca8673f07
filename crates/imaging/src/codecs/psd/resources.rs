//! Reads the image resources of a PSD, which are numbered blocks. The decoder uses the ICC profile, the
//! metadata and two properties of the picture.

use crate::bytes::{u16_be, u32_be};
use crate::limits::{Limit, check};
use crate::{Error, Limits};

/// The image resources that the decoder uses.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) profile: Option<Vec<u8>>,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) xmp: Option<Vec<u8>>,
    /// The palette index whose pixels are transparent.
    pub(super) transparent_index: Option<u8>,
    /// Whether the file was saved without a merged picture, as one of its resources states.
    pub(super) lacks_merged: bool,
}

impl Resources {
    /// Iterates over the blocks of the image resources. A block has a signature, a number, a name, a length
    /// and data; the name and the data are padded to an even length. Stops at the first malformed block.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut resources = Self::default();
        let (mut at, mut n_blocks) = (0usize, 0u64);
        while let Some((number, data, next)) = block(bytes, at) {
            n_blocks += 1;
            check(Limit::Parts, limits.parts.into(), n_blocks)?;
            let slot = match number {
                1039 => Some(&mut resources.profile),
                1058 => Some(&mut resources.exif),
                1060 => Some(&mut resources.xmp),
                _ => None,
            };
            if let Some(slot) = slot {
                check(Limit::MetadataBytes, limits.metadata_bytes, data.len() as u64)?;
                *slot = Some(data.to_vec());
            }
            match number {
                1047 => {
                    resources.transparent_index = u16_be(data, 0).and_then(|index| u8::try_from(index).ok());
                }
                1057 => resources.lacks_merged = data.get(4) == Some(&0),
                _ => {}
            }
            at = next;
        }
        Ok(resources)
    }
}

/// Parses the block at the offset `at`. Returns its number, its data and the offset of the next block.
fn block(bytes: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let signature = bytes.get(at..)?.first_chunk::<4>()?;
    if !matches!(signature, b"8BIM" | b"MeSa" | b"AgHg" | b"PHUT" | b"DCSR") {
        return None;
    }
    let number = u16_be(bytes, at + 4)?;
    let name_bytes = usize::from(*bytes.get(at + 6)?) + 1;
    let length_at = at + 6 + name_bytes.next_multiple_of(2);
    let start = length_at + 4;
    let end = start.checked_add(u32_be(bytes, length_at)? as usize)?;
    Some((number, bytes.get(start..end)?, end.next_multiple_of(2)))
}
