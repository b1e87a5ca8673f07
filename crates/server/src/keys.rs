//! API keys: how they are made, read from a request and hashed. Where they are kept (only as hashes) and whether
//! one is still valid is the ledger's knowledge.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use sha2::{Digest as _, Sha256};

/// What every key starts with, so that people and secret scanners recognise one.
const MARK: &str = "pxv_";
/// Random characters after the mark: 62^32 is a little more than 190 bits.
const RANDOM_CHARS: usize = 32;
/// Characters of a key that lists may show: the mark and four of the random ones.
const PREFIX_CHARS: usize = MARK.len() + 4;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Base64 as Basic credentials come: most clients pad, some do not.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A well-formed API key. It is shown once, when it is made; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key from the random source of the operating system.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Self::from_entropy(getrandom::fill)
    }

    fn from_entropy<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        // 248 is the largest multiple of 62 a byte can hold: dropping what lies above keeps every character
        // equally likely.
        const UNBIASED_BELOW: u8 = 248;
        let mut key = MARK.to_owned();
        let mut bytes = [0; RANDOM_CHARS];
        while key.len() < MARK.len() + RANDOM_CHARS {
            fill(&mut bytes)?;
            let n_missing = MARK.len() + RANDOM_CHARS - key.len();
            let unbiased = bytes.iter().filter(|&&byte| byte < UNBIASED_BELOW);
            key.extend(unbiased.take(n_missing).map(|&byte| char::from(BASE62[usize::from(byte % 62)])));
        }
        Ok(Self(key))
    }

    /// Reads a key; `None` when the text has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(MARK)?;
        let well_formed =
            random.len() == RANDOM_CHARS && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// Reads the key from an `Authorization` header: the user name of `Basic` (whatever the password) or the token of
    /// `Bearer`.
    pub fn from_authorization(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?;
        let (scheme, credentials) = header.trim().split_once(' ')?;
        let credentials = credentials.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::parse(credentials);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(LENIENT_BASE64.decode(credentials).ok()?).ok()?;
        let (user, _password) = decoded.split_once(':')?;
        Self::parse(user)
    }

    /// What is stored and looked up instead of the key. A plain hash is enough: nobody can guess 190 random bits.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The first characters, by which its owner tells it from others: `pxv_ab12`.
    pub fn prefix(&self) -> &str {
        &self.0[..PREFIX_CHARS]
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

    use super::*;

    const KEY: &str = "pxv_0123456789ABCDEFGHIJKLMNOPabcdef";

    #[test]
    fn generated_keys_are_well_formed_and_differ() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_eq!(ApiKey::parse(one.reveal()).as_ref(), Some(&one));
        assert_ne!(one, other);
    }

    #[test]
    fn every_character_is_equally_likely() {
        // 31 keys use 31 × 32 = 4 × 248 bytes: four times each value that is not dropped.
        let mut source = (0..248_u8).cycle();
        let mut n_seen = [0; 128];
        for _ in 0..31 {
            let key = ApiKey::from_entropy(|bytes| {
                bytes.fill_with(|| source.next().expect("endless"));
                Ok::<(), Infallible>(())
            });
            key.unwrap().reveal()[MARK.len()..].bytes().for_each(|byte| n_seen[usize::from(byte)] += 1);
        }
        assert!(BASE62.iter().all(|&character| n_seen[usize::from(character)] == 16), "{n_seen:?}");
    }

    #[test]
    fn biased_bytes_are_dropped() {
        let mut rounds = [255_u8, 248, 247].into_iter();
        let key = ApiKey::from_entropy(|bytes| {
            bytes.fill(rounds.next().expect("the third round is usable"));
            Ok::<(), Infallible>(())
        });
        assert_eq!(key.unwrap().reveal(), format!("pxv_{}", "z".repeat(32)));
    }

    #[test]
    fn a_failing_source_makes_no_key() {
        assert_eq!(ApiKey::from_entropy(|_| Err("no entropy")), Err("no entropy"));
    }

    #[test]
    fn what_is_not_a_key() {
        for text in [
            "",
            "pxv_",
            "key",
            "PXV_0123456789ABCDEFGHIJKLMNOPabcdef",
            "pxv_0123456789ABCDEFGHIJKLMNOPabcde",
            "pxv_0123456789ABCDEFGHIJKLMNOPabcdefg",
            "pxv_0123456789ABCDEFGHIJKLMNOPabcde-",
            "pxv_0123456789ABCDEFGHIJKLMNOPabcdé",
            " pxv_0123456789ABCDEFGHIJKLMNOPabcdef",
        ] {
            assert_eq!(ApiKey::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn authorization_headers() {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let accepted = [
            basic(&format!("{KEY}:")),
            basic(&format!("{KEY}:a password: ignored")),
            basic(&format!("{KEY}:")).replace("Basic", "BASIC  "),
            format!("Basic {}", BASE64_STANDARD_NO_PAD.encode(format!("{KEY}:"))),
            format!("Bearer {KEY}"),
            format!("bearer   {KEY} "),
        ];
        for header in accepted {
            let key = ApiKey::from_authorization(header.as_bytes());
            assert_eq!(key.as_ref().map(ApiKey::reveal), Some(KEY), "{header}");
        }
        let refused = [
            String::new(),
            KEY.to_owned(),
            basic(KEY),
            basic(&format!(":{KEY}")),
            basic("key:"),
            format!("Token {KEY}"),
        ];
        for header in refused {
            assert_eq!(ApiKey::from_authorization(header.as_bytes()), None, "{header}");
        }
        assert_eq!(ApiKey::from_authorization(b"Basic \xff"), None);
        assert_eq!(ApiKey::from_authorization(b"Basic /////w=="), None, "no UTF-8 inside");
    }

    #[test]
    fn shown_is_the_prefix_only() {
        let key = ApiKey::parse(KEY).unwrap();
        assert_eq!(key.prefix(), "pxv_0123");
        assert_eq!(format!("{key:?}"), "ApiKey(pxv_0123…)");
        assert_eq!(key.sha256()[..], Sha256::digest(KEY)[..]);
    }
}
