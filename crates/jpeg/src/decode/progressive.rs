//! Decodes progressive scans with Huffman codes (T.81 annex G). Each scan contains some of the coefficients; the decoder stores
//! the coefficients until the last scan has been read.
//!
//! The decoder stores only those coefficients of each block on which the reduced image depends. For every
//! other coefficient, the decoder stores one bit that says whether the coefficient is zero, because a
//! refinement scan depends only on this information. A refinement scan can therefore process whole words of
//! such bits instead of single coefficients.

use std::sync::Arc;

use super::bits::BitReader;
use super::coefficients::Coefficients;
use super::entropy::EntropyReader;
use super::huffman::HuffmanTable;
use super::idct::{EMPTY_BATCH, LANES, Weights, select_transform};
use super::layout::{ComponentSizes, Layout};
use super::markers::Scan;
use super::pixel_writer::PixelWriter;
use super::restart::Restarts;
use super::samples::Samples;

/// Returns a mask in which the bits from `first` to `last` are set. Both numbers are at most 63. The mask is
/// empty if `first` is greater than `last`.
#[inline(always)]
fn band(first: usize, last: usize) -> u64 {
    (u64::MAX << (first & 63)) & (u64::MAX >> (63 - (last & 63)))
}

/// Decodes a scan that contains the DC coefficients of one or more components.
pub(super) fn decode_dc(
    bits: &mut BitReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    tables: &[Arc<HuffmanTable>],
    layout: &Layout,
    stores: &mut [Coefficients],
) {
    let mut predicted = [0_i32; 4];
    for_each_dc_block(bits, restarts, scan, layout, stores, |bits, i, is_reset, dc| {
        if is_reset {
            predicted = [0; 4];
        }
        if scan.high > 0 {
            *dc |= (bits.take(1) << scan.low) as i16;
        } else {
            let table = &tables[i];
            bits.refill_for_one();
            let coded = table.lookup(bits.window());
            predicted[i] = predicted[i].wrapping_add(coded.value(bits.window()));
            bits.consume(coded.total);
            *dc = (predicted[i] << scan.low) as i16;
        }
    });
}

/// Calls `decode` for every DC coefficient of a scan. The arguments are the index of the component in the
/// scan, whether a restart interval begins with the coefficient, and the coefficient.
#[inline(always)]
pub(super) fn for_each_dc_block<R: EntropyReader>(
    reader: &mut R,
    restarts: &mut Restarts,
    scan: &Scan,
    layout: &Layout,
    stores: &mut [Coefficients],
    mut decode: impl FnMut(&mut R, usize, bool, &mut i16),
) {
    if let [only] = &scan.components[..] {
        let (sizes, store) = (&layout.components[only.index], &mut stores[only.index]);
        for_each_block(reader, restarts, sizes, store.blocks_per_row, |reader, at, is_reset| {
            decode(reader, 0, is_reset, store.dc(at));
        });
        return;
    }
    for (y, x) in (0..layout.mcus_high).flat_map(|y| (0..layout.mcus_wide).map(move |x| (y, x))) {
        let index = y * layout.mcus_wide + x;
        let mut is_reset = false;
        restarts.before_mcu(reader, index, || is_reset = true);
        if restarts.is_lost() {
            if restarts.is_over() {
                return;
            }
            continue;
        }
        for (i, component) in scan.components.iter().enumerate() {
            let (sizes, store) = (&layout.components[component.index], &mut stores[component.index]);
            for (v, h) in (0..sizes.vertical).flat_map(|v| (0..sizes.horizontal).map(move |h| (v, h))) {
                let at = (y * sizes.vertical + v) * store.blocks_per_row + x * sizes.horizontal + h;
                decode(reader, i, std::mem::take(&mut is_reset), store.dc(at));
            }
        }
        restarts.after_mcu(reader, index);
    }
}

/// Calls `decode` for every block that contains a part of the image. The arguments are the index of the block
/// and whether a restart interval begins with the block.
#[inline(always)]
pub(super) fn for_each_block<R: EntropyReader>(
    reader: &mut R,
    restarts: &mut Restarts,
    sizes: &ComponentSizes,
    blocks_per_row: usize,
    mut decode: impl FnMut(&mut R, usize, bool),
) {
    for y in 0..sizes.blocks_high {
        for x in 0..sizes.blocks_wide {
            let mut is_reset = false;
            let index = y * sizes.blocks_wide + x;
            restarts.before_mcu(reader, index, || is_reset = true);
            if restarts.is_lost() {
                if restarts.is_over() {
                    return;
                }
                continue;
            }
            decode(reader, y * blocks_per_row + x, is_reset);
            restarts.after_mcu(reader, index);
        }
    }
}

/// Decodes the first AC scan of a band of coefficients of one component (T.81 G.1.2.2).
pub(super) fn decode_ac_first(
    bits: &mut BitReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    table: &HuffmanTable,
    sizes: &ComponentSizes,
    store: &mut Coefficients,
) {
    // The number of blocks that remain in the current end-of-band run. The blocks of an end-of-band run have
    // no more coefficients in this scan.
    let mut eob_run = 0_u32;
    let n_kept = store.zigzag_indices.len();
    for_each_block(bits, restarts, sizes, store.blocks_per_row, |bits, block, is_reset| {
        if is_reset {
            eob_run = 0;
        }
        if eob_run > 0 {
            eob_run -= 1;
            return;
        }
        let coefs = &mut store.coefs[block * n_kept..(block + 1) * n_kept];
        let mut nonzero = store.nonzero[block];
        let mut k = scan.first;
        while k <= scan.last {
            bits.refill_for_one();
            let window = bits.window();
            let coded = table.lookup(window);
            bits.consume(coded.total);
            if coded.ends_block() {
                eob_run = (1 << coded.run) - 1 + bits.take(coded.run);
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

/// Decodes a refinement scan, which adds one bit to AC coefficients of one component (T.81 G.1.2.3).
pub(super) fn decode_ac_refine(
    bits: &mut BitReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    table: &HuffmanTable,
    sizes: &ComponentSizes,
    store: &mut Coefficients,
) {
    let mut eob_run = 0_u32;
    let n_kept = store.zigzag_indices.len();
    let unit = 1_i16 << scan.low;
    for_each_block(bits, restarts, sizes, store.blocks_per_row, |bits, block, is_reset| {
        if is_reset {
            eob_run = 0;
        }
        let coefs = &mut store.coefs[block * n_kept..(block + 1) * n_kept];
        let nonzero = store.nonzero[block];
        let mut new = 0;
        let mut k = scan.first;
        while eob_run == 0 && k <= scan.last {
            let (run, size) = table.symbol(bits);
            if size == 0 && run != 15 {
                eob_run = (1 << run) + bits.take(run);
                break;
            }
            let value = if size == 0 {
                0
            } else if bits.take(1) == 1 {
                unit
            } else {
                -unit
            };
            // Skips as many zero coefficients as the run states. Then `position` is the position of the next
            // zero coefficient.
            let mut zeros = !nonzero & band(k, scan.last);
            for _ in 0..run {
                zeros &= zeros.wrapping_sub(1);
            }
            let position = if zeros == 0 { scan.last + 1 } else { zeros.trailing_zeros() as usize };
            if position > k {
                refine(bits, nonzero & band(k, position - 1), unit, store.kept, &store.slots, coefs);
            }
            if position <= scan.last && value != 0 {
                new |= 1 << position;
                if store.kept >> position & 1 != 0 {
                    coefs[usize::from(store.slots[position])] = value;
                }
            }
            k = position + 1;
        }
        if eob_run > 0 {
            eob_run -= 1;
            if k <= scan.last {
                refine(bits, nonzero & band(k, scan.last), unit, store.kept, &store.slots, coefs);
            }
        }
        store.nonzero[block] = nonzero | new;
    });
}

/// Reads one bit for each coefficient in the mask `nonzero`. If the bit is 1 and the coefficient is stored,
/// the coefficient is moved away from zero by `unit`.
#[inline(always)]
fn refine(bits: &mut BitReader<'_>, nonzero: u64, unit: i16, kept: u64, slots: &[u8; 64], coefs: &mut [i16]) {
    for half in [nonzero & 0xffff_ffff, nonzero >> 32 << 32] {
        if half == 0 {
            continue;
        }
        let n = half.count_ones();
        let read = bits.take(n);
        let mut remaining = half & kept;
        while remaining != 0 {
            let k = remaining.trailing_zeros();
            remaining &= remaining - 1;
            let rank = (half & ((1 << k) - 1)).count_ones();
            if read >> (n - 1 - rank) & 1 != 0 {
                let coef = &mut coefs[usize::from(slots[k as usize])];
                // In valid data, the bit that a scan refines is still zero. In corrupt data, it can already
                // be set; then the coefficient is not changed. Corrupt data can also have a coefficient of
                // -32768, which has no bit to refine.
                if *coef & unit == 0 {
                    *coef = coef.saturating_add(if *coef < 0 { -unit } else { unit });
                }
            }
        }
    }
}

/// Transforms all stored coefficients to samples, and writes the pixels of the image.
pub(super) fn write_image(
    stores: &[Coefficients],
    quantisation: &[[u16; 64]],
    layout: &Layout,
    writer: &mut PixelWriter<'_>,
) {
    let components = || layout.components.iter();
    let mut samples: Vec<Samples> =
        components().map(|sizes| Samples::new(sizes, layout.mcus_wide, 1)).collect();
    let weights = components()
        .zip(quantisation)
        .map(|(sizes, table)| Weights::new(table, sizes.block_width, sizes.block_height, layout.precision));
    let weights: Vec<Weights> = weights.collect();
    let mut batch = EMPTY_BATCH;
    for y in 0..layout.mcus_high {
        for (((store, weights), sizes), samples) in
            stores.iter().zip(&weights).zip(components()).zip(&mut samples)
        {
            let transform = select_transform(sizes.block_width, sizes.block_height);
            for row in 0..sizes.vertical {
                let first = (y * sizes.vertical + row) * store.blocks_per_row;
                for x in (0..store.blocks_per_row).step_by(LANES) {
                    store.load_group(first + x, LANES.min(store.blocks_per_row - x), &mut batch);
                    let (out, stride) = samples.at(x * sizes.block_width, row * sizes.block_height);
                    transform(&batch, 0, weights, out, stride);
                }
            }
        }
        writer.write_rows(&samples);
        samples.iter_mut().for_each(Samples::advance);
    }
}
