//! Huffman decoding (T.81 annex C and F.2.2.3) with lookup tables. One lookup returns everything that the
//! decoder needs for a coefficient: the run of zeros before the coefficient, the number of bits of its value,
//! and the total number of bits of code and value.

use super::bits::BitReader;
use crate::Error;
use crate::tables::HuffmanSpec;

/// The number of index bits of the lookup table for single codes. Longer codes are rare.
const LOOKUP_BITS: u32 = 10;

/// One Huffman code and the value that follows the code. For a coefficient, the symbol of the code contains a
/// run of zeros and the size of the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodedValue {
    /// The number of bits of the code and the value together.
    pub(super) total: u32,
    /// The number of bits of the value.
    pub(super) size: u32,
    /// The number of zero coefficients before the value.
    pub(super) run: u32,
}

/// A [`CodedValue`] in 16 bits: `total` in 5 bits, `size` in 4 bits and `run` in 4 bits. All 16 bits are 0 if
/// the code is longer than the index of the lookup table.
#[derive(Debug, Clone, Copy, Default)]
struct PackedCode(u16);

impl PackedCode {
    fn new(coded: CodedValue) -> Self {
        Self((coded.total | coded.size << 5 | coded.run << 9) as u16)
    }

    #[inline(always)]
    fn unpack(self) -> CodedValue {
        let bits = u32::from(self.0);
        CodedValue { total: bits & 31, size: bits >> 5 & 15, run: bits >> 9 & 15 }
    }
}

/// One Huffman table in the form that the decoder uses.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    lookup: Box<[PackedCode; 1 << LOOKUP_BITS]>,
    /// For each code length, two numbers: the upper limit of the codes, left-aligned in 16 bits, and the
    /// offset that converts a code to the index of its symbol.
    code_limits: [u32; 17],
    symbol_offsets: [i32; 17],
    symbols: [u8; 256],
}

impl HuffmanTable {
    /// Builds the lookup tables. Fails if the table has more codes of a length than are possible.
    pub(super) fn new(spec: HuffmanSpec<'_>) -> Result<Self, Error> {
        let mut table = Self {
            lookup: Box::new([PackedCode::default(); 1 << LOOKUP_BITS]),
            code_limits: [0; 17],
            symbol_offsets: [0; 17],
            symbols: [0; 256],
        };
        let symbols = table.symbols.get_mut(..spec.symbols.len());
        symbols.ok_or(Error::Corrupt("a Huffman table has too many symbols"))?.copy_from_slice(spec.symbols);
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(&spec.counts) {
            let count = u32::from(count);
            if code + count > 1 << length {
                return Err(Error::Corrupt("a Huffman table has more codes of a length than there are"));
            }
            table.symbol_offsets[length as usize] = index as i32 - code as i32;
            for code in code..code + count {
                let symbol = *spec.symbols.get(index).ok_or(Error::Corrupt("a Huffman table is cut off"))?;
                table.insert(code, length, symbol);
                index += 1;
            }
            code += count;
            table.code_limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn insert(&mut self, code: u32, length: u32, symbol: u8) {
        if let Some(free) = LOOKUP_BITS.checked_sub(length) {
            let first = (code << free) as usize;
            self.lookup[first..first + (1 << free)].fill(PackedCode::new(CodedValue::new(length, symbol)));
        }
    }

    /// Returns the code at the start of `window`, with the run and the size of the value that follows.
    #[inline(always)]
    pub(super) fn lookup(&self, window: u64) -> CodedValue {
        let coded = self.lookup[(window >> (64 - LOOKUP_BITS)) as usize];
        if coded.0 == 0 { self.lookup_long(window) } else { coded.unpack() }
    }

    /// Finds a code that is longer than [`LOOKUP_BITS`]. An unassigned code counts as a 16-bit code for the
    /// symbol 0, as in other JPEG libraries.
    #[cold]
    #[inline(never)]
    fn lookup_long(&self, window: u64) -> CodedValue {
        let top = (window >> 48) as u32;
        for length in LOOKUP_BITS + 1..=16 {
            if top < self.code_limits[length as usize] {
                let index = (top >> (16 - length)) as i32 + self.symbol_offsets[length as usize];
                return CodedValue::new(length, self.symbols[index as usize & 255]);
            }
        }
        CodedValue::new(16, 0)
    }

    /// Consumes the next code, which has no value after it. Returns the run and the size that the symbol of
    /// the code contains.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut BitReader<'_>) -> (u32, u32) {
        bits.refill_for_one();
        let coded = self.lookup(bits.window());
        bits.consume(coded.total - coded.size);
        (coded.run, coded.size)
    }
}

impl CodedValue {
    /// Creates the entry of the lookup table for a code of the given length. The symbol contains the run and
    /// the size.
    fn new(length: u32, symbol: u8) -> Self {
        let size = u32::from(symbol & 15);
        Self { total: length + size, size, run: u32::from(symbol >> 4) }
    }

    /// Whether this code ends the block, so that no more coefficients follow. Every code without a value ends
    /// the block, except a run of 15, which means 16 zero coefficients.
    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.size == 0 && self.run != 15
    }

    /// Extracts the value that follows the code at the start of `window`. By T.81 table F.1, a value whose
    /// first bit is 1 is positive, and a value whose first bit is 0 is negative.
    #[inline(always)]
    pub(super) fn value(self, window: u64) -> i32 {
        let bits = window << (self.total - self.size);
        let value = (bits >> 1 >> (63 - self.size)) as i32;
        let negative = i32::from(bits >> 63 == 0);
        // If the size is 0, then `value` is 0 and `negative` is 0 or 1. The result is 0 in both cases,
        // because `(1 << 0) - 1` is 0.
        value - negative * ((1 << self.size) - 1)
    }
}
