//! Verifies the signature of a webhook, as a receiver should do (Standard Webhooks 1.0): the signature over
//! id, timestamp and body must match the account's secret. This code follows the specification and shares no
//! code with the module of the server that signs webhooks, so that a bug in one of the two makes the demo
//! fail.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// The values in the headers of a webhook whose signature is valid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VerifiedWebhook {
    pub(super) id: String,
    pub(super) attempt: u32,
}

/// Verifies the signature of a webhook. `secret` is the account's signing secret with its prefix `whsec_`.
///
/// # Errors
/// The function fails if a header is absent or malformed, or if no signature matches.
pub(super) fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> anyhow::Result<VerifiedWebhook> {
    let header = |name: &str| {
        let value = headers.get(name).with_context(|| format!("the webhook has no {name} header"))?;
        value.to_str().with_context(|| format!("{name} is no text"))
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let key = secret.strip_prefix("whsec_").context("the secret does not begin with whsec_")?;
    let key = STANDARD.decode(key).context("the secret is no base64")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).context("the secret is no key")?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    // While a signing secret is being rotated, the header contains one signature for each active secret.
    let signatures = header("webhook-signature")?;
    ensure!(
        signatures.split(' ').any(|signature| signature == expected),
        "the signature is wrong: {signatures}"
    );
    let attempt = header("webhook-attempt")?.parse().context("webhook-attempt is no number")?;
    Ok(VerifiedWebhook { id: id.to_owned(), attempt })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The secret, the body and the signature come from the example in the Standard Webhooks specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn headers(signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-attempt", "3"),
            ("webhook-signature", signature),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_signature_of_the_example_in_the_standard_webhooks_specification_is_valid() {
        let verified = verify(&headers(SIGNATURE), BODY, SECRET).unwrap();
        assert_eq!(verified, VerifiedWebhook { id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), attempt: 3 });
        verify(&headers(&format!("v1,AAAA {SIGNATURE}")), BODY, SECRET).unwrap();
    }

    #[test]
    fn a_webhook_signature_is_invalid_for_another_body_or_another_secret() {
        verify(&headers(SIGNATURE), br#"{"test": 2432232315}"#, SECRET).unwrap_err();
        verify(&headers(SIGNATURE), BODY, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap_err();
        verify(&headers("v1,AAAA"), BODY, SECRET).unwrap_err();
    }
}
