//! Measures a case with sharp. Node.js runs sharp with one thread for image processing and with sharp's cache
//! of operations switched off.

use std::path::Path;

use anyhow::Context;

use super::cases::ImageCase;
use super::measurement::Measurement;
use crate::sharp::Sharp;

/// A JavaScript program that repeats one case with sharp and prints a measurement in the same form as pixaven
/// does.
const SCRIPT: &str = include_str!("sharp.js");

/// Measures a case with sharp in a separate process.
pub(super) fn measure(
    sharp: &Sharp,
    input: &Path,
    case: &ImageCase,
    budget_ms: u32,
    output: Option<&Path>,
) -> anyhow::Result<Measurement> {
    let mut command = sharp.command(SCRIPT);
    command.arg(input).arg(case.sharp).arg(budget_ms.to_string()).args(output);
    Measurement::of_process(&mut command).with_context(|| format!("sharp's job {}", case.name))
}
