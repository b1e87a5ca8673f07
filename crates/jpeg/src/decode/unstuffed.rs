//! Reads the bits of the entropy-coded data of a sequential scan from a copy without stuffed zero bytes. The copy
//! has no bytes that need a check, so that reading needs few instructions.

use super::entropy::{EntropyReader, ends_with_file};

/// The size of the buffer for a short and for a long scan.
const MIN_BUFFER_BYTES: usize = 64;
const MAX_BUFFER_BYTES: usize = 32 << 10;

/// The position of a reader in its buffer, and the bits that follow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bits {
    /// The offset of the next byte of the buffer that is not in `window` yet.
    next: usize,
    /// The next bits of the data, left-aligned. The bits after the valid bits are either zero or already the
    /// correct data.
    window: u64,
    /// How many bits of `window` are valid, in the lowest six bits. The other bits have no meaning.
    n: u32,
}

impl Bits {
    /// Reads bytes into the window until it has at least 56 valid bits. Returns `None` and changes nothing if
    /// `data` has fewer than eight more bytes.
    #[inline(always)]
    pub(super) fn refill(&mut self, data: &[u8]) -> Option<()> {
        self.add(u64::from_be_bytes(*data.get(self.next..)?.first_chunk()?));
        Some(())
    }

    /// Calls [`Bits::refill`] if fewer than 32 bits are valid. 32 bits are enough for a code and its value.
    #[inline(always)]
    pub(super) fn refill_for_one(&mut self, data: &[u8]) -> Option<()> {
        if self.n & 63 < 32 { self.refill(data) } else { Some(()) }
    }

    /// Adds bytes of `word`, which has the next eight bytes, to the window.
    #[inline(always)]
    fn add(&mut self, word: u64) {
        self.window |= word >> (self.n & 63);
        self.next += (!self.n >> 3 & 7) as usize;
        self.n |= 56;
    }

    /// Returns the next bits of the data, left-aligned.
    #[inline(always)]
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// Consumes as many bits as the lowest six bits of `n` state.
    #[inline(always)]
    pub(super) fn consume(&mut self, n: u32) {
        self.window <<= n & 63;
        self.n = self.n.wrapping_sub(n);
    }
}

/// A reader of entropy-coded data. After the end of the data, the reader returns zeros.
#[derive(Debug)]
pub(super) struct UnstuffedReader<'a> {
    file: &'a [u8],
    /// The offset of the first byte of the file that is not in the buffer. It is never behind a marker.
    at: usize,
    /// Whether the data ends at the offset `at`.
    is_complete: bool,
    /// Data without stuffed bytes. Only the first `n_bytes` bytes are valid.
    buffer: Vec<u8>,
    n_bytes: usize,
    bits: Bits,
}

impl<'a> UnstuffedReader<'a> {
    /// Starts reading at offset `at` of `file`.
    pub(super) fn new(file: &'a [u8], at: usize) -> Self {
        let buffer = vec![0; file.len().saturating_sub(at).clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)];
        Self { file, at, is_complete: false, buffer, n_bytes: 0, bits: Bits::default() }
    }

    /// Returns the data in the buffer and the position in it.
    #[inline(always)]
    pub(super) fn parts(&mut self) -> (&[u8], &mut Bits) {
        (&self.buffer[..self.n_bytes], &mut self.bits)
    }

    /// Returns whether the buffer has fewer than eight more bytes.
    fn is_nearly_empty(&self) -> bool {
        self.n_bytes < self.bits.next + 8
    }

    /// Returns whether the data has fewer than eight more bytes.
    #[inline(always)]
    pub(super) fn is_near_end(&self) -> bool {
        self.is_complete && self.is_nearly_empty()
    }

    /// Copies more data to the buffer if it is nearly empty. Returns whether it has more data than before.
    pub(super) fn fill_if_nearly_empty(&mut self) -> bool {
        if self.is_complete || !self.is_nearly_empty() {
            return false;
        }
        let start = self.bits.next.min(self.n_bytes);
        self.buffer.copy_within(start..self.n_bytes, 0);
        self.n_bytes -= start;
        self.bits.next -= start;
        let n_before = self.n_bytes;
        while self.n_bytes < self.buffer.len() && !self.is_complete {
            self.copy_up_to_ff();
        }
        self.n_bytes > n_before
    }

    /// Copies the data up to the next byte 0xff. If a stuffed zero byte follows it, copies it, too.
    fn copy_up_to_ff(&mut self) {
        let room = &mut self.buffer[self.n_bytes..];
        let rest = &self.file[self.at..];
        let source = &rest[..rest.len().min(room.len())];
        let n = memchr::memchr(0xff, source).unwrap_or(source.len());
        room[..n].copy_from_slice(&source[..n]);
        self.at += n;
        self.n_bytes += n;
        match rest[n..] {
            _ if n == room.len() => {}
            [0xff, 0, ..] => {
                room[n] = 0xff;
                self.at += 2;
                self.n_bytes += 1;
            }
            _ => self.is_complete = true,
        }
    }

    /// Returns the next bits, after reading bytes until at least 56 bits are valid. After the end of the data, the
    /// bits are zero.
    pub(super) fn refilled(&mut self) -> &mut Bits {
        self.fill_if_nearly_empty();
        let data = &self.buffer[..self.n_bytes];
        if self.bits.refill(data).is_none() {
            let mut last = [0; 8];
            let rest = data.get(self.bits.next..).unwrap_or_default();
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.bits.add(u64::from_be_bytes(last));
        }
        &mut self.bits
    }
}

impl EntropyReader for UnstuffedReader<'_> {
    /// Returns whether more bits were consumed than the data has.
    #[inline(always)]
    fn exhausted(&self) -> bool {
        self.is_complete && 8 * self.bits.next > 8 * self.n_bytes + (self.bits.n & 63) as usize
    }

    fn ends_with_file(&self) -> bool {
        ends_with_file(self.file, self.at)
    }

    fn position(&self) -> usize {
        self.at
    }

    fn restart(&mut self, at: usize) {
        (self.at, self.is_complete, self.n_bytes, self.bits) = (at, false, 0, Bits::default());
    }

    fn data(&self) -> &[u8] {
        self.file
    }
}
