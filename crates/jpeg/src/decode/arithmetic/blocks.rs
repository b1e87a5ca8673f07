//! Decodes the blocks of a sequential scan (T.81 F.2.4).

use std::ops::Range;

use super::ArithmeticReader;
use super::model::{Conditioning, DcContext, ac_contexts};
use crate::decode::idct::{Batch, LANES};
use crate::decode::layout::ComponentSizes;
use crate::decode::markers::ScanComponent;
use crate::decode::sequential::{DecodeMcus, Place, places};

/// The decoder of the blocks of one component.
struct ComponentDecoder {
    dc: DcDecoder,
    ac_table: usize,
    last_low: u8,
}

impl ComponentDecoder {
    /// Decodes a block into one column of a batch.
    fn decode_block(&mut self, reader: &mut ArithmeticReader<'_>, batch: &mut Batch, column: usize) {
        batch[0][column] = self.dc.next_value(reader) as i16;
        let ArithmeticReader { coder, statistics } = reader;
        let states = &mut statistics.ac[self.ac_table];
        let mut k = 1;
        while k < 64 && !coder.decode(&mut states[ac_contexts(k).end]) {
            while !coder.decode(&mut states[ac_contexts(k).nonzero]) {
                k += 1;
                if k == 64 {
                    coder.is_invalid = true;
                    return;
                }
            }
            batch[k][column] = coder.ac_value(states, k, self.last_low) as i16;
            k += 1;
        }
    }
}

/// The decoder of the blocks of a scan.
pub(in crate::decode) struct ArithmeticBlocks {
    components: Vec<ComponentDecoder>,
    places: Vec<Place>,
}

impl ArithmeticBlocks {
    /// Creates the decoder of a scan. `sizes` has the sizes of each component of the scan.
    pub(in crate::decode) fn new(
        components: &[ScanComponent],
        conditioning: &Conditioning,
        sizes: &[ComponentSizes],
    ) -> Self {
        let decoder = |component: &ScanComponent| ComponentDecoder {
            dc: DcDecoder::new(*component, conditioning),
            ac_table: component.ac,
            last_low: conditioning.ac[component.ac],
        };
        Self { components: components.iter().map(decoder).collect(), places: places(sizes) }
    }
}

impl DecodeMcus<ArithmeticReader<'_>> for ArithmeticBlocks {
    fn decode_mcus(
        &mut self,
        reader: &mut ArithmeticReader<'_>,
        mcus: Range<usize>,
        batches: &mut [Batch],
    ) -> usize {
        let n_blocks = self.places.len() / LANES;
        for &Place { component, batch, column } in &self.places[mcus.start * n_blocks..][..n_blocks] {
            self.components[component].decode_block(reader, &mut batches[batch], column);
        }
        1
    }

    fn reset(&mut self) {
        self.components.iter_mut().for_each(|component| component.dc.reset());
    }
}

/// The decoder of the DC coefficients of one component.
pub(super) struct DcDecoder {
    table: usize,
    bounds: (u8, u8),
    context: DcContext,
    /// The DC prediction, which is the DC value of the previous block.
    predicted: i32,
}

impl DcDecoder {
    pub(super) fn new(component: ScanComponent, conditioning: &Conditioning) -> Self {
        let (table, bounds) = (component.dc, conditioning.dc[component.dc]);
        Self { table, bounds, context: DcContext::default(), predicted: 0 }
    }

    /// Decodes the next DC coefficient.
    pub(super) fn next_value(&mut self, reader: &mut ArithmeticReader<'_>) -> i32 {
        let states = &mut reader.statistics.dc[self.table];
        let difference = reader.coder.dc_difference(states, &mut self.context, self.bounds);
        self.predicted = self.predicted.wrapping_add(difference);
        self.predicted
    }

    /// Resets the prediction at the start of a restart interval.
    pub(super) fn reset(&mut self) {
        (self.context, self.predicted) = (DcContext::default(), 0);
    }
}
