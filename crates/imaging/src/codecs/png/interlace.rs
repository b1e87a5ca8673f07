//! Reads the rows of a PNG through the `png` crate. This module is used for pictures that `rows.rs` cannot
//! decode, for example interlaced pictures.

use ::png::{DecodingError, InterlaceInfo, expand_interlaced_row};

use super::Reader;
use crate::codecs::canvas::Area;

/// Decodes all rows. Data after the last row are ignored, because some encoders end their files incorrectly.
pub(super) fn read_rows(reader: &mut Reader<'_>, data: &mut [u8]) -> Result<(), DecodingError> {
    let (width, height) = reader.info().size();
    let stride = data.len() / height as usize;
    if !reader.info().interlaced {
        return data.chunks_exact_mut(stride).try_for_each(|row| reader.read_row(row).map(drop));
    }
    let pixel_bits = (stride / width as usize * 8) as u8;
    let mut row = vec![0; stride];
    for _ in 0..n_interlaced_rows(width, height) {
        if let Some(InterlaceInfo::Adam7(place)) = reader.read_row(&mut row)? {
            expand_interlaced_row(data, stride, &row, &place, pixel_bits);
        }
    }
    Ok(())
}

/// Returns the total number of rows in all seven passes of Adam7. A pass without columns has no rows.
fn n_interlaced_rows(width: u32, height: u32) -> u32 {
    /// For each pass of Adam7: the first column, the first row, and the distance between two rows (ISO/IEC
    /// 15948, 8.2).
    const PASSES: [(u32, u32, u32); 7] =
        [(0, 0, 8), (4, 0, 8), (0, 4, 8), (2, 0, 4), (0, 2, 4), (1, 0, 2), (0, 1, 2)];
    let rows = |(x, y, distance): (u32, u32, u32)| {
        if x < width { height.saturating_sub(y).div_ceil(distance) } else { 0 }
    };
    PASSES.into_iter().map(rows).sum()
}

/// Removes the gaps between the rows of an interlaced frame: the `png` crate stores the rows of such a frame
/// with the stride of the canvas.
pub(super) fn remove_row_gaps(data: &mut [u8], canvas_width: usize, area: Area, n_bytes: usize) {
    let (from, to) = (canvas_width * n_bytes, area.width * n_bytes);
    for row in 1..area.height {
        data.copy_within(row * from..row * from + to, row * to);
    }
}
