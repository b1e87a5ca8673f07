//! Finds the known name that is most similar to an unknown name, for the question "did you mean …?" in
//! messages.

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};

/// The lowest similarity at which a known word is suggested. The similarity of equal words is 1, and that of
/// entirely different words is 0.
const MIN_SIMILARITY: f64 = 0.6;
/// The longest word, in bytes, for which a suggestion is made. The cost of a comparison grows with the square
/// of the length.
const MAX_BYTES: usize = 64;

/// Returns the word of `known` that is most similar to `word`, however different the two words are. Returns
/// `None` if `known` is empty.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|candidate| damerau_levenshtein(word, candidate))
}

/// Returns the word of `known` that is most similar to `word`, if the two words are similar enough for a
/// probable correction.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_BYTES {
        return None;
    }
    nearest(word, known).filter(|candidate| normalized_damerau_levenshtein(word, candidate) >= MIN_SIMILARITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_word_is_suggested_for_an_unknown_word_only_if_both_words_are_similar() {
        let known = ["width", "height", "mode"];
        for (word, expected) in [
            ("widht", Some("width")),
            ("Height", Some("height")),
            ("mod", Some("mode")),
            ("colour", None),
            ("", None),
            (&"width".repeat(20), None),
        ] {
            assert_eq!(suggestion(word, known), expected, "{word}");
        }
        assert_eq!(nearest("colour", known), Some("mode"));
        assert_eq!(nearest("colour", []), None);
    }
}
