//! Undoes the predictors of TIFF. A predictor replaces samples by differences, which compress better (TIFF
//! 6.0, section 14, and Adobe's Technical Note 3 for floats). The differences are converted to samples in the
//! same buffer, row by row.

use super::page::{Number, Page};
use super::samples::packed;
use super::unsupported;
use crate::Error;

/// Undoes the predictor that the tags of the page state. The rows have `row_bytes` bytes, and a pixel has
/// `n_samples` samples. Returns whether the samples are big-endian afterwards.
pub(super) fn undo(
    page: &Page,
    bytes: &mut [u8],
    row_bytes: usize,
    n_samples: usize,
    big_endian: bool,
) -> Result<bool, Error> {
    let rows = bytes.chunks_mut(row_bytes);
    match (page.predictor, page.bits) {
        // The standard value for "no predictor" is 1, but some encoders write 0.
        (0 | 1, _) => Ok(big_endian),
        (2, 8) => {
            rows.for_each(|row| differences::<1>(row, n_samples, big_endian));
            Ok(big_endian)
        }
        (2, 16) => {
            rows.for_each(|row| differences::<2>(row, n_samples, big_endian));
            Ok(big_endian)
        }
        (2, 24) => {
            rows.for_each(|row| differences::<3>(row, n_samples, big_endian));
            Ok(big_endian)
        }
        (2, 32) => {
            rows.for_each(|row| differences::<4>(row, n_samples, big_endian));
            Ok(big_endian)
        }
        (2, 64) => {
            rows.for_each(|row| differences::<8>(row, n_samples, big_endian));
            Ok(big_endian)
        }
        (2, bits @ 1..=31) => {
            rows.for_each(|row| packed_differences(row, n_samples, bits));
            Ok(big_endian)
        }
        (3, 16 | 24 | 32 | 64) if page.number == Number::Float => {
            let mut copy = vec![0; row_bytes];
            rows.for_each(|row| float_differences(row, &mut copy, n_samples, page.bits / 8));
            Ok(true)
        }
        (predictor, bits) => Err(unsupported(format!("predictor {predictor} with {bits} bits per sample"))),
    }
}

/// Undoes horizontal differencing: each stored value is the difference between a sample and the same sample
/// of the pixel to the left.
fn differences<const N: usize>(row: &mut [u8], n_samples: usize, big_endian: bool) {
    let values = row.as_chunks_mut::<N>().0;
    for i in n_samples..values.len() {
        let before = values[i - n_samples];
        let value = &mut values[i];
        let mut carry = 0u16;
        for k in 0..N {
            let k = if big_endian { N - 1 - k } else { k };
            let sum = u16::from(value[k]) + u16::from(before[k]) + carry;
            value[k] = sum as u8;
            carry = sum >> 8;
        }
    }
}

/// Undoes horizontal differencing of samples whose number of bits is not a multiple of 8. Such samples are
/// packed without gaps, the highest bit first.
fn packed_differences(row: &mut [u8], n_samples: usize, bits: usize) {
    let n = row.len() * 8 / bits;
    let mut values: Vec<u64> = packed(row, n, bits).collect();
    for i in n_samples..values.len() {
        values[i] = (values[i] + values[i - n_samples]) & ((1 << bits) - 1);
    }
    let (mut pending, mut n_pending, mut at) = (0_u64, 0, 0);
    for value in values {
        pending = pending << bits | value;
        n_pending += bits;
        while n_pending >= 8 {
            n_pending -= 8;
            row[at] = (pending >> n_pending) as u8;
            at += 1;
        }
    }
    if n_pending > 0 {
        row[at] = (pending << (8 - n_pending)) as u8;
    }
}

/// Undoes the differencing of floats. The bytes of all values of a row are sorted by significance, the most
/// significant bytes first. Each stored byte is the difference between the original byte and the byte that is
/// `n_samples` bytes earlier.
fn float_differences(row: &mut [u8], copy: &mut [u8], n_samples: usize, n_bytes: usize) {
    for i in n_samples..row.len() {
        row[i] = row[i].wrapping_add(row[i - n_samples]);
    }
    let copy = &mut copy[..row.len()];
    copy.copy_from_slice(row);
    let n_values = row.len() / n_bytes;
    for (i, value) in row.chunks_exact_mut(n_bytes).enumerate() {
        for (rank, byte) in value.iter_mut().enumerate() {
            *byte = copy[rank * n_values + i];
        }
    }
}
