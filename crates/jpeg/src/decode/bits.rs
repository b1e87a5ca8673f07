//! The bits of entropy-coded data. Stuffed zeros are taken out on the way; a marker or the end of the data ends them,
//! and what is read beyond is zeros, as with the common libraries.

/// Reads from the front, most significant bit first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte that is not in `window` yet.
    at: usize,
    /// The next bits, from the top. Those below the first `n` may already be right, and are never wrong ones.
    window: u64,
    /// How many bits of the window count, at most 63.
    n: u32,
    /// How many zeros were added behind the end of the data.
    padding: u64,
}

impl<'a> Bits<'a> {
    /// Begins at a byte of `data`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, window: 0, n: 0, padding: 0 }
    }

    /// Makes sure that 56 bits can be looked at.
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

    /// As [`Bits::refill`], unless there are 32 bits: the longest code and the longest value behind it have 31.
    #[inline(always)]
    pub(super) fn refill_for_one(&mut self) {
        if self.n < 32 {
            self.refill();
        }
    }

    /// By value, so that the fields can stay in registers where nothing goes wrong.
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

    /// The window: the next bits from the top, as many as the last refill promised.
    #[inline(always)]
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// Takes `n` bits away, at most as many as there are.
    #[inline(always)]
    pub(super) fn consume(&mut self, n: u32) {
        debug_assert!(n <= self.n);
        self.window <<= n;
        self.n = self.n.wrapping_sub(n);
    }

    /// The next bits as a number, 32 at most. Refills.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.refill_for_one();
        let value = (self.window >> 1 >> (63 - n)) as u32;
        self.consume(n);
        value
    }

    /// Whether bits were taken that the data does not have.
    #[inline(always)]
    pub(super) fn exhausted(&self) -> bool {
        self.padding > u64::from(self.n)
    }

    /// A position at or before the next marker: what was read ahead never goes beyond one.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on behind a marker.
    pub(super) fn restart(&mut self, at: usize) {
        *self = Self::new(self.data, at);
    }

    /// All data, for looking for markers.
    pub(super) fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Whether one of eight bytes is 0xff: the usual test for a zero byte, on the complement.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    let low = u64::from_ne_bytes([0x01; 8]);
    let high = u64::from_ne_bytes([0x80; 8]);
    let zero = !word;
    zero.wrapping_sub(low) & !zero & high != 0
}
