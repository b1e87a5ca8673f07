//! Finds out whether a JPEG 2000 codestream is complete. A codestream consists of a header, of tile-parts whose
//! headers state their lengths, and of an end marker (ISO/IEC 15444-1, A.4). Nothing is decoded.

use crate::bytes::{u16_be, u32_be};
use crate::truncation::{MissingPart, Truncation, permille};

/// The markers that begin a tile-part and end the codestream.
const START_OF_TILE_PART: u16 = 0xff90;
const END_OF_CODESTREAM: u16 = 0xffd9;

/// Whether a codestream is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    /// All tile-parts are complete. The end marker may be missing.
    #[default]
    Complete,
    /// The file ends within a tile-part or before the last tile-part begins.
    CutOff(Truncation),
    /// The end marker is missing and the last tile-part does not state its length, so missing data cannot be
    /// detected.
    Unknown,
}

/// The tile-parts that the file contains.
#[derive(Default)]
struct TileParts {
    /// The number of tiles that begin before the end of the file.
    n_begun: u64,
    /// If the file ends within a tile-part, the number of missing bytes and the number of all bytes of the
    /// tile-part.
    missing_of_last: Option<(u64, u64)>,
    /// Whether the last tile-part does not state its length. Such a tile-part extends to the end marker.
    has_unknown_length: bool,
    /// Whether the end marker was found.
    has_end: bool,
}

/// Finds out whether a codestream of a picture with `n_tiles` tiles is complete. `n_missing` is the number of
/// bytes of the codestream that lie beyond the end of the file, or `None` if the file does not state this
/// number.
pub(super) fn end(codestream: &[u8], n_tiles: u64, n_missing: Option<u64>) -> End {
    let parts = tile_parts(codestream);
    let part = if n_tiles > 1 { MissingPart::Picture } else { MissingPart::Detail };
    if parts.has_end {
        return End::Complete;
    }
    match n_missing {
        // If at most two bytes are missing, all of them belong to the end marker, which has two bytes.
        Some(..=2) => return End::Complete,
        Some(n_missing) => return cut_off(part, n_missing, codestream.len() as u64 + n_missing),
        None => {}
    }
    if parts.has_unknown_length {
        return End::Unknown;
    }
    let (n_missing, n_total) = parts.missing_of_last.unwrap_or((0, 1));
    let n_missing = n_tiles.saturating_sub(parts.n_begun) * 1000 + u64::from(permille(n_missing, n_total));
    match cut_off(part, n_missing, n_tiles * 1000) {
        End::CutOff(truncation) => End::CutOff(truncation.or_more()),
        end => end,
    }
}

fn cut_off(part: MissingPart, n_missing: u64, n_total: u64) -> End {
    Truncation::new(part, n_missing, n_total).map_or(End::Complete, End::CutOff)
}

/// Walks over the header and the tile-parts of a codestream.
fn tile_parts(codestream: &[u8]) -> TileParts {
    let mut parts = TileParts::default();
    // The first marker of a codestream has two bytes and no length field.
    let mut at = 2;
    while let Some(marker) = u16_be(codestream, at) {
        match marker {
            START_OF_TILE_PART => {
                let (Some(tile), Some(length)) = (u16_be(codestream, at + 4), u32_be(codestream, at + 6))
                else {
                    break;
                };
                parts.n_begun = parts.n_begun.max(u64::from(tile) + 1);
                if length == 0 {
                    parts.has_unknown_length = true;
                    parts.has_end = codestream.ends_with(&END_OF_CODESTREAM.to_be_bytes());
                    return parts;
                }
                let n_present = (codestream.len() - at) as u64;
                let n_missing = u64::from(length).saturating_sub(n_present);
                if n_missing > 0 {
                    parts.missing_of_last = Some((n_missing, length.into()));
                    return parts;
                }
                at += (length as usize).max(2);
            }
            END_OF_CODESTREAM => {
                parts.has_end = true;
                break;
            }
            _ => {
                let Some(length) = u16_be(codestream, at + 2) else { break };
                at += 2 + usize::from(length);
            }
        }
    }
    parts
}
