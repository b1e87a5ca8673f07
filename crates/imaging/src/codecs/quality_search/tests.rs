use super::*;

/// The default quality of the encoder in these tests.
const DEFAULT_QUALITY: u8 = 80;

/// Runs a search in which the file of quality `q` has `size(q)` bytes. Returns the quality of the result, its
/// warning, and the qualities of all attempts.
fn run(
    quality: Option<u8>,
    max_bytes: u64,
    size: impl Fn(u8) -> f64,
) -> (Result<(u8, Option<String>), Error>, Vec<u8>) {
    let mut tried = Vec::new();
    let output = Output { quality, max_bytes: Some(max_bytes), ..Output::default() };
    let found = search(&output, max_bytes, |output| {
        assert_eq!(output.max_bytes, None, "an attempt must not start a search of its own");
        let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
        tried.push(quality);
        let n_bytes = size(quality).round() as u64;
        Ok(Attempt { result: quality, n_bytes, quality: Some(quality), format: "JPEG" })
    });
    (found.map(|found| (found.result, found.warning)), tried)
}

/// The size of a file whose logarithm has the slope `slope` against the typical sizes.
fn size_with_slope(slope: f64) -> impl Fn(u8) -> f64 {
    move |quality| 1e5 * (slope * ln_typical_size(quality)).exp()
}

#[test]
fn quality_search_encodes_once_at_the_default_quality_if_that_file_fits_max_bytes() {
    let (found, tried) = run(None, 100_000, size_with_slope(1.0));
    assert_eq!((found, tried), (Ok((80, None)), vec![80]));
}

#[test]
fn quality_search_finds_a_file_of_86_to_100_percent_of_max_bytes_in_three_encodings() {
    for slope in [0.6, 0.8, 1.0, 1.3, 1.6] {
        let size = size_with_slope(slope);
        for max_bytes in [95_000, 60_000, 40_000, 30_000] {
            let (found, tried) = run(None, max_bytes, &size);
            let (quality, warning) = found.expect("a file fits");
            let share = size(quality) / max_bytes as f64;
            assert!(tried.len() <= 3, "{tried:?}");
            let next = size(quality + 1) / max_bytes as f64;
            assert!(share <= 1.0 && (share >= 0.86 || next > 0.98), "slope {slope}, {max_bytes}: {share}");
            let warning = warning.expect("the quality was lowered");
            let expected =
                format!("the quality was lowered from 80 to {quality}, so that the JPEG has at most");
            assert!(warning.contains(&expected), "{warning}");
        }
    }
}

#[test]
fn quality_search_returns_the_smallest_file_with_a_warning_if_no_attempt_fits_max_bytes() {
    let (found, tried) = run(Some(90), 10, size_with_slope(1.0));
    let (quality, warning) = found.expect("the smallest file is returned");
    assert_eq!((quality, tried), (1, vec![90, 1]));
    let warning = warning.expect("no file fits");
    assert_eq!(
        warning,
        "output.max_bytes: no attempt had at most 10 bytes; the JPEG has 10000 bytes at quality 1"
    );
}

#[test]
fn quality_search_encodes_once_and_warns_if_quality_1_exceeds_max_bytes() {
    let (found, tried) = run(Some(1), 10, size_with_slope(1.0));
    assert_eq!(tried, [1]);
    assert!(
        found.expect("the only file is returned").1.is_some_and(|warning| warning.contains("no attempt"))
    );
}

#[test]
fn quality_search_refuses_a_lossless_file_that_exceeds_max_bytes_and_states_its_size() {
    let output = Output { max_bytes: Some(999), ..Output::default() };
    let found =
        search(&output, 999, |_| Ok(Attempt { result: (), n_bytes: 1_000, quality: None, format: "PNG" }));
    let message = found.map(|_| ()).expect_err("a lossless file cannot be made smaller").to_string();
    assert!(message.ends_with("takes 1000 bytes, more than 999"), "{message}");
}
