//! Scratch memory: buffers that a worker reuses from image to image. Reuse is faster: freeing a large block
//! of memory and allocating it again takes longer than many image operations.

/// The largest number of spare buffers in the pool. The processing of one image never needs more buffers at
/// the same time.
const MAX_BUFFERS: usize = 6;

/// Largest sum of the capacities of all spare buffers. Buffers beyond this sum are freed.
const MAX_TOTAL_BYTES: usize = 256 << 20;

/// A pool of spare buffers.
#[derive(Debug, Default)]
pub struct Scratch {
    spare: Vec<Vec<u8>>,
}

impl Scratch {
    /// Takes a buffer of `len` bytes for a caller that writes every byte. The bytes are initialised, but may
    /// have any value.
    ///
    /// The smallest spare buffer that is large enough is taken, so that a thumbnail does not use up the
    /// buffer of a large picture.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take_empty(len);
        buffer.resize(len, 0);
        buffer
    }

    /// Takes a buffer of `len` zero bytes.
    pub fn take_zeroed(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take_empty(len);
        buffer.clear();
        buffer.resize(len, 0);
        buffer
    }

    /// Takes an empty buffer with room for `len` bytes. Memory that the caller does not write is not used.
    pub fn take_room(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take_empty(len);
        buffer.clear();
        buffer
    }

    /// Returns a buffer to the pool. If the pool is full, the smallest buffers are freed.
    pub fn give(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        self.spare.push(buffer);
        while self.spare.len() > MAX_BUFFERS || self.spare_bytes() > MAX_TOTAL_BYTES {
            let smallest = (0..self.spare.len()).min_by_key(|&i| self.spare[i].capacity());
            self.spare.swap_remove(smallest.expect("the loop runs only while buffers are kept"));
        }
    }

    /// The sum of the capacities of all spare buffers in bytes.
    pub fn spare_bytes(&self) -> usize {
        self.spare.iter().map(Vec::capacity).sum()
    }

    /// Takes the smallest spare buffer that can hold `len` bytes, and truncates its old content to `len`
    /// bytes. Takes a new empty buffer if no spare buffer is large enough.
    fn take_empty(&mut self, len: usize) -> Vec<u8> {
        let fit = (0..self.spare.len())
            .filter(|&i| self.spare[i].capacity() >= len)
            .min_by_key(|&i| self.spare[i].capacity());
        let Some(index) = fit else { return Vec::with_capacity(len) };
        let mut buffer = self.spare.swap_remove(index);
        buffer.truncate(len);
        buffer
    }
}
