//! The VP8 frame that changes nothing: every block is said to be that of the frame before, where it was, with nothing
//! added. Its few bytes depend on the size of the picture alone.

use super::tables::{COEFFICIENTS_KEPT, MOTION_KEPT, STAYS};

/// Even odds.
const EVEN: u8 = 128;

/// For what is sure: the cheapest way to say no, and yes.
const NO: u8 = 255;
const YES: u8 = 1;

/// A frame for a picture of this size.
pub(super) fn frame(width: u32, height: u32) -> Vec<u8> {
    let mut coder = BoolCoder::default();
    header(&mut coder);
    blocks(&mut coder, width.div_ceil(16), height.div_ceil(16));
    let first = coder.finish();
    // RFC 6386, 9.1: no key frame, version 0, shown, length of the first part.
    let tag = 1 | 1 << 4 | (first.len() as u32) << 5;
    let mut frame = tag.to_le_bytes()[..3].to_vec();
    frame.extend(first);
    // The part for coefficients: there are none, but readers want to find a few bytes.
    frame.extend([0; 4]);
    frame
}

/// RFC 6386, 9.3 to 9.11 and 19.2.
fn header(coder: &mut BoolCoder) {
    // No segments; the simple loop filter at level 0, so off, sharpness 0, no adjustments.
    coder.literal(0, 1);
    coder.literal(0, 1 + 6 + 3);
    coder.literal(0, 1);
    // One part for coefficients; quantiser 0 without deltas.
    coder.literal(0, 2);
    coder.literal(0, 7 + 5);
    // Golden and alternative pictures: neither refreshed nor copied, signs as they are.
    coder.literal(0, 2 + 2 + 2 + 2);
    // Probabilities are not kept; the result is the next frame's predecessor.
    coder.literal(0, 1);
    coder.literal(1, 1);
    COEFFICIENTS_KEPT.as_flattened().as_flattened().as_flattened().iter().for_each(|&p| coder.put(false, p));
    // Blocks can be said to have no coefficients, and all are.
    coder.literal(1, 1);
    coder.literal(YES.into(), 8);
    // Odds of blocks within the picture, of the last picture, of the golden one.
    coder.literal(YES.into(), 8);
    coder.literal(NO.into(), 8);
    coder.literal(EVEN.into(), 8);
    // No other odds for modes and motion.
    coder.literal(0, 2);
    MOTION_KEPT.as_flattened().iter().for_each(|&p| coder.put(false, p));
}

/// RFC 6386, 11.1 and 16: each block has no coefficients, is taken from the last picture, and stays.
fn blocks(coder: &mut BoolCoder, n_columns: u32, n_rows: u32) {
    for y in 0..n_rows {
        for x in 0..n_columns {
            coder.put(true, YES);
            coder.put(true, YES);
            coder.put(false, NO);
            // Section 18.3: the neighbours above and to the left count twice, the one between them once.
            let (above, left) = (y > 0, x > 0);
            let weight = 2 * usize::from(above) + 2 * usize::from(left) + usize::from(above && left);
            coder.put(false, STAYS[weight]);
        }
    }
}

/// The arithmetic coder of RFC 6386, 7.3.
struct BoolCoder {
    output: Vec<u8>,
    range: u32,
    bottom: u32,
    /// Shifts left until the next byte is complete.
    n_bits: u32,
}

impl Default for BoolCoder {
    fn default() -> Self {
        Self { output: Vec::new(), range: 255, bottom: 0, n_bits: 24 }
    }
}

impl BoolCoder {
    /// Adds a bit that is 0 with a probability of `odds / 256`.
    fn put(&mut self, bit: bool, odds: u8) {
        let split = 1 + (((self.range - 1) * u32::from(odds)) >> 8);
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

    /// Adds the lowest bits of a number, the highest first.
    fn literal(&mut self, value: u32, n_bits: u32) {
        (0..n_bits).rev().for_each(|i| self.put(value >> i & 1 == 1, EVEN));
    }

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

    /// Adds one to what was written.
    fn carry(&mut self) {
        for byte in self.output.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        (0..32).for_each(|_| self.shift());
        self.output
    }
}
