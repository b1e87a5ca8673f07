//! The checked form of the object `webhook`, which says where, when and how often the server announces a
//! result.

use std::fmt;

use url::Url;

use super::headers::check_authorization;
use super::{RequestError, header_names, table};
use crate::work::redact;

/// The receiver of a webhook, and when and how the server sends the webhook. The `Debug` output contains
/// neither credentials nor values of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSpec {
    /// The URL of the receiver, with the scheme `http` or `https`. The URL may contain credentials.
    pub url: Url,
    /// The time from the end of the image processing to the first attempt to deliver the webhook, in
    /// milliseconds.
    pub delay_ms: i64,
    /// The time after which the server makes no further attempt, in milliseconds from the time at which the
    /// first attempt was due. `None` if only the retry schedule decides when the attempts end.
    pub expires_ms: Option<i64>,
    /// Whether the server retries after a failed attempt.
    pub retry: bool,
    /// The HTTP headers that the request adds to each attempt.
    pub headers: Vec<(String, String)>,
}

/// Checks the rules between the attributes of the object `webhook`.
///
/// # Errors
/// If `url` is absent, or if both the URL and the headers contain credentials.
pub(super) fn webhook(object: table::Webhook) -> Result<WebhookSpec, RequestError> {
    let Some(url) = object.url else {
        return Err(RequestError::Invalid("webhook.url is required".to_owned()));
    };
    let headers = object.headers.unwrap_or_default();
    check_authorization("webhook", &headers, &url)?;
    Ok(WebhookSpec {
        url,
        delay_ms: object.delay.unwrap_or(0) * 1_000,
        expires_ms: object.expires.map(|expires_s| expires_s * 1_000),
        retry: object.retry.unwrap_or(true),
        headers,
    })
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, delay_ms, expires_ms, retry, headers } = self;
        f.debug_struct("WebhookSpec")
            .field("url", &redact::without_secrets(url))
            .field("delay_ms", delay_ms)
            .field("expires_ms", expires_ms)
            .field("retry", retry)
            .field("headers", &header_names(headers))
            .finish()
    }
}
