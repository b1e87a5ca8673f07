//! Implements `output.max_bytes`: lowers the quality until the file has at most `max_bytes` bytes, with at most
//! three encodings.

use super::codec::Encoded;
use super::interpolation::interpolated;
use crate::Error;
use crate::plan::Output;

/// The result of encoding a picture or an animation at one quality.
pub(crate) struct Attempt<T> {
    /// The encoded file, in a form that the caller of the search chooses.
    pub(crate) result: T,
    /// The size of the encoded file in bytes.
    pub(crate) n_bytes: u64,
    /// The quality of the file. `None` if the file is lossless, so that a lower quality would not make it
    /// smaller.
    pub(crate) quality: Option<u8>,
    /// The name of the format, for the messages.
    pub(crate) format: &'static str,
}

impl Attempt<Encoded> {
    /// Describes a complete file.
    pub(crate) fn of(encoded: Encoded) -> Self {
        Self {
            n_bytes: encoded.bytes.len() as u64,
            quality: encoded.info.quality,
            format: encoded.info.format.name(),
            result: encoded,
        }
    }
}

/// The result of a search.
pub(crate) struct Found<T> {
    pub(crate) result: T,
    /// A sentence for the user if the quality was lowered, or if no attempt had at most `max_bytes` bytes.
    pub(crate) warning: Option<String>,
}

/// The largest number of encodings of one search.
pub(crate) const MAX_ATTEMPTS: u64 = 3;

/// The share of `max_bytes` at which an attempt aims that is allowed to be too large, because an earlier
/// attempt fits.
const CLOSE_TARGET: f64 = 0.98;
/// The share of `max_bytes` at which an attempt aims that follows only attempts that are too large.
const SAFE_TARGET: f64 = 0.92;
/// If an attempt fits and has at least this share of `max_bytes`, no better attempt is made.
const GOOD_SHARE: f64 = 0.95;

/// Sizes of a typical photograph as JPEG, relative to its size at quality 80. The qualities are ascending.
const TYPICAL_SIZES: [(u8, f64); 12] = [
    (1, 0.1),
    (10, 0.19),
    (20, 0.3),
    (30, 0.39),
    (40, 0.48),
    (50, 0.56),
    (60, 0.65),
    (70, 0.79),
    (80, 1.0),
    (90, 1.55),
    (95, 2.2),
    (100, 4.4),
];

/// Encodes at most three times, and returns the file with the highest quality of those that have at most
/// `max_bytes` bytes. If no file does, returns the smallest file with a warning.
///
/// The first attempt uses `output.quality`, or the default quality of the format. The second quality follows
/// from the sizes of a typical photograph. The third quality follows by the secant method from the sizes of
/// the first two files. The method works on the logarithms of the sizes, because they are nearly linear in
/// the logarithms of the typical sizes.
///
/// # Errors
/// [`Error::Plan`] when a lossless file has more than `max_bytes` bytes. Also returns the errors of `attempt`.
pub(crate) fn search<T>(
    output: &Output,
    max_bytes: u64,
    mut attempt: impl FnMut(&Output) -> Result<Attempt<T>, Error>,
) -> Result<Found<T>, Error> {
    let mut at = |quality| attempt(&Output { quality, max_bytes: None, ..*output });
    let first = at(output.quality)?;
    if first.n_bytes <= max_bytes {
        return Ok(Found { result: first.result, warning: None });
    }
    let Some(first_quality) = output.quality.or(first.quality).filter(|_| first.quality.is_some()) else {
        return Err(too_large_without_loss(&first, max_bytes));
    };
    let first_point = Point::new(first_quality, first.n_bytes);
    let second_quality = first_point.quality_for(max_bytes, SAFE_TARGET, 1.0).min(first_quality - 1);
    if second_quality == 0 {
        return Ok(found(first, first_quality, first_quality, max_bytes));
    }
    drop(first.result);
    let second = at(Some(second_quality))?;
    let second_point = Point::new(second_quality, second.n_bytes);
    let slope = second_point.slope_to(first_point);
    let third_quality = if second.n_bytes > max_bytes {
        second_point.quality_for(max_bytes, SAFE_TARGET, slope).min(second_quality - 1)
    } else if second.n_bytes as f64 >= max_bytes as f64 * GOOD_SHARE {
        second_quality
    } else {
        second_point.quality_for(max_bytes, CLOSE_TARGET, slope).clamp(second_quality, first_quality - 1)
    };
    if third_quality == 0 || third_quality == second_quality {
        return Ok(found(second, second_quality, first_quality, max_bytes));
    }
    let third = at(Some(third_quality))?;
    Ok(if third.n_bytes <= max_bytes || second.n_bytes > max_bytes {
        found(third, third_quality, first_quality, max_bytes)
    } else {
        found(second, second_quality, first_quality, max_bytes)
    })
}

/// The error for a lossless file with more than `max_bytes` bytes.
pub(crate) fn too_large_without_loss<T>(attempt: &Attempt<T>, max_bytes: u64) -> Error {
    let Attempt { n_bytes, format, .. } = attempt;
    Error::Plan(format!(
        "output.max_bytes: the {format} is written without loss, has no quality to be lowered, and takes \
         {n_bytes} bytes, more than {max_bytes}"
    ))
}

/// Adds the warning to the attempt that a search returns.
pub(crate) fn found<T>(attempt: Attempt<T>, quality: u8, first_quality: u8, max_bytes: u64) -> Found<T> {
    let Attempt { result, n_bytes, format, .. } = attempt;
    let warning = if n_bytes > max_bytes {
        format!(
            "output.max_bytes: no attempt had at most {max_bytes} bytes; the {format} has {n_bytes} bytes at \
             quality {quality}"
        )
    } else {
        format!(
            "output.max_bytes: the quality was lowered from {first_quality} to {quality}, so that the {format} \
             has at most {max_bytes} bytes"
        )
    };
    Found { result, warning: Some(warning) }
}

/// The logarithms of the typical size and of the real size of a file at one quality.
#[derive(Clone, Copy)]
struct Point {
    typical: f64,
    real: f64,
}

impl Point {
    fn new(quality: u8, n_bytes: u64) -> Self {
        Self { typical: ln_typical_size(quality), real: (n_bytes.max(1) as f64).ln() }
    }

    /// By how much the logarithm of the real size grows with that of the typical size. Limited to the slopes
    /// of real encoders, so that a file whose size hardly depends on its quality does not lead to quality 1.
    fn slope_to(self, other: Self) -> f64 {
        ((other.real - self.real) / (other.typical - self.typical)).clamp(0.3, 3.0)
    }

    /// The highest quality at which the file is expected to have at most `share * max_bytes` bytes, at least
    /// 1.
    fn quality_for(self, max_bytes: u64, share: f64, slope: f64) -> u8 {
        let wanted = self.typical + ((max_bytes as f64 * share).ln() - self.real) / slope;
        (1..=100).rev().find(|&quality| ln_typical_size(quality) <= wanted).unwrap_or(1)
    }
}

/// The logarithm of the typical size at a quality from 1 to 100.
fn ln_typical_size(quality: u8) -> f64 {
    interpolated(&TYPICAL_SIZES.map(|(row, size)| (row, size.ln())), quality)
}

#[cfg(test)]
mod tests;
