//! Generates random texts of letters and digits, for API keys and watermark ids.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random bytes from 248 up are dropped. The number 248 is the largest multiple of 62 that fits into a byte,
/// so the bytes below it make each of the 62 digits equally likely.
const UNBIASED_BELOW: u8 = 248;

/// Generates `n_chars` random base-62 digits with the random source of the operating system.
pub fn random(n_chars: usize) -> Result<String, getrandom::Error> {
    from_entropy(n_chars, getrandom::fill)
}

/// Generates `n_chars` random base-62 digits from random bytes. The function `fill` supplies 32 random bytes
/// per call, and is called until there are enough digits.
fn from_entropy<E>(n_chars: usize, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<String, E> {
    let mut text = String::with_capacity(n_chars);
    let mut bytes = [0; 32];
    while text.len() < n_chars {
        fill(&mut bytes)?;
        let n_missing = n_chars - text.len();
        let unbiased = bytes.iter().filter(|&&byte| byte < UNBIASED_BELOW);
        text.extend(unbiased.take(n_missing).map(|&byte| char::from(DIGITS[usize::from(byte % 62)])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn every_digit_is_equally_likely_in_a_random_base_62_text() {
        // The test generates 31 texts of 32 digits. These texts use 31 × 32 = 4 × 248 bytes, so each of the
        // 248 accepted byte values is used exactly four times.
        let mut source = (0..248_u8).cycle();
        let mut n_seen = [0; 128];
        for _ in 0..31 {
            let text = from_entropy(32, |bytes| {
                bytes.fill_with(|| source.next().expect("the source is endless"));
                Ok::<(), Infallible>(())
            });
            text.unwrap().bytes().for_each(|byte| n_seen[usize::from(byte)] += 1);
        }
        assert!(DIGITS.iter().all(|&digit| n_seen[usize::from(digit)] == 16), "{n_seen:?}");
    }

    #[test]
    fn random_bytes_with_values_from_248_to_255_are_not_used_for_base_62_digits() {
        let mut rounds = [255_u8, 248, 247].into_iter();
        let text = from_entropy(32, |bytes| {
            bytes.fill(rounds.next().expect("the third round is usable"));
            Ok::<(), Infallible>(())
        });
        assert_eq!(text.unwrap(), "z".repeat(32));
    }

    #[test]
    fn generating_a_base_62_text_returns_the_error_of_the_random_source() {
        assert_eq!(from_entropy(32, |_| Err("no entropy")), Err("no entropy"));
    }
}
