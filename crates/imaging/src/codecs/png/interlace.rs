//! Reads the rows of a PNG through the `png` crate. This module is used for pictures that `rows.rs` cannot
//! decode, for example interlaced pictures.

use std::io::ErrorKind;

use ::png::{DecodingError, InterlaceInfo, expand_interlaced_row};

use super::Reader;
use crate::codecs::canvas::Area;

/// Decodes all rows. Data after the last row are ignored, because some encoders end their files incorrectly.
/// If the file is cut off, the pixels beyond the end of the file stay unchanged in `data`. Returns the number
/// of these pixels. Returns an error if no row can be decoded.
pub(super) fn read_rows(reader: &mut Reader<'_>, data: &mut [u8]) -> Result<u64, DecodingError> {
    let (width, height) = reader.info().size();
    let stride = data.len() / height as usize;
    let n_pixels = u64::from(width) * u64::from(height);
    let mut n_left = n_pixels;
    let is_cut_off = |error: &DecodingError, n_left: u64| {
        let ends = matches!(error, DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof);
        ends && n_left < n_pixels
    };
    if !reader.info().interlaced {
        for row in data.chunks_exact_mut(stride) {
            match reader.read_row(row) {
                Ok(_) => n_left -= u64::from(width),
                Err(error) if is_cut_off(&error, n_left) => return Ok(n_left),
                Err(error) => return Err(error),
            }
        }
        return Ok(0);
    }
    let pixel_bits = (stride / width as usize * 8) as u8;
    let mut row = vec![0; stride];
    for n_row_pixels in interlaced_rows(width, height) {
        match reader.read_row(&mut row) {
            Ok(Some(InterlaceInfo::Adam7(place))) => {
                expand_interlaced_row(data, stride, &row, &place, pixel_bits);
                n_left -= n_row_pixels;
            }
            Ok(_) => {}
            Err(error) if is_cut_off(&error, n_left) => return Ok(n_left),
            Err(error) => return Err(error),
        }
    }
    Ok(0)
}

/// Yields the number of pixels of every row in all seven passes of Adam7. A pass without columns has no rows.
fn interlaced_rows(width: u32, height: u32) -> impl Iterator<Item = u64> {
    /// For each pass of Adam7: the first column, the first row, and the distances between two columns and
    /// between two rows (ISO/IEC 15948, 8.2).
    const PASSES: [(u32, u32, u32, u32); 7] =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    PASSES.into_iter().flat_map(move |(x, y, across, down)| {
        let n_columns = width.saturating_sub(x).div_ceil(across);
        let n_rows = if n_columns == 0 { 0 } else { height.saturating_sub(y).div_ceil(down) };
        std::iter::repeat_n(u64::from(n_columns), n_rows as usize)
    })
}

/// Removes the gaps between the rows of an interlaced frame: the `png` crate stores the rows of such a frame
/// with the stride of the canvas.
pub(super) fn remove_row_gaps(data: &mut [u8], canvas_width: usize, area: Area, n_bytes: usize) {
    let (from, to) = (canvas_width * n_bytes, area.width * n_bytes);
    for row in 1..area.height {
        data.copy_within(row * from..row * from + to, row * to);
    }
}
