//! `response`, `webhook` and the headers a caller may have sent to others in its name.

use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::value_types::{ValueSchema, ValueType, refused};
use super::warnings::{Warnings, join};
use super::{RequestError, ResponseMode, WebhookSpec, table};
use crate::work::redact::has_credentials;

/// Headers of one hash.
const MAX_HEADERS: usize = 20;
/// Bytes of one header's value.
const MAX_VALUE_BYTES: usize = 4_096;
/// Headers that frame a message or belong to one connection, and our own signature: never a caller's to set.
const RESERVED: [&str; 8] =
    ["host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"];
const RESERVED_PREFIXES: [&str; 3] = ["content-", "proxy-", "webhook-"];

pub(super) fn response(fields: Option<&table::Response>) -> ResponseMode {
    fields.and_then(|fields| fields.mode).unwrap_or_default()
}

pub(super) fn webhook(fields: table::Webhook) -> Result<WebhookSpec, RequestError> {
    let Some(url) = fields.url else {
        return Err(RequestError::Invalid("webhook.url is required".to_owned()));
    };
    let headers = fields.headers.unwrap_or_default();
    check_authorization("webhook", &headers, &url)?;
    Ok(WebhookSpec {
        url,
        delay_ms: fields.delay.unwrap_or(0) * 1_000,
        expires_ms: fields.expires.map(|expires_s| expires_s * 1_000),
        retry: fields.retry.unwrap_or(true),
        headers,
    })
}

pub(super) fn source_headers(
    headers: Option<Vec<(String, String)>>,
    url: Option<&Url>,
) -> Result<Vec<(String, String)>, RequestError> {
    let headers = headers.unwrap_or_default();
    if let Some(url) = url {
        check_authorization("", &headers, url)?;
    }
    Ok(headers)
}

/// The credentials of a URL become `Authorization`: there cannot be a second one.
fn check_authorization(path: &str, headers: &[(String, String)], url: &Url) -> Result<(), RequestError> {
    let authorization = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match authorization {
        Some((name, _)) if has_credentials(url) => Err(RequestError::Invalid(format!(
            "{} cannot be set when {} has credentials",
            join(&join(path, "headers"), name),
            join(path, "url"),
        ))),
        _ => Ok(()),
    }
}

/// Header names and their values. Messages never repeat a value: it may be a secret.
pub(super) struct HeaderFields;

impl ValueSchema for HeaderFields {
    fn accepts(&self) -> String {
        format!("an object of at most {MAX_HEADERS} header names with their values")
    }
}

impl ValueType for HeaderFields {
    type Checked = Vec<(String, String)>;

    fn read(&self, value: &Value, path: &str, _: &mut Warnings) -> Result<Self::Checked, RequestError> {
        let Value::Object(object) = value else {
            return Err(refused(self, path, value));
        };
        let present: Vec<(&String, &Value)> = object.iter().filter(|(_, value)| !value.is_null()).collect();
        if present.len() > MAX_HEADERS {
            return Err(RequestError::Invalid(format!(
                "{path} must be {}, got {}",
                self.accepts(),
                present.len()
            )));
        }
        present.into_iter().map(|(name, value)| header(path, name, value)).collect()
    }
}

fn header(path: &str, name: &str, value: &Value) -> Result<(String, String), RequestError> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(refused(&NameSyntax, &format!("a name in {path}"), &name.into()));
    };
    let attribute = join(path, name);
    let lower = parsed.as_str();
    if RESERVED.contains(&lower) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(RequestError::Invalid(format!("{attribute} cannot be set by a request")));
    }
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    text.filter(|text| {
        text.len() <= MAX_VALUE_BYTES && text.is_ascii() && HeaderValue::from_str(text).is_ok()
    })
    .map(|text| (name.to_owned(), text))
    .ok_or_else(|| {
        RequestError::Invalid(format!(
            "{attribute} must be a text of at most {MAX_VALUE_BYTES} printable ASCII characters"
        ))
    })
}

/// What a header's name is made of (RFC 9110, section 5.1).
struct NameSyntax;

impl ValueSchema for NameSyntax {
    fn accepts(&self) -> String {
        "letters, digits and hyphens".to_owned()
    }
}
