//! `output`: its part of the plan.

use pixaven_imaging::plan::Output;

use super::table;

pub(super) fn output(fields: &table::Output) -> Output {
    Output {
        format: fields.format.unwrap_or_default(),
        quality: fields.quality,
        baseline: fields.encoding.unwrap_or(false),
        lossless: fields.lossless.unwrap_or(false),
        effort: fields.effort,
        max_bytes: fields.max_bytes,
        metadata: fields.metadata.unwrap_or_default(),
        delay_ms: fields.delay,
        plays: fields.plays,
    }
}
