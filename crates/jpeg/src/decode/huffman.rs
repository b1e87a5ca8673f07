//! Huffman codes (T.81 annex C and F.2.2.3) as tables that answer with everything a coefficient needs at once: how
//! many zeros precede it, how many bits its value has, and how many bits code and value take together.

use super::bits::Bits;
use crate::Error;
use crate::tables::Codes;

/// Bits that the table of single codes is indexed by. Longer codes are rare.
const LOOK: u32 = 10;

/// Bits that the table of skipped codes is indexed by.
const SKIP: u32 = 12;

/// One code with the value behind it. For a coefficient, the symbol is a run of zeros and a size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded {
    /// Bits of code and value.
    pub(super) total: u32,
    /// Bits of the value.
    pub(super) size: u32,
    /// Zeros before it.
    pub(super) run: u32,
}

/// Total, size and run in 5, 4 and 4 bits; 0 for codes that are longer than the index.
#[derive(Debug, Clone, Copy, Default)]
struct Packed(u16);

impl Packed {
    fn new(coded: Coded) -> Self {
        Self((coded.total | coded.size << 5 | coded.run << 9) as u16)
    }

    #[inline(always)]
    fn unpack(self) -> Coded {
        let bits = u32::from(self.0);
        Coded { total: bits & 31, size: bits >> 5 & 15, run: bits >> 9 & 15 }
    }
}

/// Several codes in a row whose values nobody wants: their bits, how far they lead in the block, whether it ends. In 5,
/// 7 and 1 bits; 0 when not even one code fits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Skipped(u16);

impl Skipped {
    /// Bits of all codes and values.
    #[inline(always)]
    pub(super) fn total(self) -> u32 {
        u32::from(self.0) & 31
    }

    /// Coefficients passed; the end of a block counts as one.
    #[inline(always)]
    pub(super) fn n_passed(self) -> usize {
        usize::from(self.0 >> 5 & 127)
    }

    /// Whether the last code ends the block.
    #[inline(always)]
    pub(super) fn ends(self) -> bool {
        self.0 >> 12 != 0
    }
}

/// One table, ready for use.
#[derive(Debug, Clone)]
pub(super) struct Huffman {
    look: Box<[Packed; 1 << LOOK]>,
    /// Where the codes of each length end, as 16 bits from the top; and what leads from a code to its symbol.
    limits: [u32; 17],
    offsets: [i32; 17],
    symbols: [u8; 256],
    skip: Option<Box<[Skipped; 1 << SKIP]>>,
}

impl Huffman {
    /// Numbers the codes. Fails when there are more of a length than fit.
    pub(super) fn new(codes: Codes<'_>) -> Result<Self, Error> {
        let mut table = Self {
            look: Box::new([Packed::default(); 1 << LOOK]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            skip: None,
        };
        let symbols = table.symbols.get_mut(..codes.symbols.len());
        symbols.ok_or(Error::Corrupt("a Huffman table has too many symbols"))?.copy_from_slice(codes.symbols);
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(&codes.counts) {
            let count = u32::from(count);
            if code + count > 1 << length {
                return Err(Error::Corrupt("a Huffman table has more codes of a length than there are"));
            }
            table.offsets[length as usize] = index as i32 - code as i32;
            for code in code..code + count {
                let symbol = *codes.symbols.get(index).ok_or(Error::Corrupt("a Huffman table is cut off"))?;
                table.enter(code, length, symbol);
                index += 1;
            }
            code += count;
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        if let Some(free) = LOOK.checked_sub(length) {
            let first = (code << free) as usize;
            self.look[first..first + (1 << free)].fill(Packed::new(Coded::of(length, symbol)));
        }
    }

    /// The code at the top of the window.
    #[inline(always)]
    pub(super) fn look(&self, window: u64) -> Coded {
        let coded = self.look[(window >> (64 - LOOK)) as usize];
        if coded.0 == 0 { self.look_longer(window) } else { coded.unpack() }
    }

    /// A code that is longer than `LOOK`. One that does not exist counts as one for the symbol 0, as with the common
    /// libraries.
    #[cold]
    #[inline(never)]
    fn look_longer(&self, window: u64) -> Coded {
        let top = (window >> 48) as u32;
        for length in LOOK + 1..=16 {
            if top < self.limits[length as usize] {
                let index = (top >> (16 - length)) as i32 + self.offsets[length as usize];
                return Coded::of(length, self.symbols[index as usize & 255]);
            }
        }
        Coded::of(16, 0)
    }

    /// Takes a code without a value behind it: its symbol.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> (u32, u32) {
        bits.refill_for_one();
        let coded = self.look(bits.window());
        bits.consume(coded.total - coded.size);
        (coded.run, coded.size)
    }

    /// Makes [`Huffman::skip`] possible; worth it for a picture of some size.
    pub(super) fn prepare_skip(&mut self) {
        if self.skip.is_none() {
            let mut skip = Box::new([Skipped::default(); 1 << SKIP]);
            for (index, skipped) in skip.iter_mut().enumerate() {
                *skipped = self.skip_from((index as u32) << (32 - SKIP));
            }
            self.skip = Some(skip);
        }
    }

    /// As many codes as can be told from the upper `SKIP` bits.
    fn skip_from(&self, bits: u32) -> Skipped {
        let (mut total, mut n_passed, mut ends) = (0, 0, false);
        while total < SKIP && !ends {
            let rest = bits << total;
            let packed = self.look[(rest >> (32 - LOOK)) as usize];
            let coded = packed.unpack();
            if packed.0 == 0 || total + coded.total - coded.size > SKIP {
                break;
            }
            ends = coded.ends_block();
            let step = if ends { 1 } else { coded.run + 1 };
            if n_passed + step > 64 {
                ends = false;
                break;
            }
            total += coded.total;
            n_passed += step;
        }
        Skipped((total | n_passed << 5 | u32::from(ends) << 12) as u16)
    }

    /// The codes at the top of the window.
    #[inline(always)]
    pub(super) fn skip(&self, window: u64) -> Skipped {
        self.skip.as_ref().map_or(Skipped::default(), |table| table[(window >> (64 - SKIP)) as usize])
    }
}

impl Coded {
    /// A code of this length for a symbol: run and size.
    fn of(length: u32, symbol: u8) -> Self {
        let size = u32::from(symbol & 15);
        Self { total: length + size, size, run: u32::from(symbol >> 4) }
    }

    /// Whether no coefficient follows in the block. Fifteen zeros and no value are sixteen zeros.
    #[inline(always)]
    pub(super) fn ends_block(self) -> bool {
        self.size == 0 && self.run != 15
    }

    /// The value in a window whose top is its code (T.81 table F.1: the upper half is positive).
    #[inline(always)]
    pub(super) fn value(self, window: u64) -> i32 {
        let bits = window << (self.total - self.size);
        let value = (bits >> 1 >> (63 - self.size)) as i32;
        let negative = i32::from(bits >> 63 == 0);
        // A size of 0 gives 0 - 1 + 1.
        value - negative * ((1 << self.size) - 1)
    }
}
