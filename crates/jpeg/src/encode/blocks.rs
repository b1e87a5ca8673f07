//! The quantised blocks of a picture, component by component.

use super::colour;
use super::fdct::{Weights, transform};
use crate::tables::place;
use crate::vectors::widest;

/// One block: its coefficients in the order of the file, and a bit for each that is not zero.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) coefs: [i16; 64],
    pub(super) nonzero: u64,
}

/// All blocks of a component.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
    /// Blocks of a row, whole MCUs.
    pub(super) per_row: usize,
    /// Blocks that hold something of the picture.
    pub(super) wide: usize,
    pub(super) high: usize,
    /// Along both axes.
    pub(super) factor: usize,
}

impl Blocks {
    /// `factor` of `most` blocks of an MCU along each axis are this component's.
    fn new(width: usize, height: usize, factor: usize, most: usize) -> Self {
        let n_mcus = |side: usize| side.div_ceil(8 * most);
        let per_row = n_mcus(width) * factor;
        Self {
            blocks: Vec::with_capacity(per_row * n_mcus(height) * factor),
            per_row,
            wide: (width * factor).div_ceil(8 * most),
            high: (height * factor).div_ceil(8 * most),
            factor,
        }
    }
}

widest! {
    /// Adds the row of blocks that begins with the first row of `samples`.
    fn push_row(to: &mut Blocks, samples: &[u8], stride: usize, weights: &Weights) = push_row_lanes
}

#[inline(always)]
fn push_row_lanes(to: &mut Blocks, samples: &[u8], stride: usize, weights: &Weights) {
    const BY_COLUMNS: [u8; 64] = by_columns();
    for x in 0..to.per_row {
        let columns = transform(&samples[x * 8..], stride, weights);
        let columns = columns.as_flattened();
        let mut block = Block { coefs: [0; 64], nonzero: 0 };
        for (k, coef) in block.coefs.iter_mut().enumerate() {
            *coef = columns[usize::from(BY_COLUMNS[k] & 63)];
            block.nonzero |= u64::from(*coef != 0) << k;
        }
        to.blocks.push(block);
    }
}

/// Where the coefficient `k` lies in columns of eight.
const fn by_columns() -> [u8; 64] {
    let mut places = [0; 64];
    let mut k = 0;
    while k < 64 {
        places[k] = (place(k) % 8 * 8 + place(k) / 8) as u8;
        k += 1;
    }
    places
}

/// Rows of samples, as wide as whole MCUs.
struct Band {
    rows: Vec<u8>,
    stride: usize,
}

impl Band {
    fn new(stride: usize, n_rows: usize) -> Self {
        Self { rows: vec![0; stride * n_rows], stride }
    }

    fn row(&mut self, y: usize) -> &mut [u8] {
        &mut self.rows[y * self.stride..(y + 1) * self.stride]
    }

    /// Continues a row, of which `n` samples are there, with its last one: that costs the fewest bits.
    fn extend(&mut self, y: usize, n: usize) {
        let row = self.row(y);
        let last = row[n - 1];
        row[n..].fill(last);
    }
}

/// The only component of a gray picture.
pub(super) fn gray(pixels: &[u8], width: usize, height: usize, table: &[u8; 64]) -> Blocks {
    let mut blocks = Blocks::new(width, height, 1, 1);
    let weights = Weights::new(table);
    let mut band = Band::new(blocks.per_row * 8, 8);
    for top in (0..height).step_by(8) {
        for y in 0..8 {
            let at = (top + y).min(height - 1) * width;
            band.row(y)[..width].copy_from_slice(&pixels[at..at + width]);
            band.extend(y, width);
        }
        push_row(&mut blocks, &band.rows, band.stride, &weights);
    }
    blocks
}

/// The three components of a picture in colour.
pub(super) fn luma_chroma(
    pixels: &[u8],
    width: usize,
    height: usize,
    full_chroma: bool,
    tables: &[[u8; 64]; 2],
) -> Vec<Blocks> {
    let factor = if full_chroma { 1 } else { 2 };
    let weights = tables.each_ref().map(Weights::new);
    let [mut luma, mut cb, mut cr] = [factor, 1, 1].map(|own| Blocks::new(width, height, own, factor));
    let mut y_band = Band::new(luma.per_row * 8, 8 * factor);
    let [mut cb_band, mut cr_band] = [(); 2].map(|()| Band::new(cb.per_row * 8, 8));
    let row = |y: usize| &pixels[y.min(height - 1) * width * 3..][..width * 3];
    for top in (0..height).step_by(8 * factor) {
        for y in 0..8 * factor {
            colour::luma(row(top + y), y_band.row(y));
            y_band.extend(y, width);
        }
        for y in 0..8 {
            let (to_cb, to_cr) = (cb_band.row(y), cr_band.row(y));
            if full_chroma {
                colour::chroma(row(top + y), to_cb, to_cr);
            } else {
                let (above, below) = (row(top + 2 * y), row(top + 2 * y + 1));
                colour::halved_chroma(above, below, to_cb, to_cr);
            }
            cb_band.extend(y, width.div_ceil(factor));
            cr_band.extend(y, width.div_ceil(factor));
        }
        for rows in y_band.rows.chunks_exact(y_band.stride * 8) {
            push_row(&mut luma, rows, y_band.stride, &weights[0]);
        }
        push_row(&mut cb, &cb_band.rows, cb_band.stride, &weights[1]);
        push_row(&mut cr, &cr_band.rows, cr_band.stride, &weights[1]);
    }
    vec![luma, cb, cr]
}
