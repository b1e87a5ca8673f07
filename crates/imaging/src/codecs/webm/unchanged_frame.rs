//! Encodes the VP8 interframe that repeats the previous frame: every macroblock is predicted from the
//! previous frame with a motion vector of zero and has no coefficients. The encoded frame consists of a few
//! bytes, which depend only on the size of the picture.

use super::tables::{COEFFICIENT_NOT_UPDATED, MOTION_NOT_UPDATED, ZERO_MOTION};

/// The probability 1/2 in units of 1/256.
const EVEN: u8 = 128;

/// The probability that a bit is 0, in units of 1/256, for a bit that is always 0. With the highest possible
/// probability, the bit takes the least space.
const ALWAYS_0: u8 = 255;
/// The probability that a bit is 0, in units of 1/256, for a bit that is always 1. With the lowest possible
/// probability, the bit takes the least space.
const ALWAYS_1: u8 = 1;

/// Encodes an interframe that does not change the picture, for a video of `width` × `height` pixels.
pub(super) fn encode(width: u32, height: u32) -> Vec<u8> {
    let mut coder = BoolCoder::default();
    header(&mut coder);
    macroblocks(&mut coder, width.div_ceil(16), height.div_ceil(16));
    let first_partition = coder.finish();
    // The frame tag (RFC 6386, 9.1) states that the frame is an interframe of version 0, that the frame is
    // shown, and how long the first partition is.
    let tag = 1 | 1 << 4 | (first_partition.len() as u32) << 5;
    let mut frame = tag.to_le_bytes()[..3].to_vec();
    frame.extend(first_partition);
    // Appends the partition for coefficients. The frame has no coefficients, but decoders expect that this
    // partition has a few bytes.
    frame.extend([0; 4]);
    frame
}

/// Writes the frame header (RFC 6386, 9.3 to 9.11 and 19.2).
fn header(coder: &mut BoolCoder) {
    // The frame uses no segmentation. The loop filter has level 0, which turns the filter off, and sharpness
    // 0. The filter level is not adjusted for single macroblocks.
    coder.literal(0, 1);
    coder.literal(0, 1 + 6 + 3);
    coder.literal(0, 1);
    // The frame has one partition for coefficients, and the quantiser index 0 without deltas.
    coder.literal(0, 2);
    coder.literal(0, 7 + 5);
    // The golden frame and the altref frame are neither refreshed nor copied, and have no sign bias.
    coder.literal(0, 2 + 2 + 2 + 2);
    // The probabilities are not saved for later frames. The decoded frame becomes the reference for the next
    // frame.
    coder.literal(0, 1);
    coder.literal(1, 1);
    COEFFICIENT_NOT_UPDATED
        .as_flattened()
        .as_flattened()
        .as_flattened()
        .iter()
        .for_each(|&p| coder.put(false, p));
    // Enables the flag that marks a macroblock as having no coefficients. All macroblocks of this frame have
    // the flag.
    coder.literal(1, 1);
    coder.literal(ALWAYS_1.into(), 8);
    // The three values are the probabilities that a macroblock is intra predicted, that it refers to the
    // previous frame, and that it refers to the golden frame.
    coder.literal(ALWAYS_1.into(), 8);
    coder.literal(ALWAYS_0.into(), 8);
    coder.literal(EVEN.into(), 8);
    // The two flags state that the probabilities of the intra modes are not updated.
    coder.literal(0, 2);
    MOTION_NOT_UPDATED.as_flattened().iter().for_each(|&p| coder.put(false, p));
}

/// Writes all macroblocks (RFC 6386, 11.1 and 16). Each macroblock has no coefficients and is predicted from
/// the previous frame with a motion vector of zero.
fn macroblocks(coder: &mut BoolCoder, n_columns: u32, n_rows: u32) {
    for y in 0..n_rows {
        for x in 0..n_columns {
            coder.put(true, ALWAYS_1);
            coder.put(true, ALWAYS_1);
            coder.put(false, ALWAYS_0);
            // By RFC 6386, 18.3, the macroblocks above and to the left have weight 2, and the macroblock
            // diagonally above to the left has weight 1.
            let (above, left) = (y > 0, x > 0);
            let weight = 2 * usize::from(above) + 2 * usize::from(left) + usize::from(above && left);
            coder.put(false, ZERO_MOTION[weight]);
        }
    }
}

/// The boolean entropy encoder of RFC 6386, 7.3.
struct BoolCoder {
    output: Vec<u8>,
    range: u32,
    bottom: u32,
    /// The number of shifts of `bottom` until the next byte is complete.
    n_bits: u32,
}

impl Default for BoolCoder {
    fn default() -> Self {
        Self { output: Vec::new(), range: 255, bottom: 0, n_bits: 24 }
    }
}

impl BoolCoder {
    /// Encodes one bit. `probability / 256` is the probability that the bit is 0.
    fn put(&mut self, bit: bool, probability: u8) {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        if bit {
            self.bottom = self.bottom.wrapping_add(split);
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            self.shift();
        }
    }

    /// Encodes the lowest `n_bits` bits of `value`, the highest bit first.
    fn literal(&mut self, value: u32, n_bits: u32) {
        (0..n_bits).rev().for_each(|i| self.put(value >> i & 1 == 1, EVEN));
    }

    /// Shifts `bottom` by one bit to the left, and writes a byte when it is complete.
    fn shift(&mut self) {
        if self.bottom >> 31 == 1 {
            self.carry();
        }
        self.bottom <<= 1;
        self.n_bits -= 1;
        if self.n_bits == 0 {
            self.output.push((self.bottom >> 24) as u8);
            self.bottom &= 0xff_ffff;
            self.n_bits = 8;
        }
    }

    /// Propagates a carry: adds 1 to the big-endian number that the bytes written so far represent.
    fn carry(&mut self) {
        for byte in self.output.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }

    /// Writes the bits that remain in the encoder and returns all bytes.
    fn finish(mut self) -> Vec<u8> {
        (0..32).for_each(|_| self.shift());
        self.output
    }
}
