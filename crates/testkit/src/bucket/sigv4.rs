//! Checks requests that are signed with version 4 of the signatures of Amazon, as the service itself would do.

use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::now;

/// The keys that a bucket accepts, and its region.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// The access key.
    pub key: String,
    /// The secret of the access key.
    pub secret: String,
    /// The region of the bucket.
    pub region: String,
}

/// The largest accepted difference between the time of a signature and the time of this machine.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// Checks the signature of a request, in its headers or in its query, and the hash of its body.
pub(super) fn verify(request: &Parts, body: &[u8], keys: &S3Keys) -> Result<(), String> {
    let signed = Signed::of(request)?;
    if signed.is_presigned {
        return check(request, &signed, "UNSIGNED-PAYLOAD", keys);
    }
    let hash = header(request, "x-amz-content-sha256")?;
    if hash != hex(&Sha256::digest(body)) {
        return Err(format!("x-amz-content-sha256 is {hash}"));
    }
    check_time(&signed.date)?;
    check(request, &signed, &hash, keys)
}

/// The parts of a signature.
struct Signed {
    is_presigned: bool,
    credential: String,
    headers: Vec<String>,
    signature: String,
    date: String,
}

impl Signed {
    fn of(request: &Parts) -> Result<Self, String> {
        let query = request.uri.query().unwrap_or_default();
        if query.contains("X-Amz-Signature=") {
            let of_query = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| super::answers::percent_decode(value))
            };
            let part = |name: &str| of_query(name).ok_or_else(|| format!("the query has no {name}"));
            return Ok(Self {
                is_presigned: true,
                credential: part("X-Amz-Credential")?,
                headers: part("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect(),
                signature: part("X-Amz-Signature")?,
                date: part("X-Amz-Date")?,
            });
        }
        let authorization = header(request, "authorization")?;
        let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else {
            return Err(format!("the authorization is {authorization}"));
        };
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            let part = parts.find(|(known, _)| *known == name);
            part.map(|(_, value)| value.to_owned()).ok_or_else(|| format!("no {name}"))
        };
        Ok(Self {
            is_presigned: false,
            credential: part("Credential")?,
            headers: part("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: part("Signature")?,
            date: header(request, "x-amz-date")?,
        })
    }
}

fn check(request: &Parts, signed: &Signed, hash: &str, keys: &S3Keys) -> Result<(), String> {
    // Every header of Amazon, and the host, must be a part of the signature.
    let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
    for name in
        request.headers.keys().map(hyper::http::HeaderName::as_str).filter(|name| must_be_signed(name))
    {
        if !signed.headers.iter().any(|known| known == name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let day = signed.date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/s3/aws4_request", keys.region);
    if signed.credential != format!("{}/{scope}", keys.key) {
        return Err(format!("the credential is {}", signed.credential));
    }
    let canonical = canonical_request(request, signed, hash)?;
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", signed.date, hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day, &keys.region, "s3", "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let expected = hex(&mac(&key, text.as_bytes()));
    if signed.signature == expected {
        Ok(())
    } else {
        Err(format!("the signature is {}, not {expected}", signed.signature))
    }
}

fn canonical_request(request: &Parts, signed: &Signed, hash: &str) -> Result<String, String> {
    let query = request.uri.query().unwrap_or_default();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="))
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let mut lines = String::new();
    for name in &signed.headers {
        // Several spaces in a value count as one space.
        let words: Vec<String> = header(request, name)?.split_whitespace().map(str::to_owned).collect();
        lines += &format!("{name}:{}\n", words.join(" "));
    }
    let (method, path) = (&request.method, request.uri.path());
    Ok(format!("{method}\n{path}\n{}\n{lines}\n{}\n{hash}", pairs.join("&"), signed.headers.join(";")))
}

/// Checks that the time of a signature, such as `20260110T115704Z`, is near the time of this machine.
fn check_time(date: &str) -> Result<(), String> {
    let digits =
        |range: std::ops::Range<usize>| date.get(range).and_then(|digits| digits.parse::<u64>().ok());
    let parts = [digits(0..4), digits(4..6), digits(6..8), digits(9..11), digits(11..13), digits(13..15)];
    let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = parts else {
        return Err(format!("the date is {date}"));
    };
    // The days since 1970: the year begins in March, so that the leap day is its last day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let signed = Duration::from_secs(86_400 * days + 3_600 * hour + 60 * minute + second);
    let since_1970 = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match since_1970.abs_diff(signed) {
        skew if skew <= MAX_SKEW => Ok(()),
        skew => Err(format!("the signature is {skew:?} away")),
    }
}

fn header(request: &Parts, name: &str) -> Result<String, String> {
    let value = request.headers.get(name).and_then(|value| value.to_str().ok());
    value.map(str::to_owned).ok_or_else(|| format!("no {name}"))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts every length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// The example "PUT Object" in Amazon's documentation of the signature.
    #[test]
    fn the_published_example_of_a_signed_put_is_accepted_and_every_change_of_it_is_refused() {
        let keys = S3Keys {
            key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let body = b"Welcome to Amazon S3.";
        let hash = hex(&Sha256::digest(body));
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        let request = |class: &str| {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
                 Signature={signature}"
            );
            let request = Request::put("/test%24file.text")
                .header("host", "examplebucket.s3.amazonaws.com")
                .header("date", "Fri, 24 May 2013 00:00:00 GMT")
                .header("authorization", authorization)
                .header("x-amz-date", "20130524T000000Z")
                .header("x-amz-storage-class", class)
                .header("x-amz-content-sha256", &hash)
                .body(())
                .expect("the request is valid");
            request.into_parts().0
        };
        let example = request("REDUCED_REDUNDANCY");
        let signed = Signed::of(&example).expect("the example is signed");
        assert_eq!(check(&example, &signed, &hash, &keys), Ok(()));
        assert!(verify(&example, body, &keys).expect_err("the example is old").contains("away"));
        assert!(verify(&example, b"other", &keys).expect_err("the body differs").contains("sha256"));
        let changed = request("STANDARD");
        assert!(check(&changed, &signed, &hash, &keys).is_err());
        let other = S3Keys { secret: "wrong".to_owned(), ..keys };
        assert!(check(&example, &signed, &hash, &other).is_err());
    }
}
