//! Decodes the scans of progressive files (T.81 G.1.3 and G.2).

use super::ArithmeticReader;
use super::blocks::DcDecoder;
use super::model::{Conditioning, ac_contexts};
use crate::decode::coefficients::Coefficients;
use crate::decode::layout::{ComponentSizes, Layout};
use crate::decode::markers::Scan;
use crate::decode::progressive::{for_each_block, for_each_dc_block};
use crate::decode::restart::Restarts;

/// Decodes a scan that contains the DC coefficients of one or more components.
pub(in crate::decode) fn decode_dc(
    reader: &mut ArithmeticReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    conditioning: &Conditioning,
    layout: &Layout,
    stores: &mut [Coefficients],
) {
    let mut decoders: Vec<DcDecoder> =
        scan.components.iter().map(|component| DcDecoder::new(*component, conditioning)).collect();
    for_each_dc_block(reader, restarts, scan, layout, stores, |reader, i, is_reset, dc| {
        if scan.high > 0 {
            *dc |= i16::from(reader.coder.decode_fixed()) << scan.low;
            return;
        }
        if is_reset {
            decoders.iter_mut().for_each(DcDecoder::reset);
        }
        *dc = (decoders[i].next_value(reader) << scan.low) as i16;
    });
}

/// Decodes the first AC scan of a band of coefficients of one component (T.81 G.1.3.2).
pub(in crate::decode) fn decode_ac_first(
    reader: &mut ArithmeticReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    conditioning: &Conditioning,
    sizes: &ComponentSizes,
    store: &mut Coefficients,
) {
    let table = scan.components[0].ac;
    let n_kept = store.zigzag_indices.len();
    for_each_block(reader, restarts, sizes, store.blocks_per_row, |reader, block, _| {
        let ArithmeticReader { coder, statistics } = reader;
        let states = &mut statistics.ac[table];
        let mut k = scan.first;
        while k <= scan.last && !coder.decode(&mut states[ac_contexts(k).end]) {
            while !coder.decode(&mut states[ac_contexts(k).nonzero]) {
                k += 1;
                if k > scan.last {
                    coder.is_invalid = true;
                    return;
                }
            }
            let value = coder.ac_value(states, k, conditioning.ac[table]);
            store.nonzero[block] |= 1 << k;
            if store.kept >> k & 1 != 0 {
                store.coefs[block * n_kept + usize::from(store.slots[k])] = (value << scan.low) as i16;
            }
            k += 1;
        }
    });
}

/// Decodes a refinement scan, which adds one bit to AC coefficients of one component (T.81 G.1.3.3).
pub(in crate::decode) fn decode_ac_refine(
    reader: &mut ArithmeticReader<'_>,
    restarts: &mut Restarts,
    scan: &Scan,
    sizes: &ComponentSizes,
    store: &mut Coefficients,
) {
    let table = scan.components[0].ac;
    let n_kept = store.zigzag_indices.len();
    let unit = 1_i16 << scan.low;
    for_each_block(reader, restarts, sizes, store.blocks_per_row, |reader, block, _| {
        let ArithmeticReader { coder, statistics } = reader;
        let states = &mut statistics.ac[table];
        let nonzero = store.nonzero[block];
        // The first coefficient at which the block can end. All later coefficients of the scan are still
        // zero.
        let in_scan = nonzero & (u64::MAX >> (63 - scan.last));
        let first_end = 64 - in_scan.leading_zeros() as usize;
        let mut k = scan.first;
        while k <= scan.last && (k < first_end || !coder.decode(&mut states[ac_contexts(k).end])) {
            while nonzero >> k & 1 == 0 && !coder.decode(&mut states[ac_contexts(k).nonzero]) {
                k += 1;
                if k > scan.last {
                    coder.is_invalid = true;
                    return;
                }
            }
            let is_kept = store.kept >> k & 1 != 0;
            let coef = is_kept.then(|| &mut store.coefs[block * n_kept + usize::from(store.slots[k])]);
            if nonzero >> k & 1 != 0 {
                let is_larger = coder.decode(&mut states[ac_contexts(k).magnitude]);
                // In valid data, the bit that a scan refines is still zero.
                if let Some(coef) = coef.filter(|coef| is_larger && **coef & unit == 0) {
                    *coef += if *coef < 0 { -unit } else { unit };
                }
            } else {
                let is_negative = coder.decode_fixed();
                store.nonzero[block] |= 1 << k;
                if let Some(coef) = coef {
                    *coef = if is_negative { -unit } else { unit };
                }
            }
            k += 1;
        }
    });
}
