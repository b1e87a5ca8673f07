//! `images`: what the pixel half costs, processor time and memory for each of a list of jobs, if wanted beside
//! [sharp](https://sharp.pixelplumbing.com) in the same run.
//!
//! Every measurement is a process of its own, which works alone on one thread and measures itself; ours and theirs take
//! turns, so that whatever else the machine does meets both, and what counts is the median over the rounds.

mod inputs;
mod jobs;
mod ours;
mod peer;
mod sample;
mod table;

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use pixaven_imaging::Format;
use pixaven_imaging::plan::Target;

use self::inputs::Inputs;
use self::jobs::Job;
pub(crate) use self::ours::{Ours, measure_here};
use self::peer::Sharp;
use self::table::Row;
use crate::report::{self, progress};

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
    /// Only the jobs whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    job: String,
    /// How often each job is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of processor time for which one measurement repeats its job.
    #[arg(long, default_value_t = 600)]
    budget_ms: u32,
    /// Also the jobs that take many seconds each.
    #[arg(long)]
    long: bool,
    /// Write the last outputs of both sides to this directory, to be looked at.
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,
}

/// Measures all jobs that were asked for, and prints the table and its JSON.
pub(crate) fn run(args: &ImagesArgs) -> anyhow::Result<()> {
    ensure!(args.rounds > 0, "--rounds is above zero");
    let sharp = if args.peers { Some(Sharp::find(&args.sharp_dir)?) } else { None };
    if let Some(sharp) = &sharp {
        progress(format_args!("beside sharp {} with libvips {}", sharp.version, sharp.libvips));
    }
    let mut inputs = Inputs::new(args.corpus.clone())?;
    let mut rows = Vec::new();
    for job in jobs::all().iter().filter(|job| job.name.contains(&args.job) && (args.long || !job.long)) {
        if !is_written(job) {
            progress(format_args!("SKIPPED {}: this build does not write that format", job.name));
            continue;
        }
        let input = match inputs.file(job.input) {
            Ok(input) => input,
            Err(error) => {
                progress(format_args!("SKIPPED {}: {error:#}", job.name));
                continue;
            }
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=if job.long { 1 } else { args.rounds } {
            progress(format_args!("{}, round {round}", job.name));
            let keep = |side: &str| {
                args.outputs.as_ref().map(|dir| dir.join(format!("{}-{side}", job.name.replace(' ', "-"))))
            };
            ours.push(ours::measure(&input, job, args.budget_ms, keep("ours").as_deref())?);
            if let Some(sharp) = &sharp {
                theirs.push(sharp.measure(&input, job, args.budget_ms, keep("sharp").as_deref())?);
            }
        }
        rows.push(Row::new(job, &ours, &theirs));
    }
    progress(table::render(&rows));
    report::print(&rows)
}

/// Whether this build can do the job.
fn is_written(job: &Job) -> bool {
    match (job.plan)().output.format {
        Target::Format(format) => Format::written().any(|written| written == format),
        Target::Default | Target::Auto => true,
    }
}
