//! Checks requests that are signed with the shared key of an Azure account, as the service itself would do.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::http::request::Parts;
use sha2::Sha256;

use super::AzureKeys;

/// The standard headers of the signature, in their order.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

pub(super) fn verify(request: &Parts, keys: &AzureKeys) -> Result<(), String> {
    let header = |name: &str| {
        request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    if header("x-ms-version").is_empty() {
        return Err("no x-ms-version".to_owned());
    }
    let mut lines = vec![request.method.to_string()];
    for name in SIGNED {
        let value = header(name);
        lines.push(if name == "content-length" && value == "0" { String::new() } else { value });
    }
    let mut own: Vec<String> = request.headers.keys().map(|name| name.as_str().to_owned()).collect();
    own.retain(|name| name.starts_with("x-ms-"));
    own.sort();
    lines.extend(own.iter().map(|name| format!("{name}:{}", header(name))));
    lines.push(format!("/{}{}", keys.account, request.uri.path()));
    let mut query: Vec<String> = request
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("{}:{}", name.to_lowercase(), super::answers::percent_decode(value)))
        .collect();
    query.sort();
    lines.extend(query);
    let key = BASE64_STANDARD.decode(&keys.key).map_err(|error| error.to_string())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC accepts every length");
    mac.update(lines.join("\n").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let expected = format!("SharedKey {}:{signature}", keys.account);
    match header("authorization") {
        got if got == expected => Ok(()),
        got => Err(format!("the authorization is {got}, not {expected}")),
    }
}
