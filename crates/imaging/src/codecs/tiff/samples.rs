//! Converts samples of any width and number format to 8 bits. Integers are scaled and rounded. Floats are
//! scaled linearly between the value that means black and the value that means white.

use super::page::{Number, Page, Photometric};

/// The range of float samples. The value `low` becomes 0, and the value `high` becomes 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// Chooses the range of floats if the file states none. If all values are within 0 to 1, the range is 0
    /// to 1. If not, but all values are within 0 to 255, the range is 0 to 255. In all other cases, the range
    /// extends from the smallest to the largest value.
    pub(super) fn of_values(least: f64, greatest: f64) -> Self {
        for high in [1.0, 255.0] {
            if least >= 0.0 && greatest <= high {
                return Self { low: 0.0, high };
            }
        }
        Self { low: least, high: greatest }
    }

    /// Scales a float to 0–255 and clips the result.
    fn scale(self, value: f64) -> u8 {
        if self.high <= self.low {
            return 0;
        }
        // The cast clips the value to 0–255 and converts NaN to 0.
        ((value - self.low) / (self.high - self.low) * 255.0 + 0.5) as u8
    }
}

/// Converts a row of `n` samples to bytes. Samples are scaled to 0–255, except indices into a colour map.
pub(super) fn to_bytes(page: &Page, row: &[u8], n: usize, big_endian: bool, range: Range, out: &mut Vec<u8>) {
    let is_index = page.photometric == Photometric::Palette;
    let flip = if page.number == Number::Signed && !is_lab(page) { 0x80 } else { 0 };
    match (page.number, page.bits) {
        (Number::Float, _) => floats(page, row, n, big_endian, |value| out.push(range.scale(value))),
        (_, 8) => out.extend(row.iter().take(n).map(|v| v ^ flip)),
        (_, 16) => out.extend(row.as_chunks::<2>().0.iter().take(n).map(|&v| {
            let value = if big_endian { u16::from_be_bytes(v) } else { u16::from_le_bytes(v) };
            if is_lab(page) {
                return (value >> 8) as u8;
            }
            // `(v * 255 + 32895) >> 16` is exactly `v / 257`, rounded to the nearest integer.
            ((u32::from(value ^ u16::from(flip) << 8) * 255 + 32_895) >> 16) as u8
        })),
        (_, bits @ (24 | 32 | 64)) => {
            let values = row.chunks_exact(bits / 8).take(n);
            out.extend(values.map(|v| if big_endian { v[0] } else { v[v.len() - 1] } ^ flip));
        }
        (_, bits) => {
            let max = (1u64 << bits) - 1;
            let sign = if flip == 0 { 0 } else { 1 << (bits - 1) };
            for value in packed(row, n, bits) {
                let value = value ^ sign;
                out.push(if is_index || max == 0 {
                    value as u8
                } else {
                    ((value * 255 + max / 2) / max) as u8
                });
            }
        }
    }
}

/// Whether the colours of the page are L*a*b*.
fn is_lab(page: &Page) -> bool {
    matches!(page.photometric, Photometric::Lab | Photometric::IccLab)
}

/// Iterates over packed samples of up to 32 bits. The bits of a sample are stored from the highest to the
/// lowest, also in little-endian files.
pub(super) fn packed(row: &[u8], n: usize, bits: usize) -> impl Iterator<Item = u64> {
    (0..n).map_while(move |i| {
        let first = i * bits;
        let end = (first + bits).div_ceil(8);
        let bytes = row.get(first / 8..end)?;
        let joined = bytes.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        Some(joined >> (end * 8 - first - bits) & ((1 << bits) - 1))
    })
}

/// Calls the function `take` with each of the first `n` floats of a row.
pub(super) fn floats(page: &Page, row: &[u8], n: usize, big_endian: bool, mut take: impl FnMut(f64)) {
    for value in row.chunks_exact((page.bits / 8).max(1)).take(n) {
        let join = |bits: u64, &byte: &u8| bits << 8 | u64::from(byte);
        let bits = if big_endian { value.iter().fold(0, join) } else { value.iter().rev().fold(0, join) };
        match page.bits {
            16 => take(f64::from(small_float(bits as u32, 5, 10))),
            24 => take(f64::from(small_float(bits as u32, 7, 16))),
            32 => take(f64::from(f32::from_bits(bits as u32))),
            64 => take(f64::from_bits(bits)),
            _ => {}
        }
    }
}

/// Converts a floating-point number in an interchange format of IEEE 754 to `f32`. The format has
/// `n_exponent` bits of exponent and `n_fraction` bits of fraction.
fn small_float(bits: u32, n_exponent: u32, n_fraction: u32) -> f32 {
    let fraction = bits & ((1 << n_fraction) - 1);
    let exponent = (bits >> n_fraction & ((1 << n_exponent) - 1)).cast_signed();
    let bias = (1 << (n_exponent - 1)) - 1;
    let magnitude = if exponent == 2 * bias + 1 {
        if fraction == 0 { f32::INFINITY } else { f32::NAN }
    } else if exponent == 0 {
        fraction as f32 * 2f32.powi(1 - bias - n_fraction.cast_signed())
    } else {
        (fraction | 1 << n_fraction) as f32 * 2f32.powi(exponent - bias - n_fraction.cast_signed())
    };
    if bits >> (n_exponent + n_fraction) & 1 == 1 { -magnitude } else { magnitude }
}
