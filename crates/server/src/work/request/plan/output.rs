//! Builds the part of the plan that the object `output` of a request describes.

use pixaven_imaging::plan::Output;

use crate::work::request::{RequestError, table};

/// Builds the settings of the encoder.
///
/// # Errors
/// If `target` is combined with an attribute that determines the quality in another way.
pub(super) fn output(object: &table::Output) -> Result<Output, RequestError> {
    let others = [
        ("quality", object.quality.is_some()),
        ("lossless", object.lossless == Some(true)),
        ("max_bytes", object.max_bytes.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|&(_, is_present)| is_present && object.target.is_some())
    {
        let message = format!("output.target cannot be combined with output.{name}");
        return Err(RequestError::Invalid(message));
    }
    Ok(Output {
        format: object.format.unwrap_or_default(),
        quality: object.quality,
        baseline: object.encoding.unwrap_or(false),
        lossless: object.lossless == Some(true),
        lossy: object.lossless == Some(false),
        effort: object.effort,
        max_bytes: object.max_bytes,
        target: object.target,
        metadata: object.metadata.unwrap_or_default(),
        delay_ms: object.delay,
        plays: object.plays,
    })
}
