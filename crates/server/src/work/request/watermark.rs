//! The checked form of the object `watermark`: its part of the plan, and the source of the watermark's
//! picture.

use std::fmt;

use pixaven_imaging::plan::Watermark;
use url::Url;

use super::{RequestError, table};
use crate::work::redact::without_secrets;

/// The source of a watermark's picture. The `Debug` output contains no credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum WatermarkSource {
    /// The id of a picture that the same account uploaded before.
    Id(String),
    /// The URL of a picture.
    Url(Url),
}

/// Checks the rules between the attributes of the object `watermark`.
///
/// # Errors
/// If the object does not have exactly one of `id` and `url`, if it has `gravity` together with `x` and `y`,
/// or if it has only one of `x` and `y`.
pub(super) fn watermark(object: &table::Watermark) -> Result<(Watermark, WatermarkSource), RequestError> {
    let invalid = |message: &str| Err(RequestError::Invalid(message.to_owned()));
    let source = match (&object.id, &object.url) {
        (Some(id), None) => WatermarkSource::Id(id.clone()),
        (None, Some(url)) => WatermarkSource::Url(url.clone()),
        (None, None) => return invalid("watermark.id or watermark.url is required"),
        (Some(_), Some(_)) => return invalid("watermark.id cannot be combined with watermark.url"),
    };
    let at = match (object.x, object.y) {
        (None, None) => None,
        (Some(_), Some(_)) if object.gravity.is_some() => {
            return invalid("watermark.gravity cannot be combined with watermark.x and watermark.y");
        }
        (Some(x), Some(y)) => Some((x, y)),
        _ => return invalid("watermark.x and watermark.y are needed together"),
    };
    let watermark = Watermark {
        gravity: object.gravity.unwrap_or_default(),
        padding: object.padding.unwrap_or(0),
        at,
        width: object.width,
        height: object.height,
        opacity: object.opacity.unwrap_or(100.0),
        tile: object.tile.unwrap_or(false),
    };
    Ok((watermark, source))
}

impl fmt::Debug for WatermarkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Url(url) => f.debug_tuple("Url").field(&without_secrets(url)).finish(),
        }
    }
}
