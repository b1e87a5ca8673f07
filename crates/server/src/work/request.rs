//! Parses the JSON of a request into a checked [`Spec`]. This module does no I/O and is the only code that
//! parses the JSON; all later code works with the `Spec`. The submodule `table` declares everything that a
//! request may contain, and the other submodules turn the parsed objects into the parts of the `Spec`.

mod headers;
mod json;
mod plan;
mod redacted;
mod schema;
mod store;
mod store_fields;
mod stored;
mod table;
mod value_types;
mod warnings;
mod watermark;
mod webhook;

use std::fmt;

use http::HeaderMap;
use pixaven_imaging::Plan;
use serde::{Deserialize, Serialize};
use url::Url;

use super::redact;
pub use json::{as_object, without_byte_order_mark};
pub use schema::{Attribute, ObjectSchema, ValueSchema, type_name};
pub use store::{BucketCredentials, StoreSpec};
pub use stored::StoredRequest;
pub use watermark::WatermarkSource;
pub use webhook::WebhookSpec;

use schema::FromObject;
use warnings::Warnings;

/// The schema of a whole request. The documentation of requests is generated from this schema.
pub const REQUEST_SCHEMA: ObjectSchema = <table::Request as FromObject>::SCHEMA;

/// The attributes that describe the download of the image. These attributes have no effect in an upload.
const FETCH_ONLY: [&str; 2] = ["url", "headers"];

/// A whole request after all checks. The `Debug` output contains neither credentials nor values of headers.
#[derive(Clone, PartialEq)]
pub struct Spec {
    /// The URL of the image. It is always present in a [`RequestKind::Fetch`] and never in a
    /// [`RequestKind::Upload`].
    pub source_url: Option<Url>,
    /// HTTP headers to send with the download request for the image.
    pub source_headers: Vec<(String, String)>,
    /// The operations on the image, and the output format.
    pub plan: Plan,
    /// The source of the watermark's picture. It is present exactly when [`Plan::watermark`] is present.
    pub watermark: Option<WatermarkSource>,
    /// The form of the answer. [`ResponseMode::Binary`] is never combined with a webhook or a bucket of the
    /// customer.
    pub response: ResponseMode,
    /// The webhook that announces the result. `None` if the client waits for the result instead.
    pub webhook: Option<WebhookSpec>,
    /// The bucket of the customer in which the result is stored. `None` if this server keeps the result.
    pub store: Option<StoreSpec>,
    /// Whether the URL of the result points to the CDN, if the server has one.
    pub cdn_push: bool,
    /// Warnings for the client about parts of the request that were ignored.
    pub warnings: Vec<String>,
}

/// The form of the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// The body of the answer is the JSON envelope, which contains the URL of the result.
    #[default]
    Json,
    /// The body of the answer is the result itself, and the JSON envelope is in two headers.
    Binary,
}

/// The endpoint that received a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestKind {
    /// The endpoint `POST /1.0/fetch`: the body is the JSON of the request, and the image is downloaded from
    /// the attribute `url`.
    Fetch,
    /// The endpoint `POST /1.0/upload`: the multipart body contains the image in one part and the JSON in the
    /// part `data`.
    Upload,
}

/// The reason why a request is refused, with a message for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not a JSON object. The answer has the status 400.
    #[error("{0}")]
    Malformed(String),
    /// A value in the request is invalid. The answer has the status 422.
    #[error("{0}")]
    Invalid(String),
}

/// Parses and checks a request. `binary_header` is the result of [`is_binary_requested_by_header`].
///
/// The caller has checked the size of `body`. The body of an upload may be empty.
///
/// # Errors
/// If the body is not a JSON object, if a value is invalid, or if attributes contradict each other.
pub fn parse(body: &[u8], kind: RequestKind, binary_header: bool) -> Result<Spec, RequestError> {
    let mut warnings = Warnings::default();
    let mut object = json::parse_object(body, kind)?;
    if kind == RequestKind::Upload {
        for name in FETCH_ONLY {
            if object.shift_remove(name).is_some_and(|value| !value.is_null()) {
                warnings.add(format!("{name} has no effect on an upload and was ignored"));
            }
        }
    }
    let request = table::Request::parse(&object, "", &mut warnings)?;
    if kind == RequestKind::Fetch && request.url.is_none() {
        return Err(RequestError::Invalid("url is required".to_owned()));
    }

    let mode = request.response.as_ref().and_then(|response| response.mode).unwrap_or_default();
    let is_binary = binary_header || mode == ResponseMode::Binary;
    let webhook = request.webhook.clone().map(webhook::webhook).transpose()?;
    let store = request.store.clone().map(|object| store::store(object, &mut warnings)).transpose()?;
    for (name, is_present) in [("webhook", webhook.is_some()), ("store", store.is_some())] {
        if is_binary && is_present {
            return Err(RequestError::Invalid(format!(
                "a binary response (response.mode or X-Pixaven-Binary) cannot be combined with {name}"
            )));
        }
    }
    let (mut plan, mut watermark) = (plan::plan(&request, &mut warnings)?, None);
    if let Some(object) = &request.watermark {
        let (placement, source) = watermark::watermark(object)?;
        (plan.watermark, watermark) = (Some(placement), Some(source));
    }
    let source_headers = request.headers.unwrap_or_default();
    if let Some(url) = &request.url {
        headers::check_authorization("", &source_headers, url)?;
    }
    Ok(Spec {
        plan,
        watermark,
        source_headers,
        source_url: request.url,
        response: if is_binary { ResponseMode::Binary } else { ResponseMode::Json },
        webhook,
        store,
        cdn_push: request.cdn.as_ref().and_then(|cdn| cdn.push).unwrap_or(true),
        warnings: warnings.into_list(),
    })
}

/// Returns whether the JSON of a refused request contains `"response": {"mode": "binary"}`. Some clients
/// request a binary response only in the JSON, and then expect the error in the headers of a binary response.
/// `body` may be malformed JSON, because this may be the reason for the refusal; the function then returns
/// `false`.
pub fn is_binary_requested_by_json(body: &[u8]) -> bool {
    let json: serde_json::Value = serde_json::from_slice(without_byte_order_mark(body)).unwrap_or_default();
    json["response"]["mode"] == "binary"
}

/// The headers that request a binary response. The official PHP client sends the misspelt name
/// `x-pixavwn-binary`.
const BINARY_HEADERS: [&str; 2] = ["x-pixaven-binary", "x-pixavwn-binary"];

/// Returns whether the header `X-Pixaven-Binary`, or its misspelling `X-Pixavwn-Binary`, requests a binary
/// response. Every value of the header except `0` and `false` counts as such a request.
pub fn is_binary_requested_by_header(headers: &HeaderMap) -> bool {
    let values = BINARY_HEADERS.iter().filter_map(|name| headers.get(*name));
    values
        .map(|value| value.as_bytes().trim_ascii())
        .any(|value| value != b"0" && !value.eq_ignore_ascii_case(b"false"))
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source_url,
            source_headers,
            plan,
            watermark,
            response,
            webhook,
            store,
            cdn_push,
            warnings,
        } = self;
        f.debug_struct("Spec")
            .field("source_url", &source_url.as_ref().map(redact::without_secrets))
            .field("source_headers", &header_names(source_headers))
            .field("plan", plan)
            .field("watermark", watermark)
            .field("response", response)
            .field("webhook", webhook)
            .field("store", store)
            .field("cdn_push", cdn_push)
            .field("warnings", warnings)
            .finish()
    }
}

/// Returns the names of headers without their values, because a value may be secret.
fn header_names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests;
