//! Splits an image into blocks and computes the quantised coefficients of each component.

use super::colour;
use super::fdct::{Weights, round_to_i16, transform_block};
use super::trellis::{Nodes, Trellis};
use crate::simd::multiversion;
use crate::tables::natural_index;

/// One block: its coefficients in zigzag order, and a mask of its nonzero coefficients.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) coefs: [i16; 64],
    pub(super) nonzero: u64,
}

/// How the coefficients of a component are quantised.
#[derive(Debug)]
pub(super) struct Quantiser {
    weights: Weights,
    /// `None` if coefficients are only rounded.
    trellis: Option<Trellis>,
}

impl Quantiser {
    /// Creates the quantiser for a quantisation table in natural (row-major) order.
    pub(super) fn new(table: &[u8; 64], trellis: Option<Trellis>) -> Self {
        Self { weights: Weights::new(table), trellis }
    }
}

/// All blocks of a component.
#[derive(Debug)]
pub(super) struct ComponentBlocks {
    pub(super) blocks: Vec<Block>,
    /// The number of blocks in a row of the component, padded to whole MCUs.
    pub(super) blocks_per_row: usize,
    /// The number of blocks that contain a part of the image, horizontally and vertically.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// The sampling factor of the component, which is the same along both axes.
    pub(super) factor: usize,
}

impl ComponentBlocks {
    /// Reserves memory for the blocks of a component with the sampling factor `factor`. `max_factor` is the
    /// largest sampling factor of the image.
    fn new(width: usize, height: usize, factor: usize, max_factor: usize) -> Self {
        let n_mcus = |side: usize| side.div_ceil(8 * max_factor);
        let blocks_per_row = n_mcus(width) * factor;
        Self {
            blocks: Vec::with_capacity(blocks_per_row * n_mcus(height) * factor),
            blocks_per_row,
            blocks_wide: (width * factor).div_ceil(8 * max_factor),
            blocks_high: (height * factor).div_ceil(8 * max_factor),
            factor,
        }
    }
}

multiversion! {
    /// Computes the coefficients of one row of blocks and appends the blocks to `to`. `samples` begins with
    /// the first sample row of these blocks.
    fn push_row(to: &mut ComponentBlocks, samples: &[u8], stride: usize, quantiser: &Quantiser) = push_row_impl
}

#[inline(always)]
fn push_row_impl(to: &mut ComponentBlocks, samples: &[u8], stride: usize, quantiser: &Quantiser) {
    const COLUMNWISE: [u8; 64] = columnwise_indices();
    let mut nodes = Nodes::default();
    for x in 0..to.blocks_per_row {
        let values = transform_block(&samples[x * 8..], stride, &quantiser.weights);
        let values = values.as_flattened();
        let mut rounded = [0; 64];
        for (rounded, &value) in rounded.iter_mut().zip(values) {
            *rounded = round_to_i16(value);
        }
        let mut block = Block { coefs: [0; 64], nonzero: 0 };
        for (k, coef) in block.coefs.iter_mut().enumerate() {
            *coef = rounded[usize::from(COLUMNWISE[k] & 63)];
            block.nonzero |= u64::from(*coef != 0) << k;
        }
        if let Some(trellis) = &quantiser.trellis {
            trellis.optimise(&mut block, |k| values[usize::from(COLUMNWISE[k & 63] & 63)], &mut nodes);
        }
        to.blocks.push(block);
    }
}

/// For each coefficient in zigzag order, its index in a block whose coefficients are stored column by column.
const fn columnwise_indices() -> [u8; 64] {
    let mut indices = [0; 64];
    let mut k = 0;
    while k < 64 {
        indices[k] = (natural_index(k) % 8 * 8 + natural_index(k) / 8) as u8;
        k += 1;
    }
    indices
}

/// The sample rows of one row of blocks, padded to the width of whole MCUs.
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

    /// Pads row `y`, which has `n` samples, to full width by repeating its last sample. Equal samples need
    /// the fewest bits.
    fn extend(&mut self, y: usize, n: usize) {
        let row = self.row(y);
        let last = row[n - 1];
        row[n..].fill(last);
    }
}

/// The picture that is encoded.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    /// Rows without padding, with one byte per pixel (gray) or three (red, green, blue).
    pub(super) pixels: &'a [u8],
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) n_channels: usize,
    /// Whether chroma keeps its full resolution.
    pub(super) full_chroma: bool,
}

impl Picture<'_> {
    /// Computes the blocks of all components. `quantisers` are for luma and for chroma.
    pub(super) fn components(&self, quantisers: &[Quantiser; 2]) -> Vec<ComponentBlocks> {
        if self.n_channels == 1 { vec![self.gray(&quantisers[0])] } else { self.luma_chroma(quantisers) }
    }

    /// Returns a row of pixels. Rows below the picture are equal to its last row.
    fn row(&self, y: usize) -> &[u8] {
        let stride = self.width * self.n_channels;
        &self.pixels[y.min(self.height - 1) * stride..][..stride]
    }

    fn gray(&self, quantiser: &Quantiser) -> ComponentBlocks {
        let mut blocks = ComponentBlocks::new(self.width, self.height, 1, 1);
        let mut band = Band::new(blocks.blocks_per_row * 8, 8);
        for top in (0..self.height).step_by(8) {
            for y in 0..8 {
                band.row(y)[..self.width].copy_from_slice(self.row(top + y));
                band.extend(y, self.width);
            }
            push_row(&mut blocks, &band.rows, band.stride, quantiser);
        }
        blocks
    }

    fn luma_chroma(&self, quantisers: &[Quantiser; 2]) -> Vec<ComponentBlocks> {
        let factor = if self.full_chroma { 1 } else { 2 };
        let [mut luma, mut cb, mut cr] =
            [factor, 1, 1].map(|own| ComponentBlocks::new(self.width, self.height, own, factor));
        let mut y_band = Band::new(luma.blocks_per_row * 8, 8 * factor);
        let [mut cb_band, mut cr_band] = [(); 2].map(|()| Band::new(cb.blocks_per_row * 8, 8));
        for top in (0..self.height).step_by(8 * factor) {
            for y in 0..8 * factor {
                colour::luma(self.row(top + y), y_band.row(y));
                y_band.extend(y, self.width);
            }
            for y in 0..8 {
                let (to_cb, to_cr) = (cb_band.row(y), cr_band.row(y));
                if self.full_chroma {
                    colour::chroma(self.row(top + y), to_cb, to_cr);
                } else {
                    let (above, below) = (self.row(top + 2 * y), self.row(top + 2 * y + 1));
                    colour::halved_chroma(above, below, to_cb, to_cr);
                }
                cb_band.extend(y, self.width.div_ceil(factor));
                cr_band.extend(y, self.width.div_ceil(factor));
            }
            for rows in y_band.rows.chunks_exact(y_band.stride * 8) {
                push_row(&mut luma, rows, y_band.stride, &quantisers[0]);
            }
            push_row(&mut cb, &cb_band.rows, cb_band.stride, &quantisers[1]);
            push_row(&mut cr, &cr_band.rows, cr_band.stride, &quantisers[1]);
        }
        vec![luma, cb, cr]
    }
}
