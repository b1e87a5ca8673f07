//! Decodes sequential scans (T.81 F.2): baseline and extended. The decoder does not store the coefficients of
//! the whole image: each group of eight blocks is transformed as soon as the coefficients of the group are
//! complete.

use std::ops::Range;

use super::entropy::EntropyReader;
use super::idct::{BATCH_BLOCKS, Batch, EMPTY_BATCH, LANES, Transform, Weights, select_transform};
use super::layout::ComponentSizes;
use super::pixel_writer::PixelWriter;
use super::restart::Restarts;
use super::samples::Samples;
use crate::tables::is_low_frequency;

/// The number of groups in a [`Batch`].
const BATCH_GROUPS: usize = BATCH_BLOCKS / LANES;

/// A decoder of the blocks of a scan. `R` is the reader of the entropy-coded data.
pub(super) trait DecodeMcus<R> {
    /// Decodes some of eight MCUs into `batches`, with the order of [`places`]. Returns how many MCUs were
    /// decoded: at least one, and at most all of `mcus`. If the data ends too early, the last one of them is
    /// the first MCU that is not complete.
    ///
    /// All coefficients that the inverse transform reads must be zero before the call.
    fn decode_mcus(&mut self, reader: &mut R, mcus: Range<usize>, batches: &mut [Batch]) -> usize;

    /// Resets the predictions at the start of a restart interval.
    fn reset(&mut self);
}

/// The place of a block of eight MCUs: its component, its batch and its column in the batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) component: usize,
    pub(super) batch: usize,
    pub(super) column: usize,
}

/// Returns the places of the blocks of eight MCUs, in the order of the file. The groups of a component follow
/// those of the previous component. For each row of blocks in an MCU, there are as many groups as an MCU has
/// blocks side by side.
pub(super) fn places(sizes: &[ComponentSizes]) -> Vec<Place> {
    let mut places = Vec::new();
    for mcu in 0..LANES {
        let mut first_group = 0;
        for (component, sizes) in sizes.iter().enumerate() {
            let n_wide = sizes.horizontal;
            for row in 0..sizes.vertical {
                let place = |column: usize| {
                    let at = mcu * n_wide + column;
                    let block = (first_group + row * n_wide) * LANES + at;
                    Place { component, batch: block / BATCH_BLOCKS, column: block % BATCH_BLOCKS }
                };
                places.extend((0..n_wide).map(place));
            }
            first_group += n_wide * sizes.vertical;
        }
    }
    places
}

/// Makes the samples of one component of a scan.
pub(super) struct ComponentTransform {
    transform: Transform,
    weights: Weights,
    sizes: ComponentSizes,
    /// The coefficients that the transform reads, in zigzag order.
    needed: Vec<usize>,
}

impl ComponentTransform {
    pub(super) fn new(weights: Weights, sizes: &ComponentSizes) -> Self {
        let transform = select_transform(sizes.block_width, sizes.block_height);
        let is_needed = |&k: &usize| is_low_frequency(k, sizes.block_width, sizes.block_height);
        Self { transform, weights, sizes: sizes.clone(), needed: (0..64).filter(is_needed).collect() }
    }

    fn n_groups(&self) -> usize {
        self.sizes.horizontal * self.sizes.vertical
    }

    /// Transforms the blocks of eight MCUs, stores their samples, and sets the coefficients that the transform
    /// reads to zero. `first_group` is the number of the first group of this component, `x` is the index of the
    /// first MCU in its row, and `y` is the first sample row.
    fn transform_groups(
        &self,
        batches: &mut [Batch],
        first_group: usize,
        samples: &mut Samples,
        x: usize,
        y: usize,
    ) {
        let ComponentSizes { horizontal, block_width, block_height, .. } = self.sizes;
        for i in 0..self.n_groups() {
            let (batch, group) = ((first_group + i) / BATCH_GROUPS, (first_group + i) % BATCH_GROUPS);
            let batch = &mut batches[batch];
            let (column, row) = (x * horizontal + i % horizontal * LANES, i / horizontal);
            let (out, stride) = samples.at(column * block_width, y + row * block_height);
            (self.transform)(batch, group, &self.weights, out, stride);
            for &k in &self.needed {
                batch[k].as_chunks_mut::<LANES>().0[group] = [0; LANES];
            }
        }
    }
}

/// Decodes a scan. `samples` has one element for each component of the scan. If `writer` is `Some`, each
/// element holds one row of MCUs, whose pixels are written before the next row is decoded. If `writer` is
/// `None`, each element holds the whole component.
pub(super) fn decode_scan<R: EntropyReader>(
    reader: &mut R,
    restarts: &mut Restarts,
    decoder: &mut impl DecodeMcus<R>,
    transforms: &[ComponentTransform],
    (mcus_wide, mcus_high): (usize, usize),
    samples: &mut [Samples],
    mut writer: Option<&mut PixelWriter<'_>>,
) {
    let n_groups: usize = transforms.iter().map(ComponentTransform::n_groups).sum();
    let mut batches = vec![EMPTY_BATCH; n_groups.div_ceil(BATCH_GROUPS)];
    for y in 0..mcus_high {
        if writer.is_none() && restarts.is_over() {
            return;
        }
        for x in (0..mcus_wide).step_by(LANES) {
            let (mut mcu, end) = (0, LANES.min(mcus_wide - x));
            while mcu < end {
                let index = y * mcus_wide + x + mcu;
                restarts.before_mcu(reader, index, || decoder.reset());
                let mut n_decoded = 1;
                if !restarts.is_lost() {
                    let mcus = mcu..mcu + restarts.n_until_marker(end - mcu);
                    n_decoded = decoder.decode_mcus(reader, mcus, &mut batches);
                    restarts.pass(n_decoded - 1);
                    restarts.after_mcu(reader, index + n_decoded - 1);
                }
                mcu += n_decoded;
            }
            let mut first_group = 0;
            for (transform, samples) in transforms.iter().zip(&mut *samples) {
                let sizes = &transform.sizes;
                let row = if writer.is_some() { 0 } else { y * sizes.vertical * sizes.block_height };
                transform.transform_groups(&mut batches, first_group, samples, x, row);
                first_group += transform.n_groups();
            }
        }
        if let Some(writer) = &mut writer {
            writer.write_rows(samples);
            samples.iter_mut().for_each(Samples::advance);
        }
    }
}
