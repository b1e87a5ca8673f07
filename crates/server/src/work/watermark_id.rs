//! The ids of watermarks. An id consists of ten letters and digits.

use super::base62;

/// The number of characters of an id. An id has a little less than 60 random bits (62^10 possible values), so
/// nobody can guess an id.
const ID_CHARS: usize = 10;

/// Generates a random watermark id.
///
/// # Errors
/// If the random source of the operating system fails.
pub fn generate() -> Result<String, getrandom::Error> {
    base62::random(ID_CHARS)
}

/// Returns whether a text has the form of a watermark id.
pub fn is_valid(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_id_consists_of_exactly_ten_ascii_letters_and_digits() {
        let first = generate().expect("randomness");
        assert!(is_valid(&first), "{first}");
        assert_ne!(first, generate().expect("randomness"));
        for wrong in ["", "abcdefghi", "abcdefghijk", "abcdefghi/", "äbcdefghi", "abcdefghi "] {
            assert!(!is_valid(wrong), "{wrong:?}");
        }
    }
}
