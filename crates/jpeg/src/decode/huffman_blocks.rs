//! Decodes the blocks of a sequential scan with Huffman codes.

use std::hint::select_unpredictable;
use std::ops::Range;
use std::sync::Arc;

use super::bits::BitReader;
use super::huffman::HuffmanTable;
use super::idct::{GROUP_ROWS, Group, LANES};
use super::layout::ComponentSizes;
use super::sequential::{DecodeMcus, Place, places};
use super::steps::{self, Step};
use crate::tables::{is_low_frequency, natural_index};

/// The number of blocks from which on a scan is decoded with [`Step`] tables. Building the tables takes time,
/// so they save time only for larger images.
const MIN_BLOCKS: usize = 2000;

/// For each position in a block, the offset of its coefficient in a group of blocks. In corrupt data, a run
/// can end after the last position. It then stands for the last coefficient, as in [`natural_index`]. All
/// higher positions are those of values that do not exist.
const OFFSETS: [u16; 256] = {
    let mut offsets = [(LANES * (GROUP_ROWS - 1)) as u16; 256];
    let mut k = 0;
    while k < 80 {
        offsets[k] = (LANES * natural_index(k)) as u16;
        k += 1;
    }
    offsets
};

/// The tables of one component of a scan.
pub(super) struct HuffmanComponent {
    dc: Arc<HuffmanTable>,
    ac: Arc<HuffmanTable>,
    /// The last coefficient, in zigzag order, on which the samples of the reduced block depend.
    last_needed: usize,
    /// The DC prediction, which is the DC value of the previous block.
    predicted: i16,
}

/// One block of eight MCUs, and the tables of its component.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The index of the DC coefficient in the coefficients of all groups.
    at: u32,
    /// The index of the first of the three tables of [`steps::push_tables`].
    tables: u32,
    /// The same index for the next block.
    next_tables: u32,
    last_needed: u32,
}

/// The decoder of the blocks of a scan.
pub(super) struct HuffmanBlocks {
    components: Vec<HuffmanComponent>,
    places: Vec<Place>,
    /// The blocks of eight MCUs. Empty if the scan is decoded without [`Step`] tables.
    blocks: Vec<Block>,
    steps: Vec<Step>,
}

impl HuffmanComponent {
    pub(super) fn new(dc: Arc<HuffmanTable>, ac: Arc<HuffmanTable>, sizes: &ComponentSizes) -> Self {
        let is_needed = |&k: &usize| is_low_frequency(k, sizes.block_width, sizes.block_height);
        let last_needed = (0..64).rev().find(is_needed).unwrap_or(0);
        Self { dc, ac, last_needed, predicted: 0 }
    }

    /// Decodes the rest of a block from position `k` on. The DC coefficient becomes the difference from its
    /// prediction.
    fn decode_rest(&self, bits: &mut BitReader<'_>, group: &mut Group, lane: usize, mut k: usize) {
        let lane = lane % LANES;
        if k == 0 {
            bits.refill_for_one();
            let coded = self.dc.lookup(bits.window());
            group[0][lane] = coded.value(bits.window()) as i16;
            bits.consume(coded.total);
            k = 1;
        }
        while k < 64 {
            bits.refill_for_one();
            let window = bits.window();
            let coded = self.ac.lookup(window);
            bits.consume(coded.total);
            if coded.ends_block() {
                return;
            }
            k += coded.run as usize;
            group[natural_index(k)][lane] = coded.value(window) as i16;
            k += 1;
        }
    }
}

impl HuffmanBlocks {
    /// Creates the decoder of a scan. `sizes` has the sizes of each component of the scan.
    pub(super) fn new(components: Vec<HuffmanComponent>, sizes: &[ComponentSizes]) -> Self {
        let places = places(sizes);
        let n_blocks: usize = sizes.iter().map(|sizes| sizes.blocks_wide * sizes.blocks_high).sum();
        let (mut blocks, mut steps) = (Vec::new(), Vec::new());
        if n_blocks > MIN_BLOCKS {
            let mut tables: Vec<usize> = Vec::new();
            for (i, component) in components.iter().enumerate() {
                let has_same = |other: &HuffmanComponent| {
                    Arc::ptr_eq(&other.dc, &component.dc) && Arc::ptr_eq(&other.ac, &component.ac)
                };
                let same = components[..i].iter().position(has_same);
                tables.push(same.map_or(steps.len(), |same| tables[same]));
                if same.is_none() {
                    steps::push_tables(&component.dc, &component.ac, &mut steps);
                }
            }
            blocks = places
                .iter()
                .zip(places.iter().cycle().skip(1))
                .map(|(place, next)| Block {
                    at: (place.group * GROUP_ROWS * LANES + place.lane) as u32,
                    tables: tables[place.component] as u32,
                    next_tables: tables[next.component] as u32,
                    last_needed: components[place.component].last_needed as u32,
                })
                .collect();
        }
        Self { components, places, blocks, steps }
    }
}

/// A position in the blocks of a scan: the index of the block, and the position in this block.
struct Position {
    index: usize,
    k: u32,
}

/// Decodes `blocks` from the start of the block at `position`, up to the last one or to a code that needs the
/// slow method.
///
/// The loop has no branch that depends on the data, except rare ones: the processor would guess the end of
/// each block wrongly.
#[inline(never)]
fn decode_steps(
    steps: &[Step],
    blocks: &[Block],
    bits: &mut BitReader<'_>,
    coefs: &mut [i16],
    position: &mut Position,
) {
    let (mut reader, mut index, mut k) = (*bits, position.index, 0);
    let mut table = blocks.get(index).map_or(0, |block| block.tables);
    while let Some(block) = blocks.get(index) {
        reader.refill();
        if reader.is_padded() {
            break;
        }
        let window = reader.window();
        let step = steps[table as usize + (window >> (64 - steps::BITS)) as usize];
        if k + step.n_before_last() > 63 {
            break;
        }
        let place = |k: u32| (block.at + u32::from(OFFSETS[usize::from(k as u8)])) as usize;
        coefs[place(k + step.first_place())] = step.first_value();
        let after = k + step.advance();
        coefs[place(after - 1)] = step.last_value(window);
        reader.consume(step.total());
        let ends_block = after > 63;
        let ac = block.tables + ((1 + u32::from(after > block.last_needed)) << steps::BITS);
        table = select_unpredictable(ends_block, block.next_tables, ac);
        k = select_unpredictable(ends_block, 0, after);
        index += usize::from(ends_block);
    }
    *bits = reader;
    *position = Position { index, k };
}

impl DecodeMcus<BitReader<'_>> for HuffmanBlocks {
    fn decode_mcus(&mut self, bits: &mut BitReader<'_>, mcus: Range<usize>, groups: &mut [Group]) -> usize {
        let n_blocks = self.places.len() / LANES;
        let (first, end) = (mcus.start * n_blocks, mcus.end * n_blocks);
        let mut index = first;
        while index < end && !(bits.is_padded() && index > first && index.is_multiple_of(n_blocks)) {
            let mut position = Position { index, k: 0 };
            let blocks = self.blocks.get(..end).unwrap_or_default();
            let coefs = groups.as_flattened_mut().as_flattened_mut();
            decode_steps(&self.steps, blocks, bits, coefs, &mut position);
            index = position.index;
            if index < end {
                let Place { component, group, lane } = self.places[index];
                self.components[component].decode_rest(bits, &mut groups[group], lane, position.k as usize);
                index += 1;
            }
        }
        for place in &self.places[first..index] {
            let (component, dc) = (&mut self.components[place.component], &mut groups[place.group][0]);
            component.predicted = component.predicted.wrapping_add(dc[place.lane % LANES]);
            dc[place.lane % LANES] = component.predicted;
        }
        (index - first) / n_blocks
    }

    fn reset(&mut self) {
        self.components.iter_mut().for_each(|component| component.predicted = 0);
    }
}
