//! Decodes the pixels of a DIB (device-independent bitmap). A pixel is an index into the colour table, or a
//! colour whose channels are selected by masks. Rows are stored bottom-up unless the header states otherwise.

use super::dib::{Coding, Dib};
use super::{corrupt, rle};
use crate::color::{Layout, Raster};
use crate::truncation::permille;
use crate::{Error, Scratch};

/// The pixels of a decoded bitmap.
pub(in crate::codecs) struct Pixels {
    pub(in crate::codecs) raster: Raster,
    /// Whether the alpha values of the pixels come from the file. `false` if the pixels are opaque because
    /// the bitmap has no alpha channel or because all its alpha values are 0.
    pub(in crate::codecs) has_alpha: bool,
    /// The share of the pixels that the data of the file do not contain, in thousandths.
    pub(in crate::codecs) missing_permille: u16,
}

/// Decodes `data`, which begins with the first pixel and may be truncated. If pixels are indices, missing
/// pixels get the first colour of the colour table; if not, missing pixels are black. Returns an error if the
/// data end before the end of the first row.
pub(in crate::codecs) fn decode(
    dib: &Dib,
    data: &[u8],
    gray_allowed: bool,
    scratch: &mut Scratch,
) -> Result<Pixels, Error> {
    let (width, height) = (dib.width as usize, dib.height as usize);
    let stride = (width * usize::from(dib.bits)).div_ceil(32) * 4;
    let is_uncompressed = dib.coding == Coding::Uncompressed;
    // The data must contain at least one row without its padding. The padding is not required, because some
    // encoders leave out the padding of the last row.
    if (is_uncompressed && data.len() < (width * usize::from(dib.bits)).div_ceil(8)) || data.is_empty() {
        return Err(corrupt("there are no pixels: the file ends before the end of the first row"));
    }
    if dib.bits <= 8 {
        let mut indices = scratch.take_zeroed(width * height);
        let missing_permille = if is_uncompressed {
            let rows = indices.chunks_exact_mut(width);
            each_row(rows, dib.top_down, data, stride, |row, stored| unpack(row, stored, dib.bits))
        } else {
            let bits = if dib.coding == Coding::Rle4 { rle::Run::Four } else { rle::Run::Eight };
            rle::decode(data, bits, &mut indices, width, dib.top_down)
        };
        let (layout, pixels) = through_table(&indices, &dib.colors, gray_allowed, scratch);
        scratch.give(indices);
        return Ok(Pixels { raster: raster(dib, layout, pixels), has_alpha: false, missing_permille });
    }
    let layout = if dib.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let n_channels = layout.count();
    let mut pixels = scratch.take_zeroed(width * height * n_channels);
    let rows = pixels.chunks_exact_mut(width * n_channels);
    let missing_permille = match (dib.coding, dib.bits) {
        (Coding::Rle24, _) => {
            let missing = rle::decode(data, rle::Run::TwentyFour, &mut pixels, width, dib.top_down);
            pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
            missing
        }
        (_, 24) => each_row(rows, dib.top_down, data, stride, |row, stored| {
            for (pixel, &[b, g, r]) in row.as_chunks_mut::<3>().0.iter_mut().zip(stored.as_chunks::<3>().0) {
                *pixel = [r, g, b];
            }
        }),
        (_, bits) => {
            let masks = dib.masks.map(Mask::new);
            each_row(rows, dib.top_down, data, stride, |row, stored| {
                let row = row.chunks_exact_mut(n_channels);
                if bits == 16 {
                    let values = stored.as_chunks::<2>().0.iter().map(|&v| u32::from(u16::from_le_bytes(v)));
                    row.zip(values).for_each(|(pixel, value)| split(pixel, value, &masks));
                } else {
                    let values = stored.as_chunks::<4>().0.iter().map(|&v| u32::from_le_bytes(v));
                    row.zip(values).for_each(|(pixel, value)| split(pixel, value, &masks));
                }
            })
        }
    };
    let has_alpha = layout == Layout::Rgba && !make_opaque_if_transparent(&mut pixels);
    Ok(Pixels { raster: raster(dib, layout, pixels), has_alpha, missing_permille })
}

fn raster(dib: &Dib, layout: Layout, data: Vec<u8>) -> Raster {
    Raster { width: dib.width, height: dib.height, layout, data }
}

/// Calls `fill` for every row of the picture. The arguments are the row to fill and the bytes of the row in
/// the file. Returns the share of the rows that the data do not contain, in thousandths.
pub(in crate::codecs) fn each_row<'a>(
    rows: impl DoubleEndedIterator<Item = &'a mut [u8]> + ExactSizeIterator,
    top_down: bool,
    data: &[u8],
    stride: usize,
    mut fill: impl FnMut(&mut [u8], &[u8]),
) -> u16 {
    let n_rows = rows.len();
    // The padding of the last row may be missing, because some encoders leave it out.
    let n_bytes = stride * n_rows;
    let n_missing = if data.len() + 3 >= n_bytes { 0 } else { n_bytes - data.len() };
    let stored = data.chunks(stride);
    if top_down {
        rows.zip(stored).for_each(|(row, stored)| fill(row, stored));
    } else {
        rows.rev().zip(stored).for_each(|(row, stored)| fill(row, stored));
    }
    permille(n_missing as u64, n_bytes as u64)
}

/// Unpacks indices of `bits` bits. The first index is in the highest bits.
pub(in crate::codecs) fn unpack(row: &mut [u8], stored: &[u8], bits: u16) {
    if bits == 8 {
        row.iter_mut().zip(stored).for_each(|(index, &byte)| *index = byte);
        return;
    }
    let (per_byte, mask) = (usize::from(8 / bits), (1u8 << bits) - 1);
    for (group, &byte) in row.chunks_mut(per_byte).zip(stored) {
        for (i, index) in group.iter_mut().enumerate() {
            *index = byte >> (8 - usize::from(bits) * (i + 1)) & mask;
        }
    }
}

/// Looks up every index in the colour table. An index outside of the table is black. If all colours of the
/// table are gray, the result can be a gray picture.
fn through_table(
    indices: &[u8],
    colors: &[[u8; 3]],
    gray_allowed: bool,
    scratch: &mut Scratch,
) -> (Layout, Vec<u8>) {
    let mut table = [[0u8; 3]; 256];
    table.iter_mut().zip(colors).for_each(|(entry, &color)| *entry = color);
    if gray_allowed && table.iter().all(|[r, g, b]| r == g && g == b) {
        let mut gray = scratch.take(indices.len());
        gray.iter_mut().zip(indices).for_each(|(v, &index)| *v = table[usize::from(index)][0]);
        return (Layout::Gray, gray);
    }
    let mut pixels = scratch.take(indices.len() * 3);
    let rgb = pixels.as_chunks_mut::<3>().0;
    rgb.iter_mut().zip(indices).for_each(|(pixel, &index)| *pixel = table[usize::from(index)]);
    (Layout::Rgb, pixels)
}

/// One channel of a pixel: the mask that selects the bits of the channel, and the conversion of these bits
/// to an 8-bit value.
struct Mask {
    bits: u32,
    shift: u32,
    /// Number of low bits that are dropped if the channel has more than eight bits.
    excess: u32,
    /// A table that contains the 8-bit value for each possible value of the channel.
    table: [u8; 256],
}

impl Mask {
    fn new(bits: u32) -> Self {
        let shift = bits.trailing_zeros().min(31);
        let width = 32 - (bits >> shift).leading_zeros();
        let max = (1u32 << width.min(8)) - 1;
        let mut table = [0; 256];
        for (value, entry) in (0..=max).zip(&mut table) {
            *entry = ((value * 255 + max / 2).checked_div(max).unwrap_or(0)) as u8;
        }
        Self { bits, shift, excess: width.saturating_sub(8), table }
    }

    /// Returns the 8-bit value of this channel in a pixel.
    fn value(&self, pixel: u32) -> u8 {
        self.table[((pixel & self.bits) >> self.shift >> self.excess) as usize & 255]
    }
}

/// Extracts the channels of a pixel from the integer that represents the pixel.
fn split(pixel: &mut [u8], value: u32, masks: &[Mask; 4]) {
    pixel.iter_mut().zip(masks).for_each(|(channel, mask)| *channel = mask.value(value));
}

/// Makes the picture opaque if every pixel is transparent: many encoders of 32-bit pixels leave the alpha
/// byte at zero. Returns whether the picture was changed.
fn make_opaque_if_transparent(pixels: &mut [u8]) -> bool {
    let pixels = pixels.as_chunks_mut::<4>().0;
    let is_transparent = pixels.iter().all(|pixel| pixel[3] == 0);
    if is_transparent {
        pixels.iter_mut().for_each(|pixel| pixel[3] = 255);
    }
    is_transparent
}
