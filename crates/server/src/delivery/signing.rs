//! The signature of Standard Webhooks (<https://www.standardwebhooks.com>, version 1): HMAC-SHA256 over
//! `id.timestamp.body`, with a secret that sender and receiver share. The dispatcher signs webhooks with this
//! module, and `pixaven listen` verifies webhooks with it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The prefix of every signing secret. The text after the prefix is base64.
const SECRET_PREFIX: &str = "whsec_";
/// The length of a generated signing secret in bytes. Standard Webhooks requires 24 to 64 bytes.
const SECRET_BYTES: usize = 32;
/// The prefix of a signature of version 1 of Standard Webhooks.
const SIGNATURE_PREFIX: &str = "v1,";

/// A parsed signing secret. Its `Debug` output hides the secret.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// The error for a text that is not a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: it is `whsec_` and base64")]
pub struct InvalidSecret;

/// Why a receiver must not trust a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The timestamp in the headers of the message is not a number of seconds.
    #[error("the timestamp cannot be read")]
    Timestamp,
    /// The timestamp of the message is too far from the current time. Somebody may be sending an old message
    /// again.
    #[error("the timestamp is too far from now")]
    TooFarFromNow,
    /// The header contains no signature of version 1 that matches the message.
    #[error("no signature matches")]
    Signature,
}

/// The three headers that a receiver verifies, as received.
#[derive(Debug, Clone, Copy)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since the Unix epoch.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or more signatures, separated by spaces.
    pub signature: &'a str,
}

/// Generates a secret with the random source of the operating system.
pub fn generate_secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
}

impl SigningKey {
    /// Parses a signing secret of the form that [`generate_secret`] returns.
    pub fn parse(secret: &str) -> Result<Self, InvalidSecret> {
        let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if bytes.is_empty() {
            return Err(InvalidSecret);
        }
        Ok(Self(Hmac::new_from_slice(&bytes).expect("HMAC takes keys of any length")))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Returns the value of the header `webhook-signature`: one signature for each key, so that a receiver can
/// verify the webhook with any of the active secrets.
pub fn sign(keys: &[SigningKey], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let signatures = keys.iter().map(|key| {
        let signature = key.mac(id, &timestamp, body).finalize().into_bytes();
        format!("{SIGNATURE_PREFIX}{}", STANDARD.encode(signature))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Checks that a message was signed with `key`, and that its timestamp differs from `now_s` by at most
/// `tolerance_s` seconds. Signatures are compared in constant time. Signatures of other versions are ignored.
pub fn verify(
    key: &SigningKey,
    headers: SignedHeaders<'_>,
    body: &[u8],
    now_s: i64,
    tolerance_s: u64,
) -> Result<(), VerifyError> {
    let timestamp_s: i64 = headers.timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if now_s.abs_diff(timestamp_s) > tolerance_s {
        return Err(VerifyError::TooFarFromNow);
    }
    let matches = headers.signature.split(' ').any(|signature| {
        let decoded =
            signature.strip_prefix(SIGNATURE_PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        decoded.is_some_and(|decoded| {
            key.mac(headers.id, headers.timestamp, body).verify_slice(&decoded).is_ok()
        })
    });
    if matches { Ok(()) } else { Err(VerifyError::Signature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> SigningKey {
        SigningKey::parse(secret).unwrap()
    }

    /// The examples come from the reference libraries of Standard Webhooks.
    #[test]
    fn webhook_signatures_equal_the_published_examples_of_standard_webhooks() {
        for (secret, id, timestamp_s, body, expected) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            assert_eq!(sign(&[key(secret)], id, timestamp_s, body.as_bytes()), expected);
        }
    }

    #[test]
    fn a_webhook_signature_is_valid_for_each_active_secret_and_for_no_other_secret() {
        let secrets: [String; 3] = std::array::from_fn(|_| generate_secret().unwrap());
        let [old, new, stranger] = secrets.each_ref().map(|secret| key(secret));
        let signature = sign(&[new.clone(), old.clone()], "id", 1_000, b"body");
        assert_eq!(signature.split(' ').count(), 2);
        let headers = SignedHeaders { id: "id", timestamp: "1000", signature: &signature };
        assert_eq!(verify(&old, headers, b"body", 1_000, 300), Ok(()));
        assert_eq!(verify(&new, headers, b"body", 1_000, 300), Ok(()));
        assert_eq!(verify(&stranger, headers, b"body", 1_000, 300), Err(VerifyError::Signature));
    }

    #[test]
    fn the_signature_of_a_changed_or_outdated_webhook_is_refused() {
        let key = key(&generate_secret().unwrap());
        let signature = sign(std::slice::from_ref(&key), "id", 1_000, b"body");
        let good = SignedHeaders { id: "id", timestamp: "1000", signature: &signature };
        let with_stranger = format!("v1a,abc {signature}");
        let bare = signature.replace("v1,", "");
        for (headers, body, now_s, expected) in [
            (good, b"body", 1_000, Ok(())),
            (good, b"body", 1_300, Ok(())),
            (good, b"body", 700, Ok(())),
            (SignedHeaders { signature: &with_stranger, ..good }, b"body", 1_000, Ok(())),
            (good, b"Body", 1_000, Err(VerifyError::Signature)),
            (SignedHeaders { id: "di", ..good }, b"body", 1_000, Err(VerifyError::Signature)),
            (SignedHeaders { timestamp: "1001", ..good }, b"body", 1_000, Err(VerifyError::Signature)),
            (SignedHeaders { signature: &bare, ..good }, b"body", 1_000, Err(VerifyError::Signature)),
            (SignedHeaders { signature: "", ..good }, b"body", 1_000, Err(VerifyError::Signature)),
            (SignedHeaders { timestamp: "now", ..good }, b"body", 1_000, Err(VerifyError::Timestamp)),
            (good, b"body", 1_301, Err(VerifyError::TooFarFromNow)),
            (good, b"body", 699, Err(VerifyError::TooFarFromNow)),
        ] {
            assert_eq!(verify(&key, headers, body, now_s, 300), expected, "{headers:?} {body:?} {now_s}");
        }
    }

    #[test]
    fn a_malformed_signing_secret_is_refused_and_debug_output_never_shows_a_signing_secret() {
        for text in [
            "",
            "whsec_",
            "whsec_*",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec-MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert_eq!(SigningKey::parse(text).map(|_| ()), Err(InvalidSecret), "{text}");
        }
        assert_eq!(format!("{:?}", key(&generate_secret().unwrap())), "SigningKey(…)");
    }
}
