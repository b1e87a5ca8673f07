//! "Did you mean …?": the known word that is nearest to one nobody knows.

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};

/// How alike two words must be (1 is the same) before one is offered for the other.
const LIKELY: f64 = 0.6;
/// Longer words are not worth the comparison, whose cost grows with the square.
const MAX_BYTES: usize = 64;

/// The nearest of `known`, however far it is.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|candidate| damerau_levenshtein(word, candidate))
}

/// The nearest of `known` if it is so near that it was probably meant.
pub fn likely<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_BYTES {
        return None;
    }
    nearest(word, known).filter(|candidate| normalized_damerau_levenshtein(word, candidate) >= LIKELY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_what_was_probably_meant() {
        let known = ["width", "height", "mode"];
        for (word, expected) in [
            ("widht", Some("width")),
            ("Height", Some("height")),
            ("mod", Some("mode")),
            ("colour", None),
            ("", None),
            (&"width".repeat(20), None),
        ] {
            assert_eq!(likely(word, known), expected, "{word}");
        }
        assert_eq!(nearest("colour", known), Some("mode"));
        assert_eq!(nearest("colour", []), None);
    }
}
