//! The ids of watermarks: ten letters and digits.

use super::base62;

/// Number of characters of an id. 62^10 is a little less than 60 bits, so ids cannot be guessed.
const ID_CHARS: usize = 10;

/// A new random id.
///
/// # Errors
/// The random source of the operating system failed.
pub fn generate() -> Result<String, getrandom::Error> {
    base62::random(ID_CHARS)
}

/// Whether a text has the form of an id.
pub fn is_valid(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ten_letters_and_digits() {
        let first = generate().expect("randomness");
        assert!(is_valid(&first), "{first}");
        assert_ne!(first, generate().expect("randomness"));
        for wrong in ["", "abcdefghi", "abcdefghijk", "abcdefghi/", "äbcdefghi", "abcdefghi "] {
            assert!(!is_valid(wrong), "{wrong:?}");
        }
    }
}
