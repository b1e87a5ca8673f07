//! The request: wire JSON in, checked [`Spec`] out. Pure, and the only reader of that JSON: what comes behind takes
//! the `Spec`. `table` declares what may be asked for; the files beside it turn what was read into the plan.

mod appearance;
mod delivery;
mod geometry;
mod json;
mod output;
mod schema;
mod stored;
mod table;
mod value_types;
mod warnings;
mod watermark;

use std::fmt;

use pixaven_imaging::Plan;
use serde::{Deserialize, Serialize};
use url::Url;

use super::redact;
pub use json::DEPTH;
pub use schema::{Attribute, ObjectSchema};
pub use stored::StoredRequest;
pub use value_types::ValueSchema;

use schema::FromObject;
use warnings::Warnings;
pub use watermark::WatermarkSource;

/// What a request may say, for its documentation.
pub const REFERENCE: ObjectSchema = <table::Request as FromObject>::SCHEMA;

/// Keys that describe where to fetch from, which an upload has no use for.
const FETCH_ONLY: [&str; 2] = ["url", "headers"];

/// All that a request asks for, checked. `Debug` shows neither credentials nor the values of headers.
#[derive(Clone, PartialEq)]
pub struct Spec {
    /// Where the image is; always there for [`RequestKind::Fetch`], never for [`RequestKind::Upload`].
    pub source_url: Option<Url>,
    /// Headers to send to the source.
    pub source_headers: Vec<(String, String)>,
    /// What to do with the image.
    pub plan: Plan,
    /// Where the picture of [`Plan::watermark`] is; there exactly when that is.
    pub watermark: Option<WatermarkSource>,
    /// How the answer comes. `Binary` never together with `webhook`.
    pub response: ResponseMode,
    /// Where the result is announced; absent: the caller waits for it.
    pub webhook: Option<WebhookSpec>,
    /// What was ignored, for the caller to read.
    pub warnings: Vec<String>,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// With the envelope, which holds the result's URL.
    #[default]
    Json,
    /// With the result's bytes, the envelope in headers.
    Binary,
}

/// Where and how the result is announced. `Debug` shows neither credentials nor the values of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSpec {
    /// Receiver, http or https, possibly with credentials.
    pub url: Url,
    /// From the end of processing to the first attempt, in milliseconds.
    pub delay_ms: i64,
    /// After how many milliseconds trying ends; absent: with the schedule.
    pub expires_ms: Option<i64>,
    /// Whether there is more than one attempt.
    pub retry: bool,
    /// Additional headers.
    pub headers: Vec<(String, String)>,
}

/// Where the image of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestKind {
    /// From the request's `url`.
    Fetch,
    /// With the request; the JSON is the part `data`.
    Upload,
}

/// Why a request is refused; the text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is no JSON object (400).
    #[error("{0}")]
    Malformed(String),
    /// A value is wrong (422).
    #[error("{0}")]
    Invalid(String),
}

/// Reads a request. `binary_header` is [`wants_binary`] of its headers.
///
/// The caller has checked the size of `body`; for an upload it may be empty.
pub fn parse(body: &[u8], kind: RequestKind, binary_header: bool) -> Result<Spec, RequestError> {
    let mut warnings = Warnings::default();
    let mut object = json::object(body, kind)?;
    if kind == RequestKind::Upload {
        for name in FETCH_ONLY {
            if object.shift_remove(name).is_some_and(|value| !value.is_null()) {
                warnings.add(format!("{name} has no effect on an upload and was ignored"));
            }
        }
    }
    let request = table::Request::read(&object, "", &mut warnings)?;
    if kind == RequestKind::Fetch && request.url.is_none() {
        return Err(RequestError::Invalid("url is required".to_owned()));
    }

    let binary = binary_header || delivery::response(request.response.as_ref()) == ResponseMode::Binary;
    let webhook = request.webhook.clone().map(delivery::webhook).transpose()?;
    if binary && webhook.is_some() {
        return Err(RequestError::Invalid(
            "a binary response (response.mode or X-Pixaven-Binary) cannot be combined with webhook"
                .to_owned(),
        ));
    }
    let (mut plan, mut watermark) = (plan(&request, &mut warnings)?, None);
    if let Some(fields) = &request.watermark {
        let (place, source) = watermark::watermark(fields)?;
        (plan.watermark, watermark) = (Some(place), Some(source));
    }
    Ok(Spec {
        plan,
        watermark,
        source_headers: delivery::source_headers(request.headers, request.url.as_ref())?,
        source_url: request.url,
        response: if binary { ResponseMode::Binary } else { ResponseMode::Json },
        webhook,
        warnings: warnings.into_list(),
    })
}

/// Whether a request that was refused asked for a binary response, as far as its JSON can be read: clients that
/// announce it there alone look for the reason in the headers of such a response.
pub fn mentions_binary(body: &[u8]) -> bool {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    json["response"]["mode"] == "binary"
}

/// Whether the header `X-Pixaven-Binary` asks for a binary response: any value does but `0` and `false`.
pub fn wants_binary(header: Option<&[u8]>) -> bool {
    header.map(<[u8]>::trim_ascii).is_some_and(|value| value != b"0" && !value.eq_ignore_ascii_case(b"false"))
}

fn plan(request: &table::Request, warnings: &mut Warnings) -> Result<Plan, RequestError> {
    if request.filter.is_some() && request.stylize.is_some() {
        warnings
            .add("stylize is the older name of filter, which is there too: stylize was ignored".to_owned());
    }
    let filter = request.filter.as_ref().or(request.stylize.as_ref());
    let auto = request.auto.clone().unwrap_or_default();
    Ok(Plan {
        keep_orientation: auto.orient == Some(false),
        flip: request.flip.as_ref().and_then(geometry::flip),
        crop: request.crop.as_ref().map(geometry::crop).transpose()?,
        resize: request.resize.as_ref().map(geometry::resize).transpose()?,
        scale: request.scale.as_ref().map(geometry::scale).transpose()?.flatten(),
        enhance: auto.enhance == Some(true),
        adjust: request.adjust.as_ref().and_then(appearance::adjust),
        filter: filter.map(appearance::filter).transpose()?.flatten(),
        watermark: None,
        mask: request.mask.as_ref().map(appearance::mask).transpose()?,
        border: request.border.as_ref().and_then(appearance::border),
        padding: request.padding.as_ref().and_then(geometry::padding),
        output: request.output.as_ref().map(output::output).unwrap_or_default(),
    })
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_url, source_headers, plan, watermark, response, webhook, warnings } = self;
        f.debug_struct("Spec")
            .field("source_url", &source_url.as_ref().map(redact::without_secrets))
            .field("source_headers", &names(source_headers))
            .field("plan", plan)
            .field("watermark", watermark)
            .field("response", response)
            .field("webhook", webhook)
            .field("warnings", warnings)
            .finish()
    }
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, delay_ms, expires_ms, retry, headers } = self;
        f.debug_struct("WebhookSpec")
            .field("url", &redact::without_secrets(url))
            .field("delay_ms", delay_ms)
            .field("expires_ms", expires_ms)
            .field("retry", retry)
            .field("headers", &names(headers))
            .finish()
    }
}

fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests;
