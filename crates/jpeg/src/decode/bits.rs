//! Reads the bits of entropy-coded data and removes stuffed zero bytes. The data ends at a marker or at the
//! end of the file. Behind the end the reader returns zeros, as other JPEG libraries do.

/// A bit reader, most significant bit first.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Offset of the next byte that is not in `window` yet.
    at: usize,
    /// The next bits, left-aligned. Bits below the first `n` are either zero or already correct.
    window: u64,
    /// How many bits of `window` are valid, at most 63.
    n: u32,
    /// How many zero bits were added after the end of the data.
    padding: u64,
}

impl<'a> BitReader<'a> {
    /// Starts reading at offset `at` of `data`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, window: 0, n: 0, padding: 0 }
    }

    /// Fills the window to at least 56 valid bits.
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

    /// Calls [`BitReader::refill`] if fewer than 32 bits are valid. One Huffman code with its value has at
    /// most 31 bits.
    #[inline(always)]
    pub(super) fn refill_for_one(&mut self) {
        if self.n < 32 {
            self.refill();
        }
    }

    /// Fills the window byte by byte, near a 0xff byte or the end of the data. Takes and returns `self` by
    /// value, so that the fields stay in registers on the fast path.
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

    /// The next bits, left-aligned: at least as many as the last refill guarantees.
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

    /// Reads the next `n` bits as a number, with `n` at most 32. Refills the window first.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.refill_for_one();
        let value = (self.window >> 1 >> (63 - n)) as u32;
        self.consume(n);
        value
    }

    /// Whether more bits were consumed than the data has.
    #[inline(always)]
    pub(super) fn exhausted(&self) -> bool {
        self.padding > u64::from(self.n)
    }

    /// An offset at or before the next marker. Reading ahead never passes a marker.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Continues at offset `at`, after a marker.
    pub(super) fn restart(&mut self, at: usize) {
        *self = Self::new(self.data, at);
    }

    /// The whole file, for a marker search.
    pub(super) fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Whether one of the eight bytes is 0xff: the usual test for a zero byte, applied to the complement.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    let low = u64::from_ne_bytes([0x01; 8]);
    let high = u64::from_ne_bytes([0x80; 8]);
    let zero = !word;
    zero.wrapping_sub(low) & !zero & high != 0
}
