//! The tool `images`: measures processor time and memory of image processing for a list of cases, optionally
//! together with [sharp](https://sharp.pixelplumbing.com).
//!
//! Each measurement runs in a separate process on one thread, and the process measures itself. No other
//! measurement runs at the same time. The processes of pixaven and of sharp run alternately, so that other
//! work of the machine affects both. The report has the median over all rounds.

mod cases;
mod folder;
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
use self::table::CaseResult;
use crate::report::{Report, progress};
use crate::sharp::Sharp;

#[derive(Args)]
pub(crate) struct ImagesArgs {
    /// Also measure sharp, which needs Node.js and the npm package `sharp`.
    #[arg(long)]
    peers: bool,
    /// The directory in which npm has installed sharp.
    #[arg(long, value_name = "DIR", default_value = ".")]
    sharp_dir: PathBuf,
    /// The directory of real images that CONTRIBUTING.md describes.
    #[arg(long, value_name = "DIR", env = "PIXAVEN_CORPUS", default_value = "../shared/corpus")]
    corpus: PathBuf,
    /// Measure only the cases whose names contain this text.
    #[arg(long = "job", value_name = "TEXT", default_value = "")]
    case: String,
    /// The number of measurements of each case. The report has their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of processor time for each measurement. A measurement repeats its case until this time is
    /// used up.
    #[arg(long, default_value_t = 600)]
    budget_ms: u32,
    /// Also measure the cases that take many seconds each.
    #[arg(long)]
    long: bool,
    /// Instead of the cases, measure the reduction of all files of this directory to a width of 800 pixels.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// In the measurement of a folder, also measure this program, the command line of oximg.
    #[arg(long, value_name = "FILE", requires = "folder")]
    oximg: Option<PathBuf>,
    /// Write the last output image of pixaven and of sharp for each case to this directory.
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
    if let Some(dir) = &args.folder {
        return folder::run(dir, sharp.as_ref(), args.oximg.as_deref(), args.rounds);
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
                let output = output("sharp");
                theirs.push(sharp::measure(sharp, &input, case, args.budget_ms, output.as_deref())?);
            }
        }
        results.push(CaseResult::new(case, &ours, &theirs));
    }
    Ok(Report::new("images", &json!({ "jobs": results }))?.table("jobs", table::table(&results)))
}

/// Returns whether this build can encode the output format of a case.
fn is_encodable(case: &ImageCase) -> bool {
    match (case.plan)().output.format {
        TargetFormat::Format(format) => Format::written().any(|written| written == format),
        TargetFormat::Default | TargetFormat::Auto => true,
    }
}
