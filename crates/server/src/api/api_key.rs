//! API keys: generates a key, reads a key from a request, and hashes a key. The ledger stores only hashes,
//! and decides which keys are valid.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use sha2::{Digest as _, Sha256};

use crate::work::base62;

/// The prefix of every API key. People and programs that scan for leaked secrets recognise a key by this
/// prefix.
const KEY_PREFIX: &str = "pxv_";
/// The number of random characters after the prefix of an API key. Each character is one of 62, so that 32
/// characters contain a little more than 190 bits of randomness (62^32).
const RANDOM_CHARS: usize = 32;
/// The number of characters of an API key that a list of keys may show: the prefix of the key and its first
/// four random characters.
const SHOWN_CHARS: usize = KEY_PREFIX.len() + 4;
/// Decodes the base64 of Basic credentials, with or without padding, because some clients omit the padding.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A well-formed API key. The whole key is shown only when it is created. `Debug` hides the key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Generates a key with the random source of the operating system.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{KEY_PREFIX}{}", base62::random(RANDOM_CHARS)?)))
    }

    /// Parses an API key. Returns `None` if the text does not have the form of a key.
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(KEY_PREFIX)?;
        let well_formed =
            random.len() == RANDOM_CHARS && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// Reads the API key from an `Authorization` header. The key is the user name of `Basic` credentials,
    /// whose password is ignored, or the token of `Bearer`.
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

    /// Returns the SHA-256 of the API key, which the ledger stores instead of the key. A fast hash without a
    /// salt is secure here, because a key has 190 random bits and cannot be guessed.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Returns the first characters of the API key, such as `pxv_ab12`. The owner of the key recognises the
    /// key in a list by these characters.
    pub fn prefix(&self) -> &str {
        &self.0[..SHOWN_CHARS]
    }

    /// Returns the whole API key. The server uses it only to show a new key to its owner.
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
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

    use super::*;

    const KEY: &str = "pxv_0123456789ABCDEFGHIJKLMNOPabcdef";

    #[test]
    fn generated_api_keys_are_well_formed_and_different() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_eq!(ApiKey::parse(one.reveal()).as_ref(), Some(&one));
        assert_ne!(one, other);
    }

    #[test]
    fn a_text_that_does_not_have_the_form_of_an_api_key_is_refused() {
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
    fn an_api_key_is_read_from_a_basic_or_bearer_header() {
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
    fn debug_output_of_an_api_key_shows_only_its_first_characters() {
        let key = ApiKey::parse(KEY).unwrap();
        assert_eq!(key.prefix(), "pxv_0123");
        assert_eq!(format!("{key:?}"), "ApiKey(pxv_0123…)");
        assert_eq!(key.sha256()[..], Sha256::digest(KEY)[..]);
    }
}
