//! Work buffers that a worker keeps from image to image. Giving large blocks back to the system and asking
//! for them again costs more than many an operation, so pixel buffers are passed around and returned here
//! instead.

/// Spare buffers kept at most; a pipeline has no more alive at once.
const MAX_SPARE: usize = 6;

/// Largest sum of kept capacities; what exceeds it goes back to the system.
const MAX_SPARE_BYTES: usize = 256 << 20;

/// Buffers of finished steps, waiting for the next one.
#[derive(Debug, Default)]
pub struct Scratch {
    spare: Vec<Vec<u8>>,
}

impl Scratch {
    /// A buffer of `len` bytes whose contents are unspecified (but initialised): for a step that writes every
    /// byte.
    ///
    /// The best fit among the spare ones is taken, so that a thumbnail does not use up the buffer of a large
    /// picture.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take_empty(len);
        buffer.resize(len, 0);
        buffer
    }

    /// A buffer of `len` zero bytes.
    pub fn take_zeroed(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.take_empty(len);
        buffer.clear();
        buffer.resize(len, 0);
        buffer
    }

    /// Returns a buffer for reuse.
    pub fn give(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        self.spare.push(buffer);
        while self.spare.len() > MAX_SPARE || self.spare_bytes() > MAX_SPARE_BYTES {
            let smallest = (0..self.spare.len()).min_by_key(|&i| self.spare[i].capacity());
            self.spare.swap_remove(smallest.expect("the loop runs only while buffers are kept"));
        }
    }

    /// Sum of the kept capacities in bytes.
    pub fn spare_bytes(&self) -> usize {
        self.spare.iter().map(Vec::capacity).sum()
    }

    /// The smallest spare buffer that can hold `len` bytes, with its old contents cut to `len`.
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
