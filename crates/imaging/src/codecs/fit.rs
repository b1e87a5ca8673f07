//! `output.max_bytes`: the highest quality whose file is not larger.

use crate::Error;
use crate::plan::Output;

/// What came of one quality.
pub(crate) struct Attempt<T> {
    pub(crate) made: T,
    pub(crate) n_bytes: u64,
    /// Whether a lower quality would make a smaller file.
    pub(crate) lossy: bool,
    /// The format, for the message.
    pub(crate) format: &'static str,
}

/// Tries qualities until the highest that fits is found: that of the output or, where it says none, 100, if that fits;
/// otherwise by bisection, in at most seven further attempts. Files grow with the quality, but for a few bytes here and
/// there: the one found always fits, and the next higher was seen not to.
///
/// # Errors
/// [`Error::Plan`] with the smallest size that was reached when nothing fits; those of the attempts.
pub(crate) fn highest<T>(
    output: &Output,
    max_bytes: u64,
    mut attempt: impl FnMut(&Output) -> Result<Attempt<T>, Error>,
) -> Result<T, Error> {
    let ceiling = output.quality.unwrap_or(100);
    let mut at = |quality| attempt(&Output { quality: Some(quality), max_bytes: None, ..*output });
    let first = at(ceiling)?;
    if first.n_bytes <= max_bytes {
        return Ok(first.made);
    }
    if !first.lossy {
        let Attempt { n_bytes, format, .. } = first;
        return Err(Error::Plan(format!(
            "output.max_bytes: the {format} is written without loss, has no quality to be lowered, and takes \
             {n_bytes} bytes, more than {max_bytes}"
        )));
    }
    let (mut fitting, mut too_large) = (0, ceiling);
    let mut best = None;
    let mut smallest = (first.n_bytes, first.format);
    drop(first.made);
    while too_large - fitting > 1 {
        let quality = too_large.midpoint(fitting);
        let Attempt { made, n_bytes, format, .. } = at(quality)?;
        smallest = smallest.min((n_bytes, format));
        if n_bytes <= max_bytes {
            fitting = quality;
            best = Some(made);
        } else {
            too_large = quality;
        }
    }
    best.ok_or_else(|| {
        let (n_bytes, format) = smallest;
        Error::Plan(format!(
            "output.max_bytes: the smallest {format} that can be made of this image at this size takes {n_bytes} \
             bytes, more than {max_bytes}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries with files of 10 bytes per quality.
    fn search(quality: Option<u8>, max_bytes: u64, lossy: bool) -> (Result<u8, Error>, Vec<u8>) {
        let mut tried = Vec::new();
        let output = Output { quality, max_bytes: Some(max_bytes), ..Output::default() };
        let result = highest(&output, max_bytes, |output| {
            assert_eq!(output.max_bytes, None, "an attempt does not search");
            let quality = output.quality.expect("each attempt has a quality");
            tried.push(quality);
            Ok(Attempt { made: quality, n_bytes: u64::from(quality) * 10, lossy, format: "JPEG" })
        });
        (result, tried)
    }

    #[test]
    fn the_highest_quality_that_fits_is_found_in_few_attempts() {
        for ceiling in 1..=100 {
            for highest in 1..=ceiling {
                for max_bytes in [u64::from(highest) * 10, u64::from(highest) * 10 + 9] {
                    let (found, tried) = search(Some(ceiling), max_bytes, true);
                    assert_eq!(found, Ok(highest), "{max_bytes} bytes, at most {ceiling}");
                    assert!(tried.len() <= 8, "{tried:?}");
                }
            }
        }
        assert_eq!(search(None, 500, true), (Ok(50), vec![100, 50, 75, 62, 56, 53, 51]));
        assert_eq!(search(None, 1_000, true), (Ok(100), vec![100]));
    }

    #[test]
    fn what_cannot_fit_is_refused_with_the_smallest_size() {
        let message = |result: Result<u8, Error>| result.unwrap_err().to_string();
        assert_eq!(
            message(search(None, 9, true).0),
            "output.max_bytes: the smallest JPEG that can be made of this image at this size takes 10 bytes, \
             more than 9"
        );
        let (result, tried) = search(None, 999, false);
        assert!(message(result).ends_with("takes 1000 bytes, more than 999"));
        assert_eq!(tried, [100], "without loss there is nothing to try");
    }
}
