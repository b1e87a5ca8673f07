//! `output`: its part of the plan.

use pixaven_imaging::plan::{Output, Target};

use super::table;

pub(super) fn output(hash: &table::Output) -> Output {
    Output {
        format: hash.format.map_or(Target::Default, Target::Format),
        quality: hash.quality,
        baseline: hash.encoding.unwrap_or(false),
        lossless: hash.lossless.unwrap_or(false),
        ..Output::default()
    }
}
