//! Arithmetic decoding of entropy-coded data (T.81 annex D). [`ArithmeticReader`] decodes one binary symbol
//! after the other; the module `model` combines symbols to coefficients.

mod blocks;
mod estimates;
mod model;
mod progressive;

pub(super) use self::blocks::ArithmeticBlocks;
pub(super) use self::model::Conditioning;
pub(super) use self::progressive::{decode_ac_first, decode_ac_refine, decode_dc};

use self::estimates::State;
use self::model::Statistics;
use super::entropy::{EntropyReader, ends_with_file};

/// A reader of arithmetic-coded data, together with the adaptive statistics of the current restart interval.
pub(super) struct ArithmeticReader<'a> {
    coder: Coder<'a>,
    statistics: Statistics,
}

impl<'a> ArithmeticReader<'a> {
    /// Starts reading at offset `at` of `data`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { coder: Coder::new(data, at), statistics: Statistics::default() }
    }
}

impl EntropyReader for ArithmeticReader<'_> {
    /// Returns whether the data is invalid, or ends at the end of the file before the symbols that were
    /// decoded. Data that ends at a marker is never exhausted, because an encoder may leave out zeros at the
    /// end (T.81 D.1.8).
    fn exhausted(&self) -> bool {
        self.coder.is_invalid || (self.coder.n_padding > Coder::MAX_AHEAD_BYTES && self.ends_with_file())
    }

    fn ends_with_file(&self) -> bool {
        ends_with_file(self.coder.data, self.coder.at)
    }

    fn position(&self) -> usize {
        self.coder.at
    }

    fn restart(&mut self, at: usize) {
        *self = Self::new(self.coder.data, at);
    }

    fn data(&self) -> &[u8] {
        self.coder.data
    }
}

/// The decoder of binary symbols, with the registers of T.81 D.2.
struct Coder<'a> {
    data: &'a [u8],
    /// The offset of the next byte of the data.
    at: usize,
    /// The code register: the position inside the interval in the upper 16 bits, and the next bits of the
    /// data in the lower 16 bits.
    code: u32,
    /// The size of the interval.
    interval: u32,
    /// The number of shifts before the code register needs another byte.
    n_shifts: u32,
    /// The number of zero bytes that were read after the end of the data.
    n_padding: usize,
    /// Whether the symbols stand for a coefficient that cannot exist.
    is_invalid: bool,
}

impl<'a> Coder<'a> {
    /// The largest number of bytes in the code register.
    const MAX_AHEAD_BYTES: usize = 3;

    fn new(data: &'a [u8], at: usize) -> Self {
        let mut coder =
            Self { data, at, code: 0, interval: 0x1_0000, n_shifts: 0, n_padding: 0, is_invalid: false };
        for _ in 0..2 {
            coder.read_byte();
            coder.code <<= 8;
        }
        coder
    }

    /// Adds the next byte of the data to the code register, and removes a stuffed zero byte. After the end of
    /// the data, the byte is 0.
    fn read_byte(&mut self) {
        let byte = match self.data.get(self.at) {
            Some(0xff) if self.data.get(self.at + 1) == Some(&0) => {
                self.at += 2;
                0xff
            }
            Some(0xff) | None => {
                self.n_padding += 1;
                0
            }
            Some(&byte) => {
                self.at += 1;
                byte
            }
        };
        self.code |= u32::from(byte) << 8;
    }

    /// Decodes a symbol and adapts the state of its context (T.81 D.2.2 to D.2.4).
    #[inline]
    fn decode(&mut self, state: &mut State) -> bool {
        let estimate = state.estimate();
        self.interval -= estimate.probability;
        // The larger part of the interval may belong to the less probable symbol, because the estimates are
        // approximate. Then the two symbols exchange their parts.
        let is_exchanged = self.interval < estimate.probability;
        let is_lower_part = self.code >> 16 < self.interval;
        if is_lower_part {
            if self.interval >= 0x8000 {
                return state.more_probable();
            }
        } else {
            self.code -= self.interval << 16;
            self.interval = estimate.probability;
        }
        let is_less_probable = is_lower_part == is_exchanged;
        let symbol = state.more_probable() != is_less_probable;
        state.adapt(estimate, is_less_probable);
        self.renormalise();
        symbol
    }

    /// Decodes a symbol whose two values have nearly the same probability.
    fn decode_fixed(&mut self) -> bool {
        let mut state = State::FIXED;
        self.decode(&mut state)
    }

    /// Doubles the interval until it has at least half of its largest size (T.81 D.2.5).
    fn renormalise(&mut self) {
        while self.interval < 0x8000 {
            if self.n_shifts == 0 {
                self.read_byte();
                self.n_shifts = 8;
            }
            let n = (self.interval.leading_zeros() - 16).min(self.n_shifts);
            self.interval <<= n;
            self.code <<= n;
            self.n_shifts -= n;
        }
    }
}
