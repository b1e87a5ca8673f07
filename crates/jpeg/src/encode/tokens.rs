//! The tokens of a scan: symbols and the bits after them. Tokens are stored until the Huffman tables of the
//! scan are known.

use super::huffman::HuffmanTable;

/// Identifies the Huffman table of a symbol: a DC table or an AC table, with the number 0 for luma or 1 for
/// chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableId {
    Dc(usize),
    Ac(usize),
}

impl TableId {
    /// Returns the index of this Huffman table among the four tables of a scan, 0–3.
    fn index(self) -> usize {
        match self {
            Self::Dc(number) => number,
            Self::Ac(number) => 2 + number,
        }
    }
}

/// The four possible Huffman tables of a scan, at the indices that [`TableId::index`] returns.
pub(super) type Tables = [Option<HuffmanTable>; 4];

/// The value in the field for the table index that marks a token with bits but without a symbol.
const RAW: u32 = 4;

/// The bytes of the header of a scan of one component, and of the marker and the length of its Huffman tables.
const SCAN_HEADER_BYTES: usize = 14;

/// A list of tokens, and the frequencies of their symbols. A token has 32 bits, from the most significant
/// bit: 3 bits for the table index or [`RAW`], 8 for the symbol, 5 for the number of bits after the symbol,
/// and 16 for these bits.
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

    /// Appends a symbol and the `n` lowest bits of `bits`. `n` is at most 16, and all other bits of `bits`
    /// must be zero.
    #[inline(always)]
    pub(super) fn push(&mut self, table: TableId, symbol: u8, bits: u32, n: u32) {
        debug_assert!(n <= 16 && bits >> n == 0);
        let table = table.index();
        self.frequencies[table][usize::from(symbol)] += 1;
        self.list.push((table as u32) << 29 | u32::from(symbol) << 21 | n << 16 | bits);
    }

    /// Appends a token with `n` bits and without a symbol.
    #[inline(always)]
    pub(super) fn push_raw(&mut self, bits: u32, n: u32) {
        debug_assert!(n <= 16 && bits >> n == 0);
        self.list.push(RAW << 29 | n << 16 | bits);
    }

    /// Computes the optimal Huffman tables for the symbols of the list.
    pub(super) fn tables(&self) -> Tables {
        self.frequencies.each_ref().map(HuffmanTable::new)
    }

    /// Returns the number of bytes of a scan of these tokens: the segments of the Huffman tables and of the scan
    /// header, and the entropy-coded data without stuffed bytes.
    pub(super) fn n_bytes(&self) -> usize {
        let mut n_bits: usize = self.list.iter().map(|token| (token >> 16 & 31) as usize).sum();
        let mut n_bytes = SCAN_HEADER_BYTES;
        for (table, frequencies) in self.tables().iter().zip(&self.frequencies) {
            if let Some(table) = table {
                n_bytes += 17 + table.symbols.len();
                let of_symbol = |&symbol: &u8| {
                    let symbol = usize::from(symbol);
                    usize::from(table.codes[symbol].1) * frequencies[symbol] as usize
                };
                n_bits += table.symbols.iter().map(of_symbol).sum::<usize>();
            }
        }
        n_bytes + n_bits.div_ceil(8)
    }

    /// Calls `put` for each token. The arguments are the bits of the token, with the Huffman code of its
    /// symbol, and the number of these bits, at most 32.
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
