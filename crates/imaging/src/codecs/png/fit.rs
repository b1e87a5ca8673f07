//! Implements `output.max_bytes` for PNG. The size of a PNG depends on its quality in few large steps: without loss,
//! and with palettes of 256, 128, 64, 32 and 16 colours. A binary search over the palettes finds the largest one
//! whose file has at most `max_bytes` bytes, with at most four encodings.

use super::embed::embed;
use super::encode::{self, encode_either};
use super::lossy::{self, MIN_COLORS, Palettes, quality_of_error, rgba_copy};
use crate::codecs::codec::Encoded;
use crate::codecs::palette::Indexed;
use crate::codecs::quality_search::{self, Attempt, Found};
use crate::metadata::Metadata;
use crate::plan::Output;
use crate::{Error, Image, Scratch};

/// Encodes a picture at `output.quality`. If the file has more than `max_bytes` bytes and may be lossy, encodes with
/// smaller palettes. Returns the file with the largest palette of those that have at most `max_bytes` bytes. If no
/// file does, returns the smallest one with a warning.
///
/// # Errors
/// [`Error::Plan`] when a file that must be lossless has more than `max_bytes` bytes.
pub(in crate::codecs) fn fit(
    image: &Image,
    output: &Output,
    metadata: &Metadata,
    max_bytes: u64,
    scratch: &mut Scratch,
) -> Result<Found<Encoded>, Error> {
    let quality = lossy::quality(output);
    let attempt = |indexed: Option<Indexed>, quality, scratch: &mut Scratch| {
        let mut encoded = encode_either(image, indexed, output, scratch)?;
        encoded.info.quality = quality;
        if !metadata.is_empty() {
            embed(&mut encoded.bytes, metadata);
        }
        Ok::<_, Error>(Attempt::of(encoded))
    };
    let indexed = encode::indexed(image, quality, scratch);
    let n_colors = indexed.as_ref().map_or(usize::MAX, |indexed| indexed.colors.len());
    let first = attempt(indexed, quality, scratch)?;
    if first.n_bytes <= max_bytes {
        return Ok(Found { result: first.result, warning: None });
    }
    let Some(quality) = quality else {
        return Err(quality_search::too_large_without_loss(&first, max_bytes));
    };

    let sizes: Vec<usize> =
        [256, 128, 64, 32, MIN_COLORS].into_iter().filter(|&size| size < n_colors).collect();
    let rgba = rgba_copy(image, scratch);
    let mut palettes = Palettes::of(&rgba);
    let (mut smallest, mut largest) = (first, None);
    // The palettes before `start` are too large, and the palette at `end` fits.
    let (mut start, mut end) = (0, sizes.len());
    while start < end
        && let Some(palettes) = &mut palettes
    {
        let middle = start.midpoint(end);
        let palette = palettes.with(sizes[middle]);
        let palette_quality = quality_of_error(palette.error).min(quality);
        let tried = attempt(Some(palette.map(&rgba, scratch)), Some(palette_quality), scratch)?;
        if tried.n_bytes <= max_bytes {
            (end, largest) = (middle, Some(tried));
        } else {
            start = middle + 1;
            if tried.n_bytes < smallest.n_bytes {
                smallest = tried;
            }
        }
    }
    scratch.give(rgba.into_data());
    let chosen = largest.unwrap_or(smallest);
    let reached = chosen.quality.unwrap_or(quality);
    Ok(quality_search::found(chosen, reached, quality, max_bytes))
}
