//! The loop that decodes the blocks of eight MCUs of a sequential scan, step by step.

use std::hint::select_unpredictable;

use super::idct::BATCH_BLOCKS;
use super::steps::{Position, StepTable, StepTables};
use super::unstuffed::Bits;

/// For each block of eight MCUs, the tables of its component and its place in the batch.
pub(super) struct Blocks<'t> {
    n: usize,
    start: [Position; BATCH_BLOCKS + 1],
    last_needed: [Position; BATCH_BLOCKS],
    start_tables: [&'t StepTable; BATCH_BLOCKS + 1],
    needed: [&'t StepTable; BATCH_BLOCKS + 1],
    skipped: [&'t StepTable; BATCH_BLOCKS + 1],
}

impl<'t> Blocks<'t> {
    /// `blocks` has the column of each block in the batch, the last coefficient on which its samples depend, and
    /// its tables. There are 1 to [`BATCH_BLOCKS`] blocks.
    pub(super) fn new(blocks: impl ExactSizeIterator<Item = (usize, usize, &'t StepTables)> + Clone) -> Self {
        let n = blocks.len();
        let (_, _, any) = blocks.clone().next().expect("a scan has blocks");
        let mut all = Self {
            n,
            start: [Position::start_of(0); _],
            last_needed: [Position::threshold(0); _],
            start_tables: [&any.start; _],
            needed: [&any.needed; _],
            skipped: [&any.skipped; _],
        };
        for (i, (column, last_needed, tables)) in blocks.enumerate() {
            all.start[i] = Position::start_of(column);
            all.last_needed[i] = Position::threshold(last_needed);
            all.start_tables[i] = &tables.start;
            all.needed[i] = &tables.needed;
            all.skipped[i] = &tables.skipped;
        }
        all
    }

    /// Returns the state at the position `k` of the block with this index.
    pub(super) fn at(&self, index: usize, k: usize) -> State<'t> {
        let position = self.start[index].plus(k);
        let (needed, skipped) = (self.needed[index], self.skipped[index]);
        let table = match k {
            0 => self.start_tables[index],
            _ if position.is_at_least(self.last_needed[index].next()) => skipped,
            _ => needed,
        };
        State { index, position, table, needed, skipped }
    }
}

/// The state of the loop that decodes blocks.
#[derive(Clone, Copy)]
pub(super) struct State<'t> {
    /// The index of the block.
    pub(super) index: usize,
    /// The position of the next coefficient.
    pub(super) position: Position,
    /// The table for the next step.
    table: &'t StepTable,
    /// The tables for the AC coefficients of the block. They are part of the state because the compiler would
    /// otherwise select an address and then load the table from there, which delays each step by a load.
    needed: &'t StepTable,
    skipped: &'t StepTable,
}

impl<'t> State<'t> {
    /// Decodes a step. Returns `None` and changes nothing if its code needs the slow method.
    ///
    /// A step has no branch that depends on the data, except the rare one of the slow method: the processor
    /// would guess the end of each block wrongly.
    #[inline(always)]
    fn step(
        &mut self,
        bits: &mut Bits,
        blocks: &Blocks<'t>,
        coefs: &mut [i16; 64 * BATCH_BLOCKS],
    ) -> Option<()> {
        let (current, index) = (self.position, self.index);
        let step = self.table.get(bits.window());
        let last = step.last_position(current);
        if last.is_invalid() {
            return None;
        }
        coefs[step.first_position(current).index()] = step.first_value();
        coefs[last.index()] = step.last_value(bits.window());
        bits.consume(step.total());
        let ends_block = last.ends_block();
        let is_skipped = last.is_at_least(blocks.last_needed[index]);
        let ac = select_unpredictable(is_skipped, self.skipped, self.needed);
        self.table = select_unpredictable(ends_block, blocks.start_tables[index + 1], ac);
        self.position = select_unpredictable(ends_block, blocks.start[index + 1], last.next());
        self.needed = select_unpredictable(ends_block, blocks.needed[index + 1], self.needed);
        self.skipped = select_unpredictable(ends_block, blocks.skipped[index + 1], self.skipped);
        self.index += usize::from(ends_block);
        Some(())
    }
}

/// Decodes blocks up to the block `end`, or to a code that needs the slow method, or until `data` is nearly empty.
#[inline(never)]
pub(super) fn decode_steps<'t>(
    blocks: &Blocks<'t>,
    end: usize,
    data: &[u8],
    bits: &mut Bits,
    coefs: &mut [i16; 64 * BATCH_BLOCKS],
    state: &mut State<'t>,
) {
    let end = end.min(blocks.n).min(BATCH_BLOCKS);
    let (mut own_bits, mut own_state) = (*bits, *state);
    while own_state.index < end && own_bits.refill(data).is_some() {
        // After a refill, the window has the bits of two steps.
        if own_state.step(&mut own_bits, blocks, coefs).is_none()
            || own_state.index == end
            || own_state.step(&mut own_bits, blocks, coefs).is_none()
        {
            break;
        }
    }
    (*bits, *state) = (own_bits, own_state);
}
