//! Builds the part of the plan that the object `output` of a request describes.

use pixaven_imaging::plan::Output;

use crate::work::request::table;

pub(super) fn output(object: &table::Output) -> Output {
    Output {
        format: object.format.unwrap_or_default(),
        quality: object.quality,
        baseline: object.encoding.unwrap_or(false),
        lossless: object.lossless == Some(true),
        lossy: object.lossless == Some(false),
        effort: object.effort,
        max_bytes: object.max_bytes,
        metadata: object.metadata.unwrap_or_default(),
        delay_ms: object.delay,
        plays: object.plays,
    }
}
