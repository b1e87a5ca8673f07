//! Scans of whole blocks (T.81 F.2): baseline and extended. A block that is decoded is not kept: eight of them are
//! transformed as soon as they are complete.

use std::sync::Arc;

use super::bits::Bits;
use super::huffman::Huffman;
use super::idct::{Group, LANES, Transform, Weights, select};
use super::layout::Laid;
use super::paint::Painter;
use super::restart::Restarts;
use super::samples::Samples;
use crate::tables::{is_low, place};

/// What decoding blocks of a component needs.
pub(super) struct Coder {
    dc: Arc<Huffman>,
    ac: Arc<Huffman>,
    /// The last coefficient that anything is made of.
    last: usize,
    /// The value that the next difference is added to.
    predicted: i32,
}

impl Coder {
    pub(super) fn new(dc: Arc<Huffman>, mut ac: Arc<Huffman>, laid: &Laid) -> Self {
        let last = last_needed(laid.side_x, laid.side_y);
        if last < 63 && laid.blocks_wide * laid.blocks_high > 2000 {
            Arc::make_mut(&mut ac).prepare_skip();
        }
        Self { dc, ac, last, predicted: 0 }
    }

    /// Decodes a block into a lane whose coefficients are zero.
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, group: &mut Group, lane: usize) {
        let lane = lane % LANES;
        bits.refill_for_one();
        let coded = self.dc.look(bits.window());
        self.predicted = self.predicted.wrapping_add(coded.value(bits.window()));
        bits.consume(coded.total);
        group.0[0][lane] = self.predicted as i16;
        let mut k = 1;
        while k <= self.last {
            bits.refill_for_one();
            let window = bits.window();
            let coded = self.ac.look(window);
            bits.consume(coded.total);
            if coded.ends_block() {
                return;
            }
            k += coded.run as usize;
            group.0[place(k)][lane] = coded.value(window) as i16;
            k += 1;
        }
        while k < 64 {
            bits.refill_for_one();
            let skipped = self.ac.skip(bits.window());
            let next = k + skipped.n_passed();
            if skipped.n_passed() > 0 && next <= 64 {
                bits.consume(skipped.total());
                k = next;
                if skipped.ends() {
                    return;
                }
            } else {
                let coded = self.ac.look(bits.window());
                bits.consume(coded.total);
                if coded.ends_block() {
                    return;
                }
                k += coded.run as usize + 1;
            }
        }
    }
}

/// The last place in the order of the file that lies in the corner of this size.
fn last_needed(side_x: usize, side_y: usize) -> usize {
    (0..64).rev().find(|&k| is_low(k, side_x, side_y)).unwrap_or(0)
}

/// Sets the coefficients to zero that a transform reads.
fn clear(group: &mut Group, laid: &Laid) {
    for row in group.0.chunks_exact_mut(8).take(laid.side_y) {
        row[..laid.side_x].fill([0; LANES]);
    }
}

/// A component of a scan.
pub(super) struct Part {
    coder: Coder,
    transform: Transform,
    weights: Weights,
    laid: Laid,
    /// Blocks of eight MCUs: for each row of blocks in them as many groups as blocks are side by side.
    groups: Vec<Group>,
}

impl Part {
    /// In a scan by itself (`alone`), a component's MCU is a block, whatever its factors (T.81 A.2.2).
    pub(super) fn new(coder: Coder, quantisation: &[u16; 64], laid: &Laid, alone: bool) -> Self {
        let mut laid = laid.clone();
        if alone {
            (laid.horizontal, laid.vertical) = (1, 1);
        }
        Self {
            coder,
            transform: select(laid.side_x, laid.side_y),
            weights: Weights::new(quantisation, laid.side_x, laid.side_y),
            groups: vec![Group::EMPTY; laid.horizontal * laid.vertical],
            laid,
        }
    }

    /// Decodes the blocks of one MCU of eight.
    #[inline(always)]
    fn decode(&mut self, bits: &mut Bits<'_>, mcu: usize) {
        let n_wide = self.laid.horizontal;
        for groups in self.groups.chunks_exact_mut(n_wide) {
            for at in mcu * n_wide..(mcu + 1) * n_wide {
                self.coder.block(bits, &mut groups[at / LANES], at % LANES);
            }
        }
    }

    /// Transforms the blocks of eight MCUs, of which the first is number `x` of its row, into the rows from `y` on.
    fn finish(&mut self, samples: &mut Samples, x: usize, y: usize) {
        let Laid { horizontal, side_x, side_y, .. } = self.laid;
        for (i, group) in self.groups.iter_mut().enumerate() {
            let (column, row) = (x * horizontal + i % horizontal * LANES, i / horizontal);
            let (out, stride) = samples.at(column * side_x, y + row * side_y);
            (self.transform)(group, &self.weights, out, stride);
            clear(group, &self.laid);
        }
    }
}

/// Decodes a scan. `samples` are those of its components: either of whole components, or (with a painter) of a single
/// row of MCUs, painted before the next row is decoded.
pub(super) fn decode(
    bits: &mut Bits<'_>,
    restarts: &mut Restarts,
    parts: &mut [Part],
    (mcus_wide, mcus_high): (usize, usize),
    samples: &mut [Samples],
    mut painter: Option<&mut Painter<'_>>,
) {
    for y in 0..mcus_high {
        if painter.is_none() && restarts.is_over() {
            return;
        }
        for x in (0..mcus_wide).step_by(LANES) {
            for mcu in 0..LANES.min(mcus_wide - x) {
                restarts.before_mcu(bits, || parts.iter_mut().for_each(|part| part.coder.predicted = 0));
                if !restarts.is_lost() {
                    parts.iter_mut().for_each(|part| part.decode(bits, mcu));
                    restarts.after_mcu(bits);
                }
            }
            for (part, samples) in parts.iter_mut().zip(&mut *samples) {
                let row = if painter.is_some() { 0 } else { y * part.laid.vertical * part.laid.side_y };
                part.finish(samples, x, row);
            }
        }
        if let Some(painter) = &mut painter {
            painter.paint(samples);
            samples.iter_mut().for_each(Samples::advance);
        }
    }
}
