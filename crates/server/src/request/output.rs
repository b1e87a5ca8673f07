//! `output`: its part of the plan.

use pixaven_imaging::plan::Output;

use super::table;

pub(super) fn output(hash: &table::Output) -> Output {
    Output {
        format: hash.format.unwrap_or_default(),
        quality: hash.quality,
        baseline: hash.encoding.unwrap_or(false),
        lossless: hash.lossless.unwrap_or(false),
        effort: hash.effort,
        max_bytes: hash.max_bytes,
        metadata: hash.metadata.unwrap_or_default(),
        delay_ms: hash.delay,
        plays: hash.plays,
    }
}
