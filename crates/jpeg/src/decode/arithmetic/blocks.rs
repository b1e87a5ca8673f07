//! Decodes the blocks of a sequential scan (T.81 F.2.4).

use super::ArithmeticReader;
use super::model::{Conditioning, DcContext, ac_contexts};
use crate::decode::idct::{Group, LANES};
use crate::decode::markers::ScanComponent;
use crate::decode::sequential::DecodeBlock;
use crate::tables::natural_index;

/// The decoder of the blocks of one component.
pub(in crate::decode) struct ArithmeticBlocks {
    dc: DcDecoder,
    ac_table: usize,
    last_low: u8,
}

impl ArithmeticBlocks {
    pub(in crate::decode) fn new(component: ScanComponent, conditioning: &Conditioning) -> Self {
        Self {
            dc: DcDecoder::new(component, conditioning),
            ac_table: component.ac,
            last_low: conditioning.ac[component.ac],
        }
    }
}

impl DecodeBlock<ArithmeticReader<'_>> for ArithmeticBlocks {
    fn decode_block(&mut self, reader: &mut ArithmeticReader<'_>, group: &mut Group, lane: usize) {
        let lane = lane % LANES;
        group.0[0][lane] = self.dc.next_value(reader) as i16;
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
            group.0[natural_index(k)][lane] = coder.ac_value(states, k, self.last_low) as i16;
            k += 1;
        }
    }

    fn reset(&mut self) {
        self.dc.reset();
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
