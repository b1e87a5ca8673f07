//! Finds the known name that is most similar to an unknown one, for the question "did you mean …?" in
//! messages.

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};

/// The lowest similarity at which a known word is suggested. Equal words have the similarity 1.
const MIN_SIMILARITY: f64 = 0.6;
/// The longest word that is compared. The cost of a comparison grows with the square of the length.
const MAX_BYTES: usize = 64;

/// The most similar of the `known` words, however different it is. `None` if there are no known words.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|candidate| damerau_levenshtein(word, candidate))
}

/// The most similar of the `known` words, if it is similar enough to be a probable correction of `word`.
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
    fn only_a_similar_word_is_suggested() {
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
