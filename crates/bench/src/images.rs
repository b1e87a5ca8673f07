//! `images`: processor time and memory of image processing for a list of cases, optionally beside
//! [sharp](https://sharp.pixelplumbing.com) in the same run.
//!
//! Each measurement is a process of its own that works alone on one thread and measures itself. The two sides
//! take turns, so that whatever else the machine does affects both. The median over all rounds is reported.

mod cases;
mod inputs;
mod measurement;
mod pixaven;
mod sharp;
mod table;

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use pixaven_imaging::Format;
use pixaven_imaging::plan::TargetFormat;
use serde_json::json;

use self::cases::ImageCase;
use self::inputs::Inputs;
pub(crate) use self::pixaven::{MeasureArgs, measure_here};
use self::sharp::Sharp;
use self::table::CaseResult;
use crate::report::{Report, progress};

#[derive(Args)]
pub(crate) struct ImagesArgs {
    /// Measure sharp too, which needs Node.js and the npm package.
    #[arg(long)]
    peers: bool,
    /// The directory in which npm has installed sharp.
    #[arg(long, value_name = "DIR", default_value = ".")]
    sharp_dir: PathBuf,
    /// The directory of real images that CONTRIBUTING.md describes.
    #[arg(long, value_name = "DIR", env = "PIXAVEN_CORPUS", default_value = "../shared/corpus")]
    corpus: PathBuf,
    /// Measure only the cases whose names contain this.
    #[arg(long = "job", value_name = "TEXT", default_value = "")]
    case: String,
    /// How often each case is measured; the median is reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of processor time for which one measurement repeats its case.
    #[arg(long, default_value_t = 600)]
    budget_ms: u32,
    /// Measure also the cases that take many seconds each.
    #[arg(long)]
    long: bool,
    /// Write the last outputs of both sides to this directory.
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,
}

/// Measures all selected cases.
pub(crate) fn run(args: &ImagesArgs) -> anyhow::Result<Report> {
    ensure!(args.rounds > 0, "--rounds is above zero");
    let sharp = if args.peers { Some(Sharp::find(&args.sharp_dir)?) } else { None };
    if let Some(sharp) = &sharp {
        progress(format_args!("beside sharp {} with libvips {}", sharp.version, sharp.libvips));
    }
    let mut inputs = Inputs::new(args.corpus.clone())?;
    let is_selected = |case: &&ImageCase| case.name.contains(&args.case) && (args.long || !case.is_long);
    let mut results = Vec::new();
    for case in cases::all().iter().filter(is_selected) {
        if !is_encodable(case) {
            progress(format_args!("SKIPPED {}: this build does not write that format", case.name));
            continue;
        }
        let input = match inputs.file(case.input) {
            Ok(input) => input,
            Err(error) => {
                progress(format_args!("SKIPPED {}: {error:#}", case.name));
                continue;
            }
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=if case.is_long { 1 } else { args.rounds } {
            progress(format_args!("{}, round {round}", case.name));
            let output = |side: &str| {
                args.outputs.as_ref().map(|dir| dir.join(format!("{}-{side}", case.name.replace(' ', "-"))))
            };
            ours.push(pixaven::measure(&input, case, args.budget_ms, output("ours").as_deref())?);
            if let Some(sharp) = &sharp {
                theirs.push(sharp.measure(&input, case, args.budget_ms, output("sharp").as_deref())?);
            }
        }
        results.push(CaseResult::new(case, &ours, &theirs));
    }
    Ok(Report::new("images", &json!({ "jobs": results }))?.table("jobs", table::table(&results)))
}

/// Whether this build can encode the output of a case.
fn is_encodable(case: &ImageCase) -> bool {
    match (case.plan)().output.format {
        TargetFormat::Format(format) => Format::written().any(|written| written == format),
        TargetFormat::Default | TargetFormat::Auto => true,
    }
}
