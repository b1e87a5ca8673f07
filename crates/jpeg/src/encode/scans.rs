//! The scans of a file, and the tokens of each scan (T.81 F.1.2 and annex G.1).

use super::blocks::{Block, ComponentBlocks};
use super::tokens::{TableId, Tokens};

/// One scan of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) components: &'static [usize],
    /// The first and last coefficient of the scan, in zigzag order.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The successive approximation bit positions `Ah` and `Al` (T.81 G.1.1.1.2). `Ah` is the bit position of
    /// the previous scan of the same coefficients, or 0 for their first scan; `Al` is the bit position of
    /// this scan.
    pub(super) high: u32,
    pub(super) low: u32,
}

/// Creates a scan of the coefficients `first` to `last` with the bit positions `high` and `low`.
pub(super) const fn scan(
    components: &'static [usize],
    (first, last): (usize, usize),
    (high, low): (u32, u32),
) -> Scan {
    Scan { components, first, last, high, low }
}

/// Returns the only scan of a baseline file.
pub(super) fn baseline(n_components: usize) -> Vec<Scan> {
    vec![scan(all_components(n_components), (0, 63), (0, 0))]
}

/// Returns the numbers of all components of a file.
pub(super) fn all_components(n_components: usize) -> &'static [usize] {
    if n_components == 1 { &[0] } else { &[0, 1, 2] }
}

/// Returns scans of a progressive file that suit most photographs, in the order in which they are written: scans
/// with the most visible detail come first. Only luma has a refinement scan, because chroma has so few bits that
/// a second scan costs more than it saves.
pub(super) fn progressive(n_components: usize) -> Vec<Scan> {
    let mut scans = vec![scan(all_components(n_components), (0, 0), (0, 0)), scan(&[0], (1, 5), (0, 1))];
    if n_components > 1 {
        scans.extend([scan(&[2], (1, 63), (0, 0)), scan(&[1], (1, 63), (0, 0))]);
    }
    scans.extend([scan(&[0], (6, 63), (0, 1)), scan(&[0], (1, 63), (1, 0))]);
    scans
}

/// Returns the number of bits that are needed for a magnitude.
fn bit_length(magnitude: u32) -> u32 {
    32 - magnitude.leading_zeros()
}

/// Returns the `n` low bits that code a value. A negative value is coded by the inverted bits of its
/// magnitude (T.81 F.1.2.1).
fn value_bits(value: i32, n: u32) -> u32 {
    (value + (value >> 31)) as u32 & ((1 << n) - 1)
}

impl Scan {
    /// Appends all tokens of the scan to the list of tokens.
    pub(super) fn tokens(&self, components: &[ComponentBlocks], tokens: &mut Tokens) {
        if self.first == 0 {
            let mut predicted = [0; 3];
            self.for_each_block(components, |component, block| {
                self.push_dc(block, component, &mut predicted[component], tokens);
                if self.last > 0 {
                    push_ac_sequential(block, TableId::Ac(component.min(1)), tokens);
                }
            });
        } else if self.high == 0 {
            let mut eob_run = EobRun::new(TableId::Ac(self.components[0].min(1)));
            self.for_each_block(components, |_, block| self.push_ac_first(block, &mut eob_run, tokens));
            eob_run.flush(tokens);
        } else {
            let mut eob_run = EobRun::new(TableId::Ac(self.components[0].min(1)));
            self.for_each_block(components, |_, block| self.push_ac_refine(block, &mut eob_run, tokens));
            eob_run.flush(tokens);
        }
    }

    /// Calls `visit` for every block of the scan, in the order of the scan.
    #[inline(always)]
    fn for_each_block(&self, components: &[ComponentBlocks], mut visit: impl FnMut(usize, &Block)) {
        if let &[only] = self.components {
            let ComponentBlocks { blocks, blocks_per_row, blocks_wide, blocks_high, .. } = &components[only];
            for row in blocks.chunks_exact(*blocks_per_row).take(*blocks_high) {
                row[..*blocks_wide].iter().for_each(|block| visit(only, block));
            }
            return;
        }
        let mcus_wide = components[0].blocks_per_row / components[0].factor;
        let mcus_high = components[0].blocks.len() / components[0].blocks_per_row / components[0].factor;
        for (y, x) in (0..mcus_high).flat_map(|y| (0..mcus_wide).map(move |x| (y, x))) {
            for &index in self.components {
                let ComponentBlocks { blocks, blocks_per_row, factor, .. } = &components[index];
                for row in 0..*factor {
                    let at = (y * factor + row) * blocks_per_row + x * factor;
                    blocks[at..at + factor].iter().for_each(|block| visit(index, block));
                }
            }
        }
    }

    fn push_dc(&self, block: &Block, component: usize, predicted: &mut i32, tokens: &mut Tokens) {
        let value = i32::from(block.coefs[0]) >> self.low;
        if self.high > 0 {
            tokens.push_raw(value as u32 & 1, 1);
            return;
        }
        let difference = value - std::mem::replace(predicted, value);
        let n = bit_length(difference.unsigned_abs());
        tokens.push(TableId::Dc(component.min(1)), n as u8, value_bits(difference, n), n);
    }

    /// Returns a mask of those coefficients of the block that are nonzero and belong to the band of the scan.
    fn band(&self, block: &Block) -> u64 {
        block.nonzero >> self.first << self.first & u64::MAX >> (63 - self.last)
    }

    fn push_ac_first(&self, block: &Block, eob_run: &mut EobRun, tokens: &mut Tokens) {
        let mut remaining = self.band(block);
        let mut next = self.first;
        while remaining != 0 {
            let k = remaining.trailing_zeros() as usize;
            remaining &= remaining - 1;
            let value = i32::from(block.coefs[k]);
            let magnitude = value.unsigned_abs() >> self.low;
            if magnitude != 0 {
                eob_run.flush(tokens);
                let value = if value < 0 { -(magnitude as i32) } else { magnitude as i32 };
                push_coefficient(value, k - next, eob_run.table, tokens);
                next = k + 1;
            }
        }
        if next <= self.last {
            eob_run.add(&[], tokens);
        }
    }

    fn push_ac_refine(&self, block: &Block, eob_run: &mut EobRun, tokens: &mut Tokens) {
        let band = self.band(block);
        let magnitude = |k: usize| u32::from(block.coefs[k].unsigned_abs()) >> self.low;
        let mut last_new = 0;
        let mut remaining = band;
        while remaining != 0 {
            let k = remaining.trailing_zeros() as usize;
            remaining &= remaining - 1;
            if magnitude(k) == 1 {
                last_new = k;
            }
        }
        let (mut corrections, mut n_corrections) = ([0_u8; 64], 0);
        let mut n_zeros = 0;
        let mut next = self.first;
        let mut remaining = band;
        while remaining != 0 {
            let k = remaining.trailing_zeros() as usize;
            remaining &= remaining - 1;
            let magnitude = magnitude(k);
            if magnitude == 0 {
                continue;
            }
            n_zeros += k - next;
            next = k + 1;
            while n_zeros > 15 && k <= last_new {
                eob_run.flush(tokens);
                tokens.push(eob_run.table, 0xf0, 0, 0);
                n_zeros -= 16;
                push_bits(&corrections[..std::mem::take(&mut n_corrections)], tokens);
            }
            if magnitude > 1 {
                corrections[n_corrections] = magnitude as u8 & 1;
                n_corrections += 1;
                continue;
            }
            eob_run.flush(tokens);
            tokens.push(eob_run.table, (n_zeros << 4) as u8 | 1, u32::from(block.coefs[k] >= 0), 1);
            push_bits(&corrections[..std::mem::take(&mut n_corrections)], tokens);
            n_zeros = 0;
        }
        if n_zeros > 0 || next <= self.last || n_corrections > 0 {
            eob_run.add(&corrections[..n_corrections], tokens);
        }
    }
}

/// Appends the tokens of all AC coefficients of a block.
fn push_ac_sequential(block: &Block, table: TableId, tokens: &mut Tokens) {
    let mut remaining = block.nonzero & !1;
    let mut next = 1;
    while remaining != 0 {
        let k = remaining.trailing_zeros() as usize;
        remaining &= remaining - 1;
        push_coefficient(block.coefs[k].into(), k - next, table, tokens);
        next = k + 1;
    }
    if next < 64 {
        tokens.push(table, 0, 0, 0);
    }
}

/// Appends one token for a nonzero coefficient and for the run of zeros before the coefficient.
#[inline(always)]
fn push_coefficient(value: i32, mut n_zeros: usize, table: TableId, tokens: &mut Tokens) {
    while n_zeros > 15 {
        tokens.push(table, 0xf0, 0, 0);
        n_zeros -= 16;
    }
    let n = bit_length(value.unsigned_abs());
    tokens.push(table, (n_zeros as u32 * 16 + n) as u8, value_bits(value, n), n);
}

/// Appends correction bits, which have no symbol.
fn push_bits(bits: &[u8], tokens: &mut Tokens) {
    for bits in bits.chunks(16) {
        let joined = bits.iter().fold(0, |joined, &bit| joined << 1 | u32::from(bit));
        tokens.push_raw(joined, bits.len() as u32);
    }
}

/// An end-of-band run: consecutive blocks without new coefficients in a scan, and the correction bits of
/// these blocks.
struct EobRun {
    table: TableId,
    n_blocks: u32,
    corrections: Vec<u8>,
}

/// The longest end-of-band run, in blocks, for which T.81 has a symbol.
const MAX_RUN: u32 = 0x7fff;

/// If an end-of-band run has more correction bits than this number, the run is written. Other JPEG encoders
/// have the same limit, and decoders may rely on it.
const MAX_CORRECTIONS: usize = 1000 - 63;

impl EobRun {
    fn new(table: TableId) -> Self {
        Self { table, n_blocks: 0, corrections: Vec::new() }
    }

    /// Adds one block and its correction bits to the run.
    fn add(&mut self, corrections: &[u8], tokens: &mut Tokens) {
        self.n_blocks += 1;
        self.corrections.extend_from_slice(corrections);
        if self.n_blocks == MAX_RUN || self.corrections.len() > MAX_CORRECTIONS {
            self.flush(tokens);
        }
    }

    /// Writes the run if it has at least one block. Must be called before tokens that do not belong to the
    /// run are appended.
    fn flush(&mut self, tokens: &mut Tokens) {
        if self.n_blocks == 0 {
            return;
        }
        let n = bit_length(self.n_blocks) - 1;
        tokens.push(self.table, (n << 4) as u8, self.n_blocks & ((1 << n) - 1), n);
        self.n_blocks = 0;
        push_bits(&self.corrections, tokens);
        self.corrections.clear();
    }
}
