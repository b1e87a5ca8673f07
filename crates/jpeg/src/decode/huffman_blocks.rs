//! Decodes the blocks of a sequential scan with Huffman codes.

use std::ops::Range;
use std::sync::Arc;

use super::huffman::HuffmanTable;
use super::idct::{BATCH_BLOCKS, Batch, LANES};
use super::layout::ComponentSizes;
use super::sequential::{DecodeMcus, Place, places};
use super::step_loop::{Blocks, decode_steps};
use super::steps::StepTables;
use super::unstuffed::{Bits, UnstuffedReader};
use crate::tables::is_low_frequency;

/// The number of blocks from which on a scan is decoded with [`StepTables`]. Building the tables takes time, so
/// they save time only for larger images.
const MIN_BLOCKS: usize = 2000;

/// The tables of one component of a scan.
pub(super) struct HuffmanComponent {
    dc: Arc<HuffmanTable>,
    ac: Arc<HuffmanTable>,
    /// The last coefficient, in zigzag order, on which the samples of the reduced block depend.
    last_needed: usize,
    /// The DC prediction, which is the DC value of the previous block.
    predicted: i16,
    /// The places of the blocks of this component, MCU by MCU.
    places: Vec<Place>,
}

impl HuffmanComponent {
    pub(super) fn new(dc: Arc<HuffmanTable>, ac: Arc<HuffmanTable>, sizes: &ComponentSizes) -> Self {
        let is_needed = |&k: &usize| is_low_frequency(k, sizes.block_width, sizes.block_height);
        let last_needed = (0..64).rev().find(is_needed).unwrap_or(0);
        Self { dc, ac, last_needed, predicted: 0, places: Vec::new() }
    }

    /// Converts the DC differences of some of eight MCUs to DC values.
    fn add_predictions(&mut self, mcus: Range<usize>, batches: &mut [Batch]) {
        let n_blocks = self.places.len() / LANES;
        let mut predicted = self.predicted;
        for place in &self.places[mcus.start * n_blocks..mcus.end * n_blocks] {
            let dc = &mut batches[place.batch][0][place.column % BATCH_BLOCKS];
            predicted = predicted.wrapping_add(*dc);
            *dc = predicted;
        }
        self.predicted = predicted;
    }

    /// Decodes a block from position `k` on, as long as `data` has enough bytes. Returns the next position, which
    /// is 64 or more at the end of the block. The DC coefficient becomes the difference from its prediction.
    fn decode_block(
        &self,
        data: &[u8],
        bits: &mut Bits,
        batch: &mut Batch,
        column: usize,
        mut k: usize,
    ) -> usize {
        let mut own_bits = *bits;
        if k == 0 && own_bits.refill_for_one(data).is_some() {
            k = self.decode_dc(&mut own_bits, batch, column);
        }
        while (1..64).contains(&k) && own_bits.refill_for_one(data).is_some() {
            k = self.decode_ac(&mut own_bits, batch, column, k);
        }
        *bits = own_bits;
        k
    }

    /// Decodes the code for position `k` of a block. Returns the next position, as
    /// [`HuffmanComponent::decode_block`] does.
    fn decode_code(&self, bits: &mut Bits, batch: &mut Batch, column: usize, k: usize) -> usize {
        if k == 0 { self.decode_dc(bits, batch, column) } else { self.decode_ac(bits, batch, column, k) }
    }

    #[inline(always)]
    fn decode_dc(&self, bits: &mut Bits, batch: &mut Batch, column: usize) -> usize {
        let coded = self.dc.lookup(bits.window());
        batch[0][column % BATCH_BLOCKS] = coded.value(bits.window()) as i16;
        bits.consume(coded.total);
        1
    }

    /// In corrupt data, a run can end after the last position. It then stands for the last coefficient.
    #[inline(always)]
    fn decode_ac(&self, bits: &mut Bits, batch: &mut Batch, column: usize, k: usize) -> usize {
        let window = bits.window();
        let coded = self.ac.lookup(window);
        bits.consume(coded.total);
        if coded.ends_block() {
            return 64;
        }
        let k = k + coded.run as usize;
        batch[k.min(63)][column % BATCH_BLOCKS] = coded.value(window) as i16;
        k + 1
    }
}

/// The [`StepTables`] of a scan.
pub(super) struct ScanSteps {
    tables: Vec<Box<StepTables>>,
    /// For each component of the scan, the index of its tables.
    indices: Vec<usize>,
}

impl ScanSteps {
    /// Builds the tables of a scan with the given components. Components with the same Huffman tables share them.
    pub(super) fn new(components: &[HuffmanComponent]) -> Self {
        let (mut tables, mut indices) = (Vec::new(), Vec::new());
        for (i, component) in components.iter().enumerate() {
            let has_same = |other: &HuffmanComponent| {
                Arc::ptr_eq(&other.dc, &component.dc) && Arc::ptr_eq(&other.ac, &component.ac)
            };
            let index = components[..i].iter().position(has_same).map_or(tables.len(), |same| indices[same]);
            if index == tables.len() {
                tables.push(StepTables::new(&component.dc, &component.ac));
            }
            indices.push(index);
        }
        Self { tables, indices }
    }

    /// Returns whether a scan with components of these sizes is decoded with [`StepTables`]: if it is large, and
    /// if eight MCUs fit into a batch.
    pub(super) fn are_useful(sizes: &[ComponentSizes]) -> bool {
        let n_blocks: usize = sizes.iter().map(|sizes| sizes.blocks_wide * sizes.blocks_high).sum();
        n_blocks > MIN_BLOCKS && places(sizes).len() <= BATCH_BLOCKS
    }
}

/// The decoder of the blocks of a scan.
pub(super) struct HuffmanBlocks<'t> {
    components: Vec<HuffmanComponent>,
    places: Vec<Place>,
    /// `None` if the scan is decoded without [`StepTables`].
    blocks: Option<Box<Blocks<'t>>>,
}

impl<'t> HuffmanBlocks<'t> {
    /// Creates the decoder of a scan. `sizes` has the sizes of each component of the scan.
    pub(super) fn new(
        mut components: Vec<HuffmanComponent>,
        sizes: &[ComponentSizes],
        steps: Option<&'t ScanSteps>,
    ) -> Self {
        let places = places(sizes);
        places.iter().for_each(|place| components[place.component].places.push(*place));
        let blocks = steps.map(|steps| {
            let block = |place: &Place| {
                let tables = &*steps.tables[steps.indices[place.component]];
                (place.column, components[place.component].last_needed, tables)
            };
            Box::new(Blocks::new(places.iter().map(block)))
        });
        Self { components, places, blocks }
    }

    /// Decodes the blocks from `first` to `end`, or fewer if the data ends: then the last decoded block ends an
    /// MCU. Returns the index of the first block that was not decoded.
    fn decode_blocks(
        &self,
        reader: &mut UnstuffedReader<'_>,
        (first, end): (usize, usize),
        batches: &mut [Batch],
    ) -> usize {
        let n_blocks = self.places.len() / LANES;
        let (mut index, mut k) = (first, 0);
        let is_start_of_mcu =
            |index: usize, k: usize| k == 0 && index > first && index.is_multiple_of(n_blocks);
        while index < end && !(reader.is_near_end() && is_start_of_mcu(index, k)) {
            if let Some(blocks) = &self.blocks {
                let mut state = blocks.at(index, k);
                let coefs = batches[0].as_flattened_mut().as_chunks_mut().0;
                loop {
                    let (data, bits) = reader.parts();
                    decode_steps(blocks, end, data, bits, &mut coefs[0], &mut state);
                    if state.index == end || !reader.fill_if_nearly_empty() {
                        break;
                    }
                }
                (index, k) = (state.index, state.position.k());
                if index == end {
                    break;
                }
            }
            let Place { component, batch, column } = self.places[index];
            let (component, batch) = (&self.components[component], &mut batches[batch]);
            if self.blocks.is_none() {
                let (data, bits) = reader.parts();
                k = component.decode_block(data, bits, batch, column, k);
            }
            if k < 64 {
                k = component.decode_code(reader.refilled(), batch, column, k);
            }
            if k > 63 {
                (index, k) = (index + 1, 0);
            }
        }
        index
    }
}

impl DecodeMcus<UnstuffedReader<'_>> for HuffmanBlocks<'_> {
    fn decode_mcus(
        &mut self,
        reader: &mut UnstuffedReader<'_>,
        mcus: Range<usize>,
        batches: &mut [Batch],
    ) -> usize {
        let n_blocks = self.places.len() / LANES;
        let first = mcus.start * n_blocks;
        let end = self.decode_blocks(reader, (first, mcus.end * n_blocks), batches);
        for component in &mut self.components {
            component.add_predictions(mcus.start..end / n_blocks, batches);
        }
        (end - first) / n_blocks
    }

    fn reset(&mut self) {
        self.components.iter_mut().for_each(|component| component.predicted = 0);
    }
}
