//! Decodes sequential scans (T.81 F.2): baseline and extended. The decoder does not store the coefficients of
//! the whole image: each group of eight blocks is transformed as soon as the coefficients of the group are
//! complete.

use std::sync::Arc;

use super::bits::BitReader;
use super::entropy::EntropyReader;
use super::huffman::HuffmanTable;
use super::idct::{Group, LANES, Transform, Weights, select_transform};
use super::layout::ComponentSizes;
use super::pixel_writer::PixelWriter;
use super::restart::Restarts;
use super::samples::Samples;
use crate::tables::{is_low_frequency, natural_index};

/// A decoder of the blocks of one component. `R` is the reader of the entropy-coded data.
pub(super) trait DecodeBlock<R> {
    /// Decodes a block into one lane of a group of blocks. All coefficients of the lane that the inverse
    /// transform reads must be zero before the call.
    fn decode_block(&mut self, reader: &mut R, group: &mut Group, lane: usize);

    /// Resets the predictions at the start of a restart interval.
    fn reset(&mut self);
}

/// The decoder of the blocks of one component whose coefficients have Huffman codes.
pub(super) struct HuffmanBlocks {
    dc: Arc<HuffmanTable>,
    ac: Arc<HuffmanTable>,
    /// The last coefficient, in zigzag order, on which the samples of the reduced block depend.
    last_needed: usize,
    /// The DC prediction, which is the DC value of the previous block.
    predicted: i32,
}

impl HuffmanBlocks {
    pub(super) fn new(dc: Arc<HuffmanTable>, mut ac: Arc<HuffmanTable>, sizes: &ComponentSizes) -> Self {
        let last_needed = last_needed(sizes.block_width, sizes.block_height);
        if last_needed < 63 && sizes.blocks_wide * sizes.blocks_high > 2000 {
            Arc::make_mut(&mut ac).prepare_skip();
        }
        Self { dc, ac, last_needed, predicted: 0 }
    }
}

impl DecodeBlock<BitReader<'_>> for HuffmanBlocks {
    #[inline(always)]
    fn decode_block(&mut self, bits: &mut BitReader<'_>, group: &mut Group, lane: usize) {
        let lane = lane % LANES;
        bits.refill_for_one();
        let coded = self.dc.lookup(bits.window());
        self.predicted = self.predicted.wrapping_add(coded.value(bits.window()));
        bits.consume(coded.total);
        group.0[0][lane] = self.predicted as i16;
        let mut k = 1;
        while k <= self.last_needed {
            bits.refill_for_one();
            let window = bits.window();
            let coded = self.ac.lookup(window);
            bits.consume(coded.total);
            if coded.ends_block() {
                return;
            }
            k += coded.run as usize;
            group.0[natural_index(k)][lane] = coded.value(window) as i16;
            k += 1;
        }
        while k < 64 {
            bits.refill_for_one();
            let skipped = self.ac.skip(bits.window());
            let next = k + skipped.n_passed();
            if skipped.n_passed() > 0 && next <= 64 {
                bits.consume(skipped.total());
                k = next;
                if skipped.ends_block() {
                    return;
                }
            } else {
                let coded = self.ac.lookup(bits.window());
                bits.consume(coded.total);
                if coded.ends_block() {
                    return;
                }
                k += coded.run as usize + 1;
            }
        }
    }

    #[inline(always)]
    fn reset(&mut self) {
        self.predicted = 0;
    }
}

/// Returns the last coefficient, in zigzag order, among the `block_width` × `block_height` lowest
/// frequencies.
fn last_needed(block_width: usize, block_height: usize) -> usize {
    (0..64).rev().find(|&k| is_low_frequency(k, block_width, block_height)).unwrap_or(0)
}

/// Sets to zero all coefficients of a group that the inverse transform reads.
fn clear_coefficients(group: &mut Group, sizes: &ComponentSizes) {
    for row in group.0.chunks_exact_mut(8).take(sizes.block_height) {
        row[..sizes.block_width].fill([0; LANES]);
    }
}

/// The decoder of one component of a scan.
pub(super) struct ComponentDecoder<B> {
    block_decoder: B,
    transform: Transform,
    weights: Weights,
    sizes: ComponentSizes,
    /// The blocks of eight MCUs. For each row of blocks in an MCU, there are as many groups as an MCU has
    /// blocks side by side.
    groups: Vec<Group>,
}

impl<B> ComponentDecoder<B> {
    /// Creates the decoder of one component. If a scan has a single component, an MCU is one block, even if
    /// the component has larger sampling factors (T.81 A.2.2).
    pub(super) fn new(
        block_decoder: B,
        weights: Weights,
        sizes: &ComponentSizes,
        is_only_component: bool,
    ) -> Self {
        let mut sizes = sizes.clone();
        if is_only_component {
            (sizes.horizontal, sizes.vertical) = (1, 1);
        }
        Self {
            block_decoder,
            transform: select_transform(sizes.block_width, sizes.block_height),
            weights,
            groups: vec![Group::EMPTY; sizes.horizontal * sizes.vertical],
            sizes,
        }
    }

    /// Decodes the blocks of one MCU of the current eight MCUs. `mcu` is the index of the MCU, 0–7.
    #[inline(always)]
    fn decode_mcu<R>(&mut self, reader: &mut R, mcu: usize)
    where
        B: DecodeBlock<R>,
    {
        let n_wide = self.sizes.horizontal;
        for groups in self.groups.chunks_exact_mut(n_wide) {
            for at in mcu * n_wide..(mcu + 1) * n_wide {
                self.block_decoder.decode_block(reader, &mut groups[at / LANES], at % LANES);
            }
        }
    }

    /// Transforms the blocks of eight MCUs and stores their samples. `x` is the index of the first MCU in its
    /// row, and `y` is the first sample row.
    fn transform_groups(&mut self, samples: &mut Samples, x: usize, y: usize) {
        let ComponentSizes { horizontal, block_width, block_height, .. } = self.sizes;
        for (i, group) in self.groups.iter_mut().enumerate() {
            let (column, row) = (x * horizontal + i % horizontal * LANES, i / horizontal);
            let (out, stride) = samples.at(column * block_width, y + row * block_height);
            (self.transform)(group, &self.weights, out, stride);
            clear_coefficients(group, &self.sizes);
        }
    }
}

/// Decodes a scan. `samples` has one element for each component of the scan. If `writer` is `Some`, each
/// element holds one row of MCUs, whose pixels are written before the next row is decoded. If `writer` is
/// `None`, each element holds the whole component.
pub(super) fn decode_scan<R: EntropyReader, B: DecodeBlock<R>>(
    reader: &mut R,
    restarts: &mut Restarts,
    decoders: &mut [ComponentDecoder<B>],
    (mcus_wide, mcus_high): (usize, usize),
    samples: &mut [Samples],
    mut writer: Option<&mut PixelWriter<'_>>,
) {
    for y in 0..mcus_high {
        if writer.is_none() && restarts.is_over() {
            return;
        }
        for x in (0..mcus_wide).step_by(LANES) {
            for mcu in 0..LANES.min(mcus_wide - x) {
                let index = y * mcus_wide + x + mcu;
                restarts.before_mcu(reader, index, || {
                    decoders.iter_mut().for_each(|decoder| decoder.block_decoder.reset());
                });
                if !restarts.is_lost() {
                    decoders.iter_mut().for_each(|decoder| decoder.decode_mcu(reader, mcu));
                    restarts.after_mcu(reader, index);
                }
            }
            for (decoder, samples) in decoders.iter_mut().zip(&mut *samples) {
                let row = if writer.is_some() {
                    0
                } else {
                    y * decoder.sizes.vertical * decoder.sizes.block_height
                };
                decoder.transform_groups(samples, x, row);
            }
        }
        if let Some(writer) = &mut writer {
            writer.write_rows(samples);
            samples.iter_mut().for_each(Samples::advance);
        }
    }
}
