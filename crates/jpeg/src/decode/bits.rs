//! Reads the bits of entropy-coded data and removes stuffed zero bytes. The data ends at a marker or at the
//! end of the file. After the end of the data, the reader returns zeros, as other JPEG libraries do.

use super::entropy::{EntropyReader, ends_with_file};

/// A reader that returns the bits of entropy-coded data, the most significant bit of each byte first.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// The offset of the next byte of the data that is not in `window` yet.
    at: usize,
    /// The next bits of the data, left-aligned. Only the first `n` bits are valid. The bits after the valid
    /// bits are either zero or already the correct data.
    window: u64,
    /// How many bits of `window` are valid, at most 63.
    n: u32,
    /// The number of zero bits that were added to the window after the end of the data.
    padding: u64,
}

impl<'a> BitReader<'a> {
    /// Starts reading at offset `at` of `data`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, window: 0, n: 0, padding: 0 }
    }

    /// Reads bytes into the window until it has at least 56 valid bits.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some(next) = self.data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_be_bytes(*next);
            if !has_ff(word) {
                self.window |= word >> self.n;
                self.at += ((63 - self.n) >> 3) as usize;
                self.n |= 56;
                return;
            }
        }
        *self = self.refilled_by_byte();
    }

    /// Calls [`BitReader::refill`] if fewer than 32 bits are valid. 32 bits are enough, because a Huffman
    /// code and its value have at most 31 bits together.
    #[inline(always)]
    pub(super) fn refill_for_one(&mut self) {
        if self.n < 32 {
            self.refill();
        }
    }

    /// Fills the window byte by byte. This slow method is necessary near a 0xff byte and near the end of the
    /// data. The method takes and returns `self` by value, so that the fields stay in registers on the fast
    /// path.
    #[cold]
    #[inline(never)]
    fn refilled_by_byte(mut self) -> Self {
        while self.n < 56 {
            let byte = match self.data.get(self.at) {
                Some(0xff) if self.data.get(self.at + 1) == Some(&0) => {
                    self.at += 1;
                    0xff
                }
                Some(0xff) | None => {
                    self.padding += u64::from(63 - self.n);
                    self.n = 63;
                    return self;
                }
                Some(&byte) => byte,
            };
            self.at += 1;
            self.window |= u64::from(byte) << (56 - self.n);
            self.n += 8;
        }
        self
    }

    /// Returns the window: the next bits of the data, left-aligned. At least as many bits are valid as the
    /// last refill guarantees.
    #[inline(always)]
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// Consumes `n` bits; `n` must not exceed the number of valid bits.
    #[inline(always)]
    pub(super) fn consume(&mut self, n: u32) {
        debug_assert!(n <= self.n);
        self.window <<= n;
        self.n = self.n.wrapping_sub(n);
    }

    /// Reads the next `n` bits as a number. `n` is at most 32. Refills the window before it reads.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.refill_for_one();
        let value = (self.window >> 1 >> (63 - n)) as u32;
        self.consume(n);
        value
    }
}

impl EntropyReader for BitReader<'_> {
    /// Returns whether more bits were consumed than the data has.
    #[inline(always)]
    fn exhausted(&self) -> bool {
        self.padding > u64::from(self.n)
    }

    fn ends_with_file(&self) -> bool {
        ends_with_file(self.data, self.at)
    }

    fn position(&self) -> usize {
        self.at
    }

    fn restart(&mut self, at: usize) {
        *self = Self::new(self.data, at);
    }

    fn data(&self) -> &[u8] {
        self.data
    }
}

/// Returns whether one of the eight bytes of `word` is 0xff. The function applies the usual bit trick that
/// finds a zero byte to the complement of `word`.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    let low = u64::from_ne_bytes([0x01; 8]);
    let high = u64::from_ne_bytes([0x80; 8]);
    let zero = !word;
    zero.wrapping_sub(low) & !zero & high != 0
}
