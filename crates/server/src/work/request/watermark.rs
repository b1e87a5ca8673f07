//! `watermark`: rules between its attributes, its part of the plan, and where its picture is.

use std::fmt;

use pixaven_imaging::plan::Watermark;
use url::Url;

use super::{RequestError, table};
use crate::work::redact::without_secrets;

/// Where the picture of a watermark is. `Debug` shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum WatermarkSource {
    /// Uploaded before by the same account.
    Id(String),
    /// Behind a URL.
    Url(Url),
}

pub(super) fn watermark(fields: &table::Watermark) -> Result<(Watermark, WatermarkSource), RequestError> {
    let invalid = |message: &str| Err(RequestError::Invalid(message.to_owned()));
    let source = match (&fields.id, &fields.url) {
        (Some(id), None) => WatermarkSource::Id(id.clone()),
        (None, Some(url)) => WatermarkSource::Url(url.clone()),
        (None, None) => return invalid("watermark.id or watermark.url is required"),
        (Some(_), Some(_)) => return invalid("watermark.id cannot be combined with watermark.url"),
    };
    let at = match (fields.x, fields.y) {
        (None, None) => None,
        (Some(_), Some(_)) if fields.gravity.is_some() => {
            return invalid("watermark.gravity cannot be combined with watermark.x and watermark.y");
        }
        (Some(x), Some(y)) => Some((x, y)),
        _ => return invalid("watermark.x and watermark.y are needed together"),
    };
    let place = Watermark {
        gravity: fields.gravity.unwrap_or_default(),
        padding: fields.padding.unwrap_or(0),
        at,
        width: fields.width,
        height: fields.height,
        opacity: fields.opacity.unwrap_or(100.0),
        tile: fields.tile.unwrap_or(false),
    };
    Ok((place, source))
}

impl fmt::Debug for WatermarkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Url(url) => f.debug_tuple("Url").field(&without_secrets(url)).finish(),
        }
    }
}
