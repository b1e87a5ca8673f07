//! Lookup tables for the loop that decodes the blocks of sequential scans. One entry, which is called a step,
//! covers up to two coefficients, or any number of coefficients that no sample needs.

use super::huffman::{CodedValue, HuffmanTable};

/// The number of index bits of each table.
pub(super) const BITS: u32 = 11;

/// The number of entries of each table.
pub(super) const SIZE: usize = 1 << BITS;

/// By how much the code that ends a block increases the position. The new position is beyond the last coefficient of
/// every block.
const END: u32 = 128;

/// What the next bits of the data stand for: a first value that the entry contains, which is optional, and a
/// last code, whose value follows the code in the data. Positions count from the current coefficient.
///
/// The bytes of the entry are, from the lowest to the highest: the number of bits of all codes and values, the
/// number of bits of the last value, the advance of all codes, the number of coefficients before the last
/// code, the position of the first value, an unused byte, and the first value (two bytes).
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(u64);

impl Step {
    /// An entry for bits that do not determine a code. Its number of coefficients before the last code is too
    /// large for a block.
    const UNKNOWN: Self = Self(255 << 24);

    fn new(first: Option<(CodedValue, i32)>, n_before_last: u32, last: CodedValue, advance: u32) -> Self {
        let (total, place, value) = match first {
            Some((first, value)) => (first.total + last.total, n_before_last - 1, value),
            None => (last.total, END, 0),
        };
        let bytes = [total, last.size, n_before_last + advance, n_before_last, place];
        let packed = bytes.iter().rev().fold(0, |packed, &byte| packed << 8 | u64::from(byte));
        Self(packed | u64::from(value as u16) << 48)
    }

    /// Returns the number of bits of all codes and values together.
    #[inline(always)]
    pub(super) fn total(self) -> u32 {
        (self.0 & 63) as u32
    }

    /// Returns the number of coefficients before the last code.
    #[inline(always)]
    pub(super) fn n_before_last(self) -> u32 {
        u32::from((self.0 >> 24) as u8)
    }

    /// Returns the number of coefficients that all codes stand for. The code that ends a block stands for 128.
    #[inline(always)]
    pub(super) fn advance(self) -> u32 {
        u32::from((self.0 >> 16) as u8)
    }

    /// Returns the position of the first value, or 128 if there is none.
    #[inline(always)]
    pub(super) fn first_place(self) -> u32 {
        u32::from((self.0 >> 32) as u8)
    }

    /// Returns the first value.
    #[inline(always)]
    pub(super) fn first_value(self) -> i16 {
        (self.0 >> 48) as i16
    }

    /// Returns the value of the last code. `window` begins with the bits of the first code.
    #[inline(always)]
    pub(super) fn last_value(self, window: u64) -> i16 {
        let size = u32::from((self.0 >> 8) as u8);
        CodedValue { total: self.total(), size, run: 0 }.value(window) as i16
    }
}

/// Appends three tables to `steps`, for the positions where a block begins, where an AC coefficient is needed,
/// and where no more coefficient is needed.
pub(super) fn push_tables(dc: &HuffmanTable, ac: &HuffmanTable, steps: &mut Vec<Step>) {
    let windows = || (0..SIZE as u64).map(|index| index << (64 - BITS));
    steps.extend(windows().map(|window| step(dc, |_| 1, ac, window)));
    steps.extend(windows().map(|window| step(ac, advance, ac, window)));
    steps.extend(windows().map(|window| skipping_step(ac, window)));
}

/// Returns the number of coefficients that an AC code stands for.
fn advance(coded: CodedValue) -> u32 {
    if coded.ends_block() { END } else { coded.run + 1 }
}

/// Returns the code at the start of `window` if its first `n_known` bits determine the code.
fn known_code(table: &HuffmanTable, window: u64, n_known: u32) -> Option<CodedValue> {
    let coded = table.lookup(window);
    (coded.total - coded.size <= n_known).then_some(coded)
}

/// Finds one or two codes at the start of `window`. The first code is in `table`, the second one in `ac`.
fn step(table: &HuffmanTable, first_advance: fn(CodedValue) -> u32, ac: &HuffmanTable, window: u64) -> Step {
    let Some(first) = known_code(table, window, BITS) else { return Step::UNKNOWN };
    let n_first = first_advance(first);
    let second = match BITS.checked_sub(first.total) {
        Some(n_known) if n_first < 64 => known_code(ac, window << first.total, n_known),
        _ => None,
    };
    match second {
        Some(second) => Step::new(Some((first, first.value(window))), n_first, second, advance(second)),
        None => Step::new(None, 0, first, n_first),
    }
}

/// Finds as many codes as possible at the start of `window`. Their values are not needed.
fn skipping_step(ac: &HuffmanTable, window: u64) -> Step {
    let (mut total, mut n_passed, mut step) = (0, 0, Step::UNKNOWN);
    while total < BITS && n_passed < 64 {
        let Some(coded) = known_code(ac, window << total, BITS - total) else { break };
        total += coded.total;
        step = Step::new(None, n_passed, CodedValue { total, size: 0, run: 0 }, advance(coded));
        n_passed += advance(coded);
    }
    step
}
