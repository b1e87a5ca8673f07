//! Lookup tables for the loop that decodes the blocks of sequential scans. One entry, which is called a step,
//! covers up to two coefficients, or any number of coefficients that no sample needs.

use super::huffman::{CodedValue, HuffmanTable};
use super::idct::BATCH_BLOCKS;

/// The number of index bits of each table.
const INDEX_BITS: u32 = 10;

/// The number of entries of each table.
const SIZE: usize = 1 << INDEX_BITS;

/// The largest number of bits of a step. A reader with 56 valid bits has enough for two steps.
const MAX_BITS: u32 = 28;

/// The number of bits of a [`Position`] below the position of the coefficient.
const BLOCK_BITS: u32 = BATCH_BLOCKS.ilog2();

/// The place of a coefficient: the number of its block in a batch in the lowest bits, and above it the position
/// in the block, in zigzag order. This is the index of the coefficient in a batch. By a step, a position can
/// become invalid ([`Position::is_invalid`]), or end its block ([`Position::ends_block`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct Position(u32);

impl Position {
    /// Set if a position is greater than 63. Each entry that must not be used sets this bit.
    const INVALID: u32 = 64;

    /// Set by the code that ends a block.
    const END: u32 = 128;

    /// The position of the first coefficient of a block.
    pub(super) const fn start_of(block: usize) -> Self {
        Self(block as u32)
    }

    /// The first position of any block at which the coefficient `k` or a later one was decoded. For
    /// [`Position::is_at_least`].
    pub(super) const fn threshold(k: usize) -> Self {
        Self((k as u32) << BLOCK_BITS)
    }

    /// Returns the position `k` coefficients further in the same block.
    pub(super) fn plus(self, k: usize) -> Self {
        Self(self.0 + ((k as u32) << BLOCK_BITS))
    }

    /// Returns the number of the coefficient in its block.
    pub(super) fn k(self) -> usize {
        (self.0 >> BLOCK_BITS) as usize
    }

    /// Returns the index of the coefficient in a batch.
    #[inline(always)]
    pub(super) fn index(self) -> usize {
        self.0 as usize % (64 * BATCH_BLOCKS)
    }

    /// Returns whether a step led behind the last coefficient, or has no known code.
    #[inline(always)]
    pub(super) fn is_invalid(self) -> bool {
        self.0 & Self::INVALID << BLOCK_BITS != 0
    }

    /// Returns whether the coefficient at this position, which was decoded last, is that of the threshold or a
    /// later one.
    #[inline(always)]
    pub(super) fn is_at_least(self, threshold: Self) -> bool {
        self.0 >= threshold.0
    }

    /// Returns whether the block ends with the code for this position.
    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.is_at_least(Self::threshold(63))
    }

    /// Returns the position of the next coefficient of the block.
    #[inline(always)]
    pub(super) fn next(self) -> Self {
        Self(self.0 + (1 << BLOCK_BITS))
    }
}

/// What the next bits of the data stand for: a first value, which the entry contains, and a last code, whose
/// value follows the code in the data. Positions count from the current coefficient.
///
/// If there is no first value, it is 0 and belongs to the current coefficient. The value of a code that ends the
/// block is 0 and belongs to the coefficient after the previous one. Writing these values changes nothing,
/// because the coefficients are already zero, or because the last value replaces the first one.
///
/// The bits of the entry, from the lowest on, are:
///
/// - 0–5: the number of bits of all codes and values
/// - 7–10: the position of the first value, in the form of [`Position`]
/// - 16–26: a mask of as many bits as the last value has
/// - 32–47: the first value
/// - 56–63: the position of the last value, with [`Position::INVALID`] and [`Position::END`]
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(u64);

impl Step {
    /// An entry for bits that do not determine a code.
    const UNKNOWN: Self = Self((Position::INVALID as u64) << 56);

    fn new(first: Option<(CodedValue, i32)>, n_before_last: u32, last: CodedValue, last_place: u32) -> Self {
        let (total, first_place, value) = match first {
            Some((first, value)) => (first.total + last.total, n_before_last - 1, value),
            None => (last.total, 0, 0),
        };
        let (mask, place) = ((1_u64 << last.size) - 1, n_before_last + last_place);
        if total > MAX_BITS || mask > 0x7ff || first_place > 15 || place & Self::UNKNOWN.place() != 0 {
            return Self::UNKNOWN;
        }
        let small = u64::from(total) | u64::from(first_place) << BLOCK_BITS;
        Self(small | mask << 16 | u64::from(value as u16) << 32 | u64::from(place) << 56)
    }

    fn place(self) -> u32 {
        (self.0 >> 56) as u32
    }

    /// Returns the number of bits of all codes and values together, in the lowest six bits. The other bits have
    /// no meaning.
    #[inline(always)]
    pub(super) fn total(self) -> u32 {
        self.0 as u32
    }

    /// Returns the position of the first value, if `current` is the current position.
    #[inline(always)]
    pub(super) fn first_position(self, current: Position) -> Position {
        Position(current.0 + (self.0 as u32 & 15 << BLOCK_BITS))
    }

    /// Returns the position of the last value, if `current` is the current position.
    #[inline(always)]
    pub(super) fn last_position(self, current: Position) -> Position {
        Position(current.0 + (self.0 >> (56 - BLOCK_BITS)) as u32)
    }

    /// Returns the first value.
    #[inline(always)]
    pub(super) fn first_value(self) -> i16 {
        (self.0 >> 32) as i16
    }

    /// Returns the value of the last code (T.81 table F.1). `window` begins with the bits of the first code.
    #[inline(always)]
    pub(super) fn last_value(self, window: u64) -> i16 {
        let mask = (self.0 >> 16) as u32 & 0x7ff;
        let bits = window.rotate_left(self.total() & 63) as u32 & mask;
        let offset = if bits <= mask >> 1 { mask } else { 0 };
        bits.wrapping_sub(offset) as i16
    }
}

/// The steps for all windows, by their first bits.
#[derive(Debug)]
pub(super) struct StepTable([Step; SIZE]);

impl StepTable {
    const EMPTY: Self = Self([Step::UNKNOWN; SIZE]);

    fn fill(&mut self, step: impl Fn(u64) -> Step) {
        for (index, entry) in self.0.iter_mut().enumerate() {
            *entry = step((index as u64) << (64 - INDEX_BITS));
        }
    }

    /// Returns the step for the first bits of `window`.
    #[inline(always)]
    pub(super) fn get(&self, window: u64) -> Step {
        self.0[(window >> (64 - INDEX_BITS)) as usize]
    }
}

/// The tables for the blocks of a component.
#[derive(Debug)]
pub(super) struct StepTables {
    /// The table for the start of a block.
    pub(super) start: StepTable,
    /// The table for AC coefficients that are needed.
    pub(super) needed: StepTable,
    /// The table for AC coefficients that are not needed.
    pub(super) skipped: StepTable,
}

impl StepTables {
    pub(super) fn new(dc: &HuffmanTable, ac: &HuffmanTable) -> Box<Self> {
        let mut tables =
            Box::new(Self { start: StepTable::EMPTY, needed: StepTable::EMPTY, skipped: StepTable::EMPTY });
        tables.start.fill(|window| dc_step(dc, ac, window));
        tables.needed.fill(|window| ac_step(ac, window));
        tables.skipped.fill(|window| skipping_step(ac, window));
        tables
    }
}

/// Returns the position of the coefficient that belongs to an AC code.
fn place(coded: CodedValue) -> u32 {
    if coded.ends_block() { Position::END } else { coded.run }
}

/// Returns the code at the start of `window` if its first `n_known` bits determine the code.
fn known_code(table: &HuffmanTable, window: u64, n_known: u32) -> Option<CodedValue> {
    let coded = table.lookup(window);
    (coded.total - coded.size <= n_known).then_some(coded)
}

/// Finds a DC code and perhaps an AC code at the start of `window`. The run in the symbol of a DC code has no
/// meaning.
fn dc_step(dc: &HuffmanTable, ac: &HuffmanTable, window: u64) -> Step {
    let Some(first) = known_code(dc, window, INDEX_BITS) else { return Step::UNKNOWN };
    match second_code(first, ac, window) {
        Some(second) => Step::new(Some((first, first.value(window))), 1, second, place(second)),
        None => Step::new(None, 0, first, 0),
    }
}

/// Finds one or two AC codes at the start of `window`.
fn ac_step(ac: &HuffmanTable, window: u64) -> Step {
    let Some(first) = known_code(ac, window, INDEX_BITS) else { return Step::UNKNOWN };
    match second_code(first, ac, window) {
        Some(second) if !first.ends_block() => {
            Step::new(Some((first, first.value(window))), first.run + 1, second, place(second))
        }
        _ => Step::new(None, 0, first, place(first)),
    }
}

/// Finds an AC code behind the code `first` and its value.
fn second_code(first: CodedValue, ac: &HuffmanTable, window: u64) -> Option<CodedValue> {
    let n_known = INDEX_BITS.checked_sub(first.total)?;
    known_code(ac, window << first.total, n_known)
}

/// Finds as many AC codes as possible at the start of `window`. Their values are not needed.
fn skipping_step(ac: &HuffmanTable, window: u64) -> Step {
    let (mut total, mut n_passed, mut step) = (0, 0, Step::UNKNOWN);
    while total < INDEX_BITS {
        let Some(coded) = known_code(ac, window << total, INDEX_BITS - total) else { break };
        if n_passed + coded.run > 62 {
            break;
        }
        total += coded.total;
        step = Step::new(None, n_passed, CodedValue { total, size: 0, run: 0 }, place(coded));
        if coded.ends_block() {
            break;
        }
        n_passed += coded.run + 1;
    }
    step
}
