//! Stores the coefficients of progressive scans, and selects which coefficients are needed and therefore
//! stored.

use super::idct::{Batch, LANES};
use super::layout::{ComponentSizes, Layout};
use super::markers::Scan;
use crate::tables::is_low_frequency;

/// The stored coefficients of one component, collected from all scans that were decoded.
#[derive(Debug)]
pub(super) struct Coefficients {
    /// The stored coefficients, block by block.
    pub(super) coefs: Vec<i16>,
    /// For each block, a mask of its nonzero coefficients in zigzag order.
    pub(super) nonzero: Vec<u64>,
    pub(super) blocks_per_row: usize,
    /// A mask, in zigzag order, of the coefficients that are stored. The mask is the same for all blocks.
    pub(super) kept: u64,
    /// For each coefficient in zigzag order, its index among the stored coefficients of a block.
    pub(super) slots: [u8; 64],
    /// For each stored coefficient, its zigzag index in the block.
    pub(super) zigzag_indices: Vec<u8>,
}

impl Coefficients {
    pub(super) fn new(sizes: &ComponentSizes, layout: &Layout) -> Self {
        let (mut kept, mut slots, mut zigzag_indices) = (0, [0; 64], Vec::new());
        for (k, slot) in slots.iter_mut().enumerate() {
            if is_low_frequency(k, sizes.block_width, sizes.block_height) {
                kept |= 1 << k;
                *slot = zigzag_indices.len() as u8;
                zigzag_indices.push(k as u8);
            }
        }
        let (blocks_per_row, n_blocks) = n_blocks(sizes, layout);
        Self {
            coefs: vec![0; n_blocks * zigzag_indices.len()],
            nonzero: vec![0; n_blocks],
            blocks_per_row,
            kept,
            slots,
            zigzag_indices,
        }
    }

    /// Returns the number of bytes that [`Coefficients::new`] allocates for the same arguments.
    pub(super) fn n_bytes(sizes: &ComponentSizes, layout: &Layout) -> usize {
        let n_kept = (0..64).filter(|&k| is_low_frequency(k, sizes.block_width, sizes.block_height)).count();
        n_blocks(sizes, layout).1 * (n_kept * size_of::<i16>() + size_of::<u64>())
    }

    /// Returns the DC coefficient of a block.
    #[inline]
    pub(super) fn dc(&mut self, block: usize) -> &mut i16 {
        &mut self.coefs[block * self.zigzag_indices.len()]
    }

    /// Copies the coefficients of `n` blocks (at most eight) into the first group of an empty [`Batch`].
    #[inline]
    pub(super) fn load_group(&self, first: usize, n: usize, batch: &mut Batch) {
        let blocks = &self.coefs[first * self.zigzag_indices.len()..(first + n) * self.zigzag_indices.len()];
        for (lane, block) in blocks.chunks_exact(self.zigzag_indices.len()).enumerate() {
            for (&index, &coef) in self.zigzag_indices.iter().zip(block) {
                batch[usize::from(index) % 64][lane % LANES] = coef;
            }
        }
    }
}

/// Returns the number of blocks of a component in a row and in the whole image, with the blocks that fill up
/// incomplete MCUs.
fn n_blocks(sizes: &ComponentSizes, layout: &Layout) -> (usize, usize) {
    let per_row = layout.mcus_wide * sizes.horizontal;
    (per_row, per_row * layout.mcus_high * sizes.vertical)
}

/// Returns whether the reduced blocks of the component need any coefficient that the scan contains.
pub(super) fn keeps_any_of(sizes: &ComponentSizes, scan: &Scan) -> bool {
    (scan.first..=scan.last).any(|k| is_low_frequency(k, sizes.block_width, sizes.block_height))
}
