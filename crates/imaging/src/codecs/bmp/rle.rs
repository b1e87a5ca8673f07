//! Decodes the run-length coding of bitmaps. The data consist of pairs of a count and a value; a count of
//! zero introduces an escape code.

use crate::truncation::permille;

/// The kind of pixels in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// A run of 4-bit pixels: the two pixels in the value byte alternate.
    Four,
    /// A run of 8-bit pixels: one pixel is repeated.
    Eight,
    /// A run of 24-bit pixels: one pixel of three bytes is repeated.
    TwentyFour,
}

impl Run {
    /// Returns the number of bytes of a decoded pixel.
    fn bytes_per_pixel(self) -> usize {
        if self == Self::TwentyFour { 3 } else { 1 }
    }

    /// Returns the number of bytes in which `n` literal pixels are stored, without padding.
    fn literal_bytes(self, n: usize) -> usize {
        match self {
            Self::Four => n.div_ceil(2),
            Self::Eight => n,
            Self::TwentyFour => n * 3,
        }
    }
}

/// Decodes to `pixels`, which has one or three bytes per pixel and no padding between rows. Pixels that the
/// data skip stay unchanged. Returns the share of the pixels that the data do not contain, in thousandths.
/// The share is 0 if the data end with the end marker or fill the last row.
pub(super) fn decode(mut data: &[u8], run: Run, pixels: &mut [u8], width: usize, top_down: bool) -> u16 {
    let n_bytes = run.bytes_per_pixel();
    let n_rows = pixels.len() / (width * n_bytes);
    let missing_after = |x: usize, y: usize| {
        let n_missing = (n_rows - y) * width - x.min(width);
        permille(n_missing as u64, (n_rows * width) as u64)
    };
    let (mut x, mut y) = (0usize, 0usize);
    while y < n_rows {
        let Some((&[count, value], rest)) = data.split_first_chunk() else {
            return missing_after(x, y);
        };
        data = rest;
        let row = if top_down { y } else { n_rows - 1 - y };
        let start = (row * width + x.min(width)) * n_bytes;
        let free = &mut pixels[start..(row + 1) * width * n_bytes];
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => return 0,
            (0, 2) => {
                let Some((&[right, up], rest)) = data.split_first_chunk() else { return missing_after(x, y) };
                data = rest;
                (x, y) = (x + usize::from(right), y + usize::from(up));
            }
            (0, n) => {
                let n = usize::from(n);
                let length = run.literal_bytes(n);
                let literal = &data[..length.min(data.len())];
                match run {
                    Run::Four => copy_nibbles(free, literal, n),
                    _ => free.iter_mut().zip(literal).for_each(|(to, &from)| *to = from),
                }
                if literal.len() < length {
                    return missing_after(x + n * literal.len() / length, y);
                }
                // Literal pixels are followed by a padding byte if they have an odd number of bytes.
                data = data.get(length.next_multiple_of(2)..).unwrap_or_default();
                x += n;
            }
            (n, value) => {
                let n = usize::from(n);
                match run {
                    Run::Four => {
                        let pair = [value >> 4, value & 15];
                        free.iter_mut().take(n).zip(pair.into_iter().cycle()).for_each(|(to, v)| *to = v);
                    }
                    Run::Eight => free.iter_mut().take(n).for_each(|to| *to = value),
                    Run::TwentyFour => {
                        let Some((&[green, red], rest)) = data.split_first_chunk() else {
                            return missing_after(x, y);
                        };
                        data = rest;
                        let free = free.as_chunks_mut::<3>().0;
                        free.iter_mut().take(n).for_each(|pixel| *pixel = [value, green, red]);
                    }
                }
                x += n;
            }
        }
    }
    0
}

/// Copies `n` literal pixels of four bits.
fn copy_nibbles(free: &mut [u8], literal: &[u8], n: usize) {
    let nibbles = literal.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    free.iter_mut().take(n).zip(nibbles).for_each(|(to, v)| *to = v);
}
