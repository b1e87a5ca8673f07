//! What a scan consists of before its Huffman tables are known: symbols with bits behind them.

use super::optimal::Table;

/// Which table a symbol belongs to: two for the first coefficient and two for the others, luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dc(usize),
    Ac(usize),
}

impl Kind {
    /// 0–3.
    fn index(self) -> usize {
        match self {
            Self::Dc(number) => number,
            Self::Ac(number) => 2 + number,
        }
    }
}

/// The tables of a scan, as [`Kind`] numbers them.
pub(super) type Tables = [Option<Table>; 4];

/// Bits without a symbol.
const RAW: u32 = 4;

/// A list of tokens with the frequencies of the symbols. From the top: 3 bits for the table or `RAW`, 8 for the symbol,
/// 5 for the number of bits, 16 for the bits.
#[derive(Debug)]
pub(super) struct Tokens {
    list: Vec<u32>,
    frequencies: [[u32; 256]; 4],
}

impl Default for Tokens {
    fn default() -> Self {
        Self { list: Vec::new(), frequencies: [[0; 256]; 4] }
    }
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.frequencies = [[0; 256]; 4];
    }

    /// A symbol and `n` bits, at most 16, of which higher ones are zero.
    #[inline(always)]
    pub(super) fn push(&mut self, kind: Kind, symbol: u8, bits: u32, n: u32) {
        debug_assert!(n <= 16 && bits >> n == 0);
        let kind = kind.index();
        self.frequencies[kind][usize::from(symbol)] += 1;
        self.list.push((kind as u32) << 29 | u32::from(symbol) << 21 | n << 16 | bits);
    }

    /// Bits alone.
    #[inline(always)]
    pub(super) fn push_raw(&mut self, bits: u32, n: u32) {
        debug_assert!(n <= 16 && bits >> n == 0);
        self.list.push(RAW << 29 | n << 16 | bits);
    }

    /// The best tables for the symbols.
    pub(super) fn tables(&self) -> Tables {
        self.frequencies.each_ref().map(Table::new)
    }

    /// Calls `put` with the bits of one token after the other and their number, 32 at most.
    #[inline(always)]
    pub(super) fn write(&self, tables: &Tables, mut put: impl FnMut(u32, u32)) {
        const NO_CODES: [(u16, u8); 256] = [(0, 0); 256];
        let codes = tables.each_ref().map(|table| table.as_ref().map_or(&NO_CODES, |table| &table.codes));
        let codes = [codes[0], codes[1], codes[2], codes[3], &NO_CODES, &NO_CODES, &NO_CODES, &NO_CODES];
        for &token in &self.list {
            let (code, length) = codes[(token >> 29) as usize][(token >> 21 & 255) as usize];
            let n = token >> 16 & 31;
            put(u32::from(code) << n | token & 0xffff, u32::from(length) + n);
        }
    }
}
