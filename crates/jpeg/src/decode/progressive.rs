//! Scans of parts of blocks (T.81 annex G), gathered until all are there.
//!
//! Of each block only the coefficients that the reduced picture is made of are kept, and one bit for each of the others:
//! the scans that refine need to know which of them are zero, and no more. A refining scan then goes by whole words of
//! these bits instead of by coefficients.

use std::sync::Arc;

use super::bits::Bits;
use super::huffman::Huffman;
use super::idct::{Group, LANES, Weights, select};
use super::layout::{Laid, Layout};
use super::markers::Scan;
use super::paint::Painter;
use super::restart::Restarts;
use super::samples::Samples;
use crate::tables::{is_low, place};

/// What is known of the blocks of one component.
#[derive(Debug)]
pub(super) struct Store {
    /// Kept coefficients, block by block.
    coefs: Vec<i16>,
    /// For each block, a bit for each coefficient in the order of the file: whether it is not zero.
    nonzero: Vec<u64>,
    blocks_per_row: usize,
    /// Which coefficients are kept, as bits in the order of the file.
    kept: u64,
    /// Where a kept coefficient lies in its block.
    slots: [u8; 64],
    /// Where it lies in rows of eight.
    places: Vec<u8>,
}

impl Store {
    pub(super) fn new(laid: &Laid, layout: &Layout) -> Self {
        let (mut kept, mut slots, mut places) = (0, [0; 64], Vec::new());
        for (k, slot) in slots.iter_mut().enumerate() {
            if is_low(k, laid.side_x, laid.side_y) {
                kept |= 1 << k;
                *slot = places.len() as u8;
                places.push(place(k) as u8);
            }
        }
        let blocks_per_row = layout.mcus_wide * laid.horizontal;
        let n_blocks = blocks_per_row * layout.mcus_high * laid.vertical;
        Self {
            coefs: vec![0; n_blocks * places.len()],
            nonzero: vec![0; n_blocks],
            blocks_per_row,
            kept,
            slots,
            places,
        }
    }

    fn dc(&mut self, block: usize) -> &mut i16 {
        &mut self.coefs[block * self.places.len()]
    }

    /// Copies the coefficients of up to eight blocks into an empty group.
    fn gather(&self, first: usize, n: usize, group: &mut Group) {
        let blocks = &self.coefs[first * self.places.len()..(first + n) * self.places.len()];
        for (lane, block) in blocks.chunks_exact(self.places.len()).enumerate() {
            for (&place, &coef) in self.places.iter().zip(block) {
                group.0[usize::from(place) % 64][lane % LANES] = coef;
            }
        }
    }
}

/// Whether anything of the coefficients of a scan is kept in blocks of the size that is laid out.
pub(super) fn keeps_of(laid: &Laid, scan: &Scan) -> bool {
    (scan.first..=scan.last).any(|k| is_low(k, laid.side_x, laid.side_y))
}

/// Bits from `first` to `last`, both 63 at most; none when they are the wrong way round.
#[inline(always)]
fn band(first: usize, last: usize) -> u64 {
    (u64::MAX << (first & 63)) & (u64::MAX >> (63 - (last & 63)))
}

/// Scans of the first coefficient, of one or more components.
pub(super) fn decode_dc(
    bits: &mut Bits<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    tables: &[Arc<Huffman>],
    layout: &Layout,
    stores: &mut [Store],
) {
    let mut predicted = [0_i32; 4];
    let block = |bits: &mut Bits<'_>, i: usize, predicted: &mut [i32; 4], store: &mut Store, block: usize| {
        if scan.high > 0 {
            *store.dc(block) |= (bits.take(1) << scan.low) as i16;
        } else {
            let table = &tables[i];
            bits.refill_for_one();
            let coded = table.look(bits.window());
            predicted[i] = predicted[i].wrapping_add(coded.value(bits.window()));
            bits.consume(coded.total);
            *store.dc(block) = (predicted[i] << scan.low) as i16;
        }
    };
    if let [only] = &scan.components[..] {
        let (laid, store) = (&layout.components[only.index], &mut stores[only.index]);
        each_block(bits, restarts, laid, store.blocks_per_row, |bits, at, begins| {
            if begins {
                predicted = [0; 4];
            }
            block(bits, 0, &mut predicted, store, at);
        });
        return;
    }
    for (y, x) in (0..layout.mcus_high).flat_map(|y| (0..layout.mcus_wide).map(move |x| (y, x))) {
        restarts.before_mcu(bits, || predicted = [0; 4]);
        if restarts.is_lost() {
            if restarts.is_over() {
                return;
            }
            continue;
        }
        for (i, component) in scan.components.iter().enumerate() {
            let (laid, store) = (&layout.components[component.index], &mut stores[component.index]);
            for (v, h) in (0..laid.vertical).flat_map(|v| (0..laid.horizontal).map(move |h| (v, h))) {
                let at = (y * laid.vertical + v) * store.blocks_per_row + x * laid.horizontal + h;
                block(bits, i, &mut predicted, store, at);
            }
        }
        restarts.after_mcu(bits);
    }
}

/// Calls `decode` with the number of every block that holds something of the picture, and whether a new interval
/// begins with it.
#[inline(always)]
fn each_block<'a>(
    bits: &mut Bits<'a>,
    restarts: &mut Restarts,
    laid: &Laid,
    blocks_per_row: usize,
    mut decode: impl FnMut(&mut Bits<'a>, usize, bool),
) {
    for y in 0..laid.blocks_high {
        for x in 0..laid.blocks_wide {
            let mut begins = false;
            restarts.before_mcu(bits, || begins = true);
            if restarts.is_lost() {
                if restarts.is_over() {
                    return;
                }
                continue;
            }
            decode(bits, y * blocks_per_row + x, begins);
            restarts.after_mcu(bits);
        }
    }
}

/// First scans of the other coefficients of a component (T.81 G.1.2.2).
pub(super) fn decode_ac_first(
    bits: &mut Bits<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    table: &Huffman,
    laid: &Laid,
    store: &mut Store,
) {
    // Blocks to come that have no more coefficients in this scan.
    let mut n_empty = 0_u32;
    let n_kept = store.places.len();
    each_block(bits, restarts, laid, store.blocks_per_row, |bits, block, begins| {
        if begins {
            n_empty = 0;
        }
        if n_empty > 0 {
            n_empty -= 1;
            return;
        }
        let coefs = &mut store.coefs[block * n_kept..(block + 1) * n_kept];
        let mut nonzero = store.nonzero[block];
        let mut k = scan.first;
        while k <= scan.last {
            bits.refill_for_one();
            let window = bits.window();
            let coded = table.look(window);
            bits.consume(coded.total);
            if coded.ends_block() {
                n_empty = (1 << coded.run) - 1 + bits.take(coded.run);
                break;
            }
            k += coded.run as usize;
            if coded.size > 0 && k < 64 {
                nonzero |= 1 << k;
                if store.kept >> k & 1 != 0 {
                    coefs[usize::from(store.slots[k])] = (coded.value(window) << scan.low) as i16;
                }
            }
            k += 1;
        }
        store.nonzero[block] = nonzero;
    });
}

/// Scans that add a bit to the other coefficients of a component (T.81 G.1.2.3).
pub(super) fn decode_ac_refine(
    bits: &mut Bits<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    table: &Huffman,
    laid: &Laid,
    store: &mut Store,
) {
    let mut n_empty = 0_u32;
    let n_kept = store.places.len();
    let unit = 1_i16 << scan.low;
    each_block(bits, restarts, laid, store.blocks_per_row, |bits, block, begins| {
        if begins {
            n_empty = 0;
        }
        let coefs = &mut store.coefs[block * n_kept..(block + 1) * n_kept];
        let nonzero = store.nonzero[block];
        let mut new = 0;
        let mut k = scan.first;
        while n_empty == 0 && k <= scan.last {
            let (run, size) = table.symbol(bits);
            if size == 0 && run != 15 {
                n_empty = (1 << run) + bits.take(run);
                break;
            }
            let value = if size == 0 {
                0
            } else if bits.take(1) == 1 {
                unit
            } else {
                -unit
            };
            // Past as many zeros as the run says, to the zero after them.
            let mut zeros = !nonzero & band(k, scan.last);
            for _ in 0..run {
                zeros &= zeros.wrapping_sub(1);
            }
            let at = if zeros == 0 { scan.last + 1 } else { zeros.trailing_zeros() as usize };
            if at > k {
                correct(bits, nonzero & band(k, at - 1), unit, store.kept, &store.slots, coefs);
            }
            if at <= scan.last && value != 0 {
                new |= 1 << at;
                if store.kept >> at & 1 != 0 {
                    coefs[usize::from(store.slots[at])] = value;
                }
            }
            k = at + 1;
        }
        if n_empty > 0 {
            n_empty -= 1;
            if k <= scan.last {
                correct(bits, nonzero & band(k, scan.last), unit, store.kept, &store.slots, coefs);
            }
        }
        store.nonzero[block] = nonzero | new;
    });
}

/// Reads a bit for each coefficient in `set`, and moves those that are kept away from zero where it is 1.
#[inline(always)]
fn correct(bits: &mut Bits<'_>, set: u64, unit: i16, kept: u64, slots: &[u8; 64], coefs: &mut [i16]) {
    for part in [set & 0xffff_ffff, set >> 32 << 32] {
        if part == 0 {
            continue;
        }
        let n = part.count_ones();
        let read = bits.take(n);
        let mut wanted = part & kept;
        while wanted != 0 {
            let k = wanted.trailing_zeros();
            wanted &= wanted - 1;
            let rank = (part & ((1 << k) - 1)).count_ones();
            if read >> (n - 1 - rank) & 1 != 0 {
                let coef = &mut coefs[usize::from(slots[k as usize])];
                // A bit that is set already: only corrupt data says so again.
                if *coef & unit == 0 {
                    *coef += if *coef < 0 { -unit } else { unit };
                }
            }
        }
    }
}

/// Makes samples and pixels of all that was gathered.
pub(super) fn finish(
    stores: &[Store],
    quantisation: &[[u16; 64]],
    layout: &Layout,
    painter: &mut Painter<'_>,
) {
    let each = || layout.components.iter();
    let mut samples: Vec<Samples> = each().map(|laid| Samples::new(laid, layout.mcus_wide, 1)).collect();
    let weights = each().zip(quantisation).map(|(laid, table)| Weights::new(table, laid.side_x, laid.side_y));
    let weights: Vec<Weights> = weights.collect();
    let mut group = Group::EMPTY;
    for y in 0..layout.mcus_high {
        for (((store, weights), laid), samples) in stores.iter().zip(&weights).zip(each()).zip(&mut samples) {
            let transform = select(laid.side_x, laid.side_y);
            for row in 0..laid.vertical {
                let first = (y * laid.vertical + row) * store.blocks_per_row;
                for x in (0..store.blocks_per_row).step_by(LANES) {
                    store.gather(first + x, LANES.min(store.blocks_per_row - x), &mut group);
                    let (out, stride) = samples.at(x * laid.side_x, row * laid.side_y);
                    transform(&group, weights, out, stride);
                }
            }
        }
        painter.paint(&samples);
        samples.iter_mut().for_each(Samples::advance);
    }
}
