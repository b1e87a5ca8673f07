//! The ids of watermarks: ten letters and digits.

use super::base62;

/// Number of characters of an id. An id has a little less than 60 random bits (62^10), so nobody can guess an
/// id.
const ID_CHARS: usize = 10;

/// Generates a random id.
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
    fn a_watermark_id_has_ten_letters_or_digits() {
        let first = generate().expect("randomness");
        assert!(is_valid(&first), "{first}");
        assert_ne!(first, generate().expect("randomness"));
        for wrong in ["", "abcdefghi", "abcdefghijk", "abcdefghi/", "äbcdefghi", "abcdefghi "] {
            assert!(!is_valid(wrong), "{wrong:?}");
        }
    }
}
