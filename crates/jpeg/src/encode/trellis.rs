//! Chooses quantised coefficients with regard to the bits that they cost (trellis quantisation).
//!
//! Plain rounding gives the smallest error, but a coefficient that is only just not zero costs more bits than
//! its error is worth. For each block, dynamic programming along the zigzag order chooses which coefficients
//! become zero or lose one bit of magnitude, so that the sum of error and rate is as small as possible. The
//! error is measured in squared quantisation steps, because the quantisation table already says how visible an
//! error in each coefficient is. Ramchandran and Vetterli described the method in *Rate-distortion optimal fast
//! thresholding with complete JPEG/MPEG decoder compatibility*, 1994.

use super::blocks::Block;
use crate::tables::{HuffmanSpec, STANDARD_AC};

/// The bits that a coefficient costs: the code for the run of zeros before it and for its number of magnitude
/// bits, and these bits.
#[derive(Debug)]
struct Rates {
    /// By run of zeros (0–62) and number of magnitude bits (0–15).
    bits: [[f32; 16]; 64],
    /// The bits of the end-of-block code.
    end: f32,
}

impl Rates {
    /// Computes the rates from a Huffman table for AC symbols.
    fn new(spec: HuffmanSpec<'_>) -> Self {
        let mut lengths = [16.0; 256];
        let mut symbols = spec.symbols.iter();
        for (length, &count) in (1_u8..).zip(&spec.counts) {
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                lengths[usize::from(symbol)] = f32::from(length);
            }
        }
        let bits = std::array::from_fn(|run| {
            let zeros = (run / 16) as f32 * lengths[0xf0];
            std::array::from_fn(|size| lengths[(run & 15) << 4 | size] + zeros + size as f32)
        });
        Self { bits, end: lengths[0] }
    }
}

/// Squared quantisation steps of error that are worth one bit, in a block without detail. Of the tried values
/// from 0.02 to 0.12, this one gives the smallest files at equal SSIMULACRA2 score.
const LAMBDA: f32 = 0.035;

/// How fast `LAMBDA` rises with the detail of a block: by its own value for each 1 / `MASKING` of the sum of the
/// squared coefficients, in squared steps of the table at a quality of 50. Detail hides errors.
const MASKING: f32 = 0.006;

/// The trellis quantisation of a component.
#[derive(Debug)]
pub(super) struct Trellis {
    rates: Rates,
    masking: f32,
}

impl Trellis {
    /// Creates the trellis for luma. The rates are those of the Huffman table of T.81 annex K.3, which are
    /// typical of photographs: rates that are measured in the image itself do not give smaller files. `scale`
    /// is the quotient of the quantisation steps and those of quality 50.
    pub(super) fn of_luma(scale: f32) -> Self {
        Self { rates: Rates::new(STANDARD_AC[0]), masking: MASKING * scale * scale }
    }

    /// Changes the coefficients of a block so that error plus rate is least. `value` returns the unrounded
    /// coefficient at an index in zigzag order. `nodes` is memory for the search.
    pub(super) fn optimise(&self, block: &mut Block, value: impl Fn(usize) -> f32, nodes: &mut Nodes) {
        let mut energy = 0.0;
        for_each_bit(block.nonzero & !1, |k| energy += value(k) * value(k));
        let lambda = LAMBDA * (1.0 + self.masking * energy);
        let nodes = &mut nodes.0;
        let mut n = 1;
        for_each_bit(block.nonzero & !1, |k| {
            add_node(nodes, n, (k, value(k).abs(), block.coefs[k].abs()), &self.rates, lambda);
            n += 1;
        });
        let mut kept = block.nonzero & 1;
        let mut at = cheapest_end(&nodes[..n], lambda * self.rates.end);
        while at > 0 {
            let Node { k, magnitude, before, .. } = nodes[at];
            kept |= 1 << k;
            block.coefs[k] = if block.coefs[k] < 0 { -magnitude } else { magnitude };
            at = before;
        }
        for_each_bit(block.nonzero & !kept, |k| block.coefs[k] = 0);
        block.nonzero = kept;
    }
}

/// Calls `visit` with the index of each bit that is set, in ascending order.
#[inline(always)]
fn for_each_bit(mut mask: u64, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// Memory for the nodes of a block. Node 0 always stands for the DC coefficient.
#[derive(Debug)]
pub(super) struct Nodes([Node; 64]);

impl Default for Nodes {
    fn default() -> Self {
        Self([Node::default(); 64])
    }
}

/// A coefficient that may stay nonzero.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    /// The index of the coefficient in zigzag order. Node 0 stands for the DC coefficient.
    k: usize,
    /// The least cost of the block up to this coefficient, if the coefficient stays nonzero.
    cost: f32,
    /// The cost of setting all coefficients up to this one to zero.
    cleared: f32,
    /// The node before this one in the path of least cost, and the magnitude of the coefficient in this path.
    before: usize,
    magnitude: i16,
    /// Whether the coefficient is so small that it may become zero.
    may_vanish: bool,
}

/// Returns the index of the last node of the cheapest path. `end` is the cost of the end-of-block code.
fn cheapest_end(nodes: &[Node], end: f32) -> usize {
    let all_cleared = nodes[nodes.len() - 1].cleared;
    let (mut last, mut least) = (0, f32::MAX);
    for (i, node) in nodes.iter().enumerate().rev() {
        let end = if node.k < 63 { end } else { 0.0 };
        let cost = node.cost + all_cleared - node.cleared + end;
        if cost < least {
            (last, least) = (i, cost);
        }
        if !node.may_vanish {
            break;
        }
    }
    last
}

/// Computes the node of one coefficient: finds the node before it with the least cost. The search ends at a
/// coefficient that cannot vanish, because no path skips it.
#[inline(always)]
fn add_node(
    nodes: &mut [Node; 64],
    n: usize,
    (k, value, magnitude): (usize, f32, i16),
    rates: &Rates,
    lambda: f32,
) {
    let size = (16 - magnitude.leading_zeros()) as usize;
    // One less than a power of two has one bit less.
    let shorter = magnitude > 1 && magnitude & (magnitude - 1) == 0;
    let square = |x: f32| x * x;
    let error = square(value - f32::from(magnitude));
    let shorter_error = square(value - f32::from(magnitude - 1));
    let cleared_before = nodes[n - 1].cleared;
    let mut best = Node { cost: f32::MAX, ..Node::default() };
    for (i, node) in nodes[..n].iter().enumerate().rev() {
        let base = node.cost + cleared_before - node.cleared;
        let rates = &rates.bits[(k - node.k - 1) & 63];
        let cost = base + error + lambda * rates[size & 15];
        if cost < best.cost {
            best = Node { cost, before: i, magnitude, ..best };
        }
        if shorter {
            let cost = base + shorter_error + lambda * rates[(size - 1) & 15];
            if cost < best.cost {
                best = Node { cost, before: i, magnitude: magnitude - 1, ..best };
            }
        }
        if !node.may_vanish {
            break;
        }
    }
    let may_vanish = magnitude == 1;
    nodes[n] = Node { k, cleared: cleared_before + square(value), may_vanish, ..best };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the cost of coefficients in zigzag order: error and rate.
    fn cost(coefs: &[i16; 64], values: &[f32; 64], rates: &Rates) -> f32 {
        let (mut bits, mut error, mut next) = (0.0, 0.0, 1);
        for k in 1..64 {
            error += (values[k] - f32::from(coefs[k])).powi(2);
            if coefs[k] != 0 {
                let size = (16 - coefs[k].unsigned_abs().leading_zeros()) as usize;
                bits += rates.bits[k - next][size];
                next = k + 1;
            }
        }
        error + LAMBDA * (bits + if next < 64 { rates.end } else { 0.0 })
    }

    /// Returns a block of up to seven nonzero coefficients and their unrounded values. Most coefficients are
    /// near one. In every fourth block, all are near the end of the block.
    fn block(round: u32, mut random: impl FnMut() -> f32) -> (Block, [f32; 64]) {
        let mut values = [0.0_f32; 64];
        for _ in 0..7 {
            let offset = (random() * 20.0) as usize;
            let k = if round.is_multiple_of(4) { 63 - offset } else { 1 + 3 * offset };
            let magnitude = 0.5 + random() * if random() < 0.7 { 0.8 } else { 4.0 };
            values[k] = if random() < 0.5 { magnitude } else { -magnitude };
        }
        let coefs = values.map(|value| value.round() as i16);
        (Block { nonzero: mask(&coefs), coefs }, values)
    }

    fn mask(coefs: &[i16; 64]) -> u64 {
        (0..64).fold(0, |mask, k| mask | u64::from(coefs[k] != 0) << k)
    }

    #[test]
    fn trellis_finds_the_cheapest_of_all_choices_of_coefficients() {
        let trellis = Trellis { masking: 0.0, ..Trellis::of_luma(1.0) };
        let mut state = 3_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let mut n_changed = 0;
        for round in 0..200 {
            let (mut block, values) = block(round, &mut random);
            let rounded = block.coefs;
            let places: Vec<usize> = (0..64).filter(|&k| rounded[k] != 0).collect();
            trellis.optimise(&mut block, |k| values[k], &mut Nodes::default());

            // Each coefficient is tried at its rounded value, one below it, and zero.
            let choices = (0..3_usize.pow(places.len() as u32)).map(|mut choice| {
                let mut coefs = rounded;
                for &k in &places {
                    coefs[k] = [coefs[k], coefs[k] - coefs[k].signum(), 0][choice % 3];
                    choice /= 3;
                }
                cost(&coefs, &values, &trellis.rates)
            });
            let least = choices.fold(f32::MAX, f32::min);
            let found = cost(&block.coefs, &values, &trellis.rates);
            assert!(found <= least + 1e-3, "round {round}: {found}, not {least}");
            assert_eq!(block.nonzero, mask(&block.coefs));
            n_changed += usize::from(block.coefs != rounded);
        }
        assert!(n_changed > 50, "only {n_changed} blocks differ from plain rounding");
    }
}
