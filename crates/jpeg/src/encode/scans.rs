//! Which scans a file has, and the tokens of each (T.81 F.1.2 and annex G.1).

use super::blocks::{Block, Blocks};
use super::tokens::{Kind, Tokens};

/// A scan.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) components: &'static [usize],
    /// First and last coefficient.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The bit plane of the scan before, 0 for none, and its own.
    pub(super) high: u32,
    pub(super) low: u32,
}

/// The scans of a file.
#[derive(Debug)]
pub(super) struct Script(&'static [Step]);

const fn step(components: &'static [usize], (first, last): (usize, usize), (high, low): (u32, u32)) -> Step {
    Step { components, first, last, high, low }
}

const BASELINE_GRAY: &[Step] = &[step(&[0], (0, 63), (0, 0))];
const BASELINE: &[Step] = &[step(&[0, 1, 2], (0, 63), (0, 0))];

/// As the IJG library orders them: what is seen most comes first.
const PROGRESSIVE_GRAY: &[Step] = &[
    step(&[0], (0, 0), (0, 1)),
    step(&[0], (1, 5), (0, 2)),
    step(&[0], (6, 63), (0, 2)),
    step(&[0], (1, 63), (2, 1)),
    step(&[0], (0, 0), (1, 0)),
    step(&[0], (1, 63), (1, 0)),
];
const PROGRESSIVE: &[Step] = &[
    step(&[0, 1, 2], (0, 0), (0, 1)),
    step(&[0], (1, 5), (0, 2)),
    step(&[2], (1, 63), (0, 1)),
    step(&[1], (1, 63), (0, 1)),
    step(&[0], (6, 63), (0, 2)),
    step(&[0], (1, 63), (2, 1)),
    step(&[0, 1, 2], (0, 0), (1, 0)),
    step(&[2], (1, 63), (1, 0)),
    step(&[1], (1, 63), (1, 0)),
    step(&[0], (1, 63), (1, 0)),
];

impl Script {
    pub(super) fn baseline(n_components: usize) -> Self {
        Self(if n_components == 1 { BASELINE_GRAY } else { BASELINE })
    }

    pub(super) fn progressive(n_components: usize) -> Self {
        Self(if n_components == 1 { PROGRESSIVE_GRAY } else { PROGRESSIVE })
    }

    pub(super) fn steps(&self) -> &'static [Step] {
        self.0
    }
}

/// Bits needed for a number.
fn size(magnitude: u32) -> u32 {
    32 - magnitude.leading_zeros()
}

/// The bits of a value that has `n`: negative ones have theirs inverted (T.81 F.1.2.1).
fn value_bits(value: i32, n: u32) -> u32 {
    (value + (value >> 31)) as u32 & ((1 << n) - 1)
}

impl Step {
    /// Everything the scan says.
    pub(super) fn tokens(&self, components: &[Blocks], tokens: &mut Tokens) {
        if self.first == 0 {
            let mut predicted = [0; 3];
            self.each(components, |component, block| {
                self.dc(block, component, &mut predicted[component], tokens);
                if self.last > 0 {
                    ac_whole(block, Kind::Ac(component.min(1)), tokens);
                }
            });
        } else if self.high == 0 {
            let mut run = EmptyRun::new(Kind::Ac(self.components[0].min(1)));
            self.each(components, |_, block| self.ac_first(block, &mut run, tokens));
            run.end(tokens);
        } else {
            let mut run = EmptyRun::new(Kind::Ac(self.components[0].min(1)));
            self.each(components, |_, block| self.ac_refine(block, &mut run, tokens));
            run.end(tokens);
        }
    }

    /// Calls `take` with every block of the scan, in its order.
    #[inline(always)]
    fn each(&self, components: &[Blocks], mut take: impl FnMut(usize, &Block)) {
        if let &[only] = self.components {
            let Blocks { blocks, per_row, wide, high, .. } = &components[only];
            for row in blocks.chunks_exact(*per_row).take(*high) {
                row[..*wide].iter().for_each(|block| take(only, block));
            }
            return;
        }
        let mcus_wide = components[0].per_row / components[0].factor;
        let mcus_high = components[0].blocks.len() / components[0].per_row / components[0].factor;
        for (y, x) in (0..mcus_high).flat_map(|y| (0..mcus_wide).map(move |x| (y, x))) {
            for &index in self.components {
                let Blocks { blocks, per_row, factor, .. } = &components[index];
                for row in 0..*factor {
                    let at = (y * factor + row) * per_row + x * factor;
                    blocks[at..at + factor].iter().for_each(|block| take(index, block));
                }
            }
        }
    }

    fn dc(&self, block: &Block, component: usize, predicted: &mut i32, tokens: &mut Tokens) {
        let value = i32::from(block.coefs[0]) >> self.low;
        if self.high > 0 {
            tokens.push_raw(value as u32 & 1, 1);
            return;
        }
        let difference = value - std::mem::replace(predicted, value);
        let n = size(difference.unsigned_abs());
        tokens.push(Kind::Dc(component.min(1)), n as u8, value_bits(difference, n), n);
    }

    /// The block's coefficients in the band of the scan, as bits.
    fn band(&self, block: &Block) -> u64 {
        block.nonzero >> self.first << self.first & u64::MAX >> (63 - self.last)
    }

    fn ac_first(&self, block: &Block, run: &mut EmptyRun, tokens: &mut Tokens) {
        let mut left = self.band(block);
        let mut next = self.first;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            left &= left - 1;
            let value = i32::from(block.coefs[k]);
            let magnitude = value.unsigned_abs() >> self.low;
            if magnitude != 0 {
                run.end(tokens);
                let value = if value < 0 { -(magnitude as i32) } else { magnitude as i32 };
                coefficient(value, k - next, run.kind, tokens);
                next = k + 1;
            }
        }
        if next <= self.last {
            run.add(&[], tokens);
        }
    }

    fn ac_refine(&self, block: &Block, run: &mut EmptyRun, tokens: &mut Tokens) {
        let band = self.band(block);
        let magnitude = |k: usize| u32::from(block.coefs[k].unsigned_abs()) >> self.low;
        let mut last_new = 0;
        let mut left = band;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            left &= left - 1;
            if magnitude(k) == 1 {
                last_new = k;
            }
        }
        let (mut corrections, mut n_corrections) = ([0_u8; 64], 0);
        let mut n_zeros = 0;
        let mut next = self.first;
        let mut left = band;
        while left != 0 {
            let k = left.trailing_zeros() as usize;
            left &= left - 1;
            let magnitude = magnitude(k);
            if magnitude == 0 {
                continue;
            }
            n_zeros += k - next;
            next = k + 1;
            while n_zeros > 15 && k <= last_new {
                run.end(tokens);
                tokens.push(run.kind, 0xf0, 0, 0);
                n_zeros -= 16;
                push_bits(&corrections[..std::mem::take(&mut n_corrections)], tokens);
            }
            if magnitude > 1 {
                corrections[n_corrections] = magnitude as u8 & 1;
                n_corrections += 1;
                continue;
            }
            run.end(tokens);
            tokens.push(run.kind, (n_zeros << 4) as u8 | 1, u32::from(block.coefs[k] >= 0), 1);
            push_bits(&corrections[..std::mem::take(&mut n_corrections)], tokens);
            n_zeros = 0;
        }
        if n_zeros > 0 || next <= self.last || n_corrections > 0 {
            run.add(&corrections[..n_corrections], tokens);
        }
    }
}

/// The coefficients of a whole block behind the first.
fn ac_whole(block: &Block, kind: Kind, tokens: &mut Tokens) {
    let mut left = block.nonzero & !1;
    let mut next = 1;
    while left != 0 {
        let k = left.trailing_zeros() as usize;
        left &= left - 1;
        coefficient(block.coefs[k].into(), k - next, kind, tokens);
        next = k + 1;
    }
    if next < 64 {
        tokens.push(kind, 0, 0, 0);
    }
}

/// A coefficient behind zeros.
#[inline(always)]
fn coefficient(value: i32, mut n_zeros: usize, kind: Kind, tokens: &mut Tokens) {
    while n_zeros > 15 {
        tokens.push(kind, 0xf0, 0, 0);
        n_zeros -= 16;
    }
    let n = size(value.unsigned_abs());
    tokens.push(kind, (n_zeros as u32 * 16 + n) as u8, value_bits(value, n), n);
}

/// Single bits.
fn push_bits(bits: &[u8], tokens: &mut Tokens) {
    for bits in bits.chunks(16) {
        let joined = bits.iter().fold(0, |joined, &bit| joined << 1 | u32::from(bit));
        tokens.push_raw(joined, bits.len() as u32);
    }
}

/// Blocks in a row that say nothing more in a scan, and the corrections that belong to them.
struct EmptyRun {
    kind: Kind,
    n_blocks: u32,
    corrections: Vec<u8>,
}

/// The longest run that has a symbol.
const MAX_RUN: u32 = 0x7fff;

/// As with the common libraries, whose decoders may count on it.
const MAX_CORRECTIONS: usize = 1000 - 63;

impl EmptyRun {
    fn new(kind: Kind) -> Self {
        Self { kind, n_blocks: 0, corrections: Vec::new() }
    }

    /// One block more.
    fn add(&mut self, corrections: &[u8], tokens: &mut Tokens) {
        self.n_blocks += 1;
        self.corrections.extend_from_slice(corrections);
        if self.n_blocks == MAX_RUN || self.corrections.len() > MAX_CORRECTIONS {
            self.end(tokens);
        }
    }

    /// Something else comes.
    fn end(&mut self, tokens: &mut Tokens) {
        if self.n_blocks == 0 {
            return;
        }
        let n = size(self.n_blocks) - 1;
        tokens.push(self.kind, (n << 4) as u8, self.n_blocks & ((1 << n) - 1), n);
        self.n_blocks = 0;
        push_bits(&self.corrections, tokens);
        self.corrections.clear();
    }
}
