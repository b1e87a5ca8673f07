//! Implements `output.max_bytes`: searches for the highest quality at which the file has at most `max_bytes`
//! bytes.

use crate::Error;
use crate::plan::Output;

/// The result of encoding a picture or an animation at one quality.
pub(crate) struct Attempt<T> {
    /// The encoded file, in a form that the caller of the search chooses.
    pub(crate) result: T,
    /// Size of the encoded file in bytes.
    pub(crate) n_bytes: u64,
    /// Whether a lower quality would give a smaller file.
    pub(crate) lossy: bool,
    /// The name of the format, for the error message.
    pub(crate) format: &'static str,
}

/// Encodes at several qualities and returns the result with the highest quality at which the file has at most
/// `max_bytes` bytes.
///
/// The first attempt uses `output.quality`, or 100 if the output states none. If that file is too large, a
/// binary search over the lower qualities follows, with at most seven further attempts. The search assumes
/// that the size of a file grows with the quality, which holds apart from a few bytes. The returned file
/// always fits, and the file of the next higher quality was encoded too and was too large.
///
/// # Errors
/// [`Error::Plan`] when no quality fits; the message states the smallest size. Also returns the errors of
/// `attempt`.
pub(crate) fn highest_that_fits<T>(
    output: &Output,
    max_bytes: u64,
    mut attempt: impl FnMut(&Output) -> Result<Attempt<T>, Error>,
) -> Result<T, Error> {
    let ceiling = output.quality.unwrap_or(100);
    let mut at = |quality| attempt(&Output { quality: Some(quality), max_bytes: None, ..*output });
    let first = at(ceiling)?;
    if first.n_bytes <= max_bytes {
        return Ok(first.result);
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
    drop(first.result);
    while too_large - fitting > 1 {
        let quality = too_large.midpoint(fitting);
        let Attempt { result, n_bytes, format, .. } = at(quality)?;
        smallest = smallest.min((n_bytes, format));
        if n_bytes <= max_bytes {
            fitting = quality;
            best = Some(result);
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

    /// Runs a search in which a file of quality `q` has `10 · q` bytes. Returns the result of the search and
    /// the qualities of all attempts.
    fn search(quality: Option<u8>, max_bytes: u64, lossy: bool) -> (Result<u8, Error>, Vec<u8>) {
        let mut tried = Vec::new();
        let output = Output { quality, max_bytes: Some(max_bytes), ..Output::default() };
        let result = highest_that_fits(&output, max_bytes, |output| {
            assert_eq!(output.max_bytes, None, "an attempt must not start a search of its own");
            let quality = output.quality.expect("each attempt has a quality");
            tried.push(quality);
            Ok(Attempt { result: quality, n_bytes: u64::from(quality) * 10, lossy, format: "JPEG" })
        });
        (result, tried)
    }

    #[test]
    fn quality_search_finds_the_highest_quality_whose_file_fits_max_bytes_in_at_most_eight_tries() {
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
    fn quality_search_fails_and_states_the_smallest_file_size_if_every_quality_exceeds_max_bytes() {
        let message = |result: Result<u8, Error>| result.unwrap_err().to_string();
        assert_eq!(
            message(search(None, 9, true).0),
            "output.max_bytes: the smallest JPEG that can be made of this image at this size takes 10 bytes, \
             more than 9"
        );
        let (result, tried) = search(None, 999, false);
        assert!(message(result).ends_with("takes 1000 bytes, more than 999"));
        assert_eq!(tried, [100], "lossless files are tried once");
    }
}
