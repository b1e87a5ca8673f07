//! What a careful receiver does with a webhook before it believes it (Standard Webhooks 1.0): the signature over id,
//! time and body must have been made with the account's secret. Written against the specification, apart from the
//! code that signs, so that each proves the other.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// A webhook whose signature is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) id: String,
    pub(super) attempt: u32,
}

/// Checks the signature; `secret` is the account's, with its `whsec_`.
pub(super) fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> anyhow::Result<Receipt> {
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
    // Several signatures may stand there while a secret is being replaced.
    let signatures = header("webhook-signature")?;
    ensure!(signatures.split(' ').any(|one| one == expected), "the signature is wrong: {signatures}");
    let attempt = header("webhook-attempt")?.parse().context("webhook-attempt is no number")?;
    Ok(Receipt { id: id.to_owned(), attempt })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the Standard Webhooks specification.
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
    fn the_example_of_the_specification_is_accepted() {
        let receipt = verify(&headers(SIGNATURE), BODY, SECRET).unwrap();
        assert_eq!(receipt, Receipt { id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), attempt: 3 });
        verify(&headers(&format!("v1,AAAA {SIGNATURE}")), BODY, SECRET).unwrap();
    }

    #[test]
    fn another_body_or_another_secret_is_not() {
        verify(&headers(SIGNATURE), br#"{"test": 2432232315}"#, SECRET).unwrap_err();
        verify(&headers(SIGNATURE), BODY, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap_err();
        verify(&headers("v1,AAAA"), BODY, SECRET).unwrap_err();
    }
}
