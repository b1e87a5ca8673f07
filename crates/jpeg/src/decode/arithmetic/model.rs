//! The statistical model of coefficients (T.81 F.1.4): which binary symbols a coefficient consists of, and
//! which context each symbol has.

use super::Coder;
use super::estimates::State;
use crate::Error;

/// The first of the contexts for the magnitude of a DC difference (X1 in T.81 table F.4).
const DC_MAGNITUDE: usize = 20;

/// The first of the contexts for the magnitude of an AC coefficient of low frequency, and of high frequency
/// (X2 in T.81 table F.5).
const AC_MAGNITUDE: [usize; 2] = [189, 217];

/// The distance between the context of a magnitude category and the context of the lower bits of a magnitude
/// in this category.
const TO_LOWER_BITS: usize = 14;

/// The limit of magnitudes. A larger magnitude occurs only in invalid data.
const MAX_MAGNITUDE: u32 = 0x8000;

/// The number of tables of either kind. T.81 allows four, but other libraries accept every number that a scan
/// header can state.
const N_TABLES: usize = 16;

/// The states of all contexts, for each of the tables of either kind.
#[derive(Debug, Clone)]
pub(super) struct Statistics {
    pub(super) dc: [[State; 49]; N_TABLES],
    pub(super) ac: [[State; 245]; N_TABLES],
}

impl Default for Statistics {
    fn default() -> Self {
        Self { dc: [[State::default(); 49]; N_TABLES], ac: [[State::default(); 245]; N_TABLES] }
    }
}

/// The conditioning parameters that a DAC segment can change (T.81 F.1.4.4.1.2 and F.1.4.4.2).
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Conditioning {
    /// For each DC table, the bounds L and U between small, medium and large differences.
    pub(super) dc: [(u8, u8); N_TABLES],
    /// For each AC table, the last coefficient Kx that counts as low frequency.
    pub(super) ac: [u8; N_TABLES],
}

impl Default for Conditioning {
    fn default() -> Self {
        Self { dc: [(0, 1); N_TABLES], ac: [5; N_TABLES] }
    }
}

impl Conditioning {
    /// Reads the body of a DAC segment.
    pub(in crate::decode) fn read(&mut self, body: &[u8]) -> Result<(), Error> {
        for &[head, value] in body.as_chunks::<2>().0 {
            let number = usize::from(head & 15);
            match head >> 4 {
                0 if value & 15 <= value >> 4 => self.dc[number] = (value & 15, value >> 4),
                1 if (1..=63).contains(&value) => self.ac[number] = value,
                _ => return Err(Error::Corrupt("an arithmetic conditioning table is invalid")),
            }
        }
        Ok(())
    }
}

/// The context of the next DC difference of a component, which depends on the last difference (T.81 table
/// F.4): zero, small positive, small negative, large positive or large negative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DcContext(usize);

impl Coder<'_> {
    /// Decodes a DC difference (T.81 F.1.4.1). `(low, high)` are the conditioning parameters L and U of the
    /// table.
    pub(super) fn dc_difference(
        &mut self,
        states: &mut [State; 49],
        context: &mut DcContext,
        (low, high): (u8, u8),
    ) -> i32 {
        if !self.decode(&mut states[context.0]) {
            *context = DcContext(0);
            return 0;
        }
        let is_negative = self.decode(&mut states[context.0 + 1]);
        let is_above_one = self.decode(&mut states[context.0 + 2 + usize::from(is_negative)]);
        let (category, magnitude) =
            if is_above_one { self.magnitude(states, DC_MAGNITUDE, 1) } else { (0, 1) };
        let sign = if is_negative { 4 } else { 0 };
        *context = DcContext(if category < (1 << low) >> 1 {
            0
        } else if category > (1 << high) >> 1 {
            12 + sign
        } else {
            4 + sign
        });
        if is_negative { -magnitude } else { magnitude }
    }

    /// Decodes the coefficient with the zigzag index `k`, of which a symbol has already said that it is not
    /// zero (T.81 F.1.4.2). `last_low` is the conditioning parameter Kx of the table.
    pub(super) fn ac_value(&mut self, states: &mut [State; 245], k: usize, last_low: u8) -> i32 {
        let is_negative = self.decode_fixed();
        let context = &mut states[ac_contexts(k).magnitude];
        let magnitude = if !self.decode(context) {
            1
        } else if !self.decode(context) {
            2
        } else {
            let is_high = k > usize::from(last_low);
            self.magnitude(states, AC_MAGNITUDE[usize::from(is_high)], 2).1
        };
        if is_negative { -magnitude } else { magnitude }
    }

    /// Decodes a magnitude above 1 or 2: the category, which is a power of two from `category` on, and then
    /// the lower bits. `context` is the first context of the categories. Returns the category and the
    /// magnitude. If the magnitude cannot exist, marks the data as invalid.
    fn magnitude(&mut self, states: &mut [State], mut context: usize, mut category: u32) -> (u32, i32) {
        while self.decode(&mut states[context]) {
            category <<= 1;
            if category == MAX_MAGNITUDE {
                self.is_invalid = true;
                return (0, 0);
            }
            context += 1;
        }
        let (mut magnitude, mut bit) = (category, category >> 1);
        while bit != 0 {
            if self.decode(&mut states[context + TO_LOWER_BITS]) {
                magnitude |= bit;
            }
            bit >>= 1;
        }
        (category, magnitude.cast_signed() + 1)
    }
}

/// The contexts of the symbols of the AC coefficient with a zigzag index (T.81 table F.5).
#[derive(Clone, Copy)]
pub(super) struct AcContexts {
    /// The context of the symbol that says whether the block ends before this coefficient.
    pub(super) end: usize,
    /// The context of the symbol that says whether the coefficient is not zero.
    pub(super) nonzero: usize,
    /// The context of the symbols that say whether the magnitude is above 1, and whether it is above 2. In a
    /// refinement scan, the context of the next bit of the magnitude.
    pub(super) magnitude: usize,
}

/// Returns the contexts of the AC coefficient with the zigzag index `k`, 1–63.
pub(super) fn ac_contexts(k: usize) -> AcContexts {
    let first = 3 * (k - 1);
    AcContexts { end: first, nonzero: first + 1, magnitude: first + 2 }
}
