//! Measures a case with pixaven: this program starts itself with a hidden command, which repeats the case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::Args;
use pixaven_imaging::{Limits, Plan, Processed, Scratch, process};

use super::cases::ImageCase;
use super::measurement::{Measurement, own_status_kib};
use crate::resource_usage::own_cpu_ms;

/// The environment variables with which the server starts its image workers. With these variables, the C
/// library keeps freed memory in the process.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "134217728"),
];

/// The number of runs of the plan before the measured runs. They fill the buffers, because an image worker of
/// a server also keeps its buffers from one image to the next.
const N_WARM_UP: u32 = 2;

/// The arguments of the hidden command `images-ours`.
#[derive(Args)]
pub(crate) struct MeasureArgs {
    input: PathBuf,
    /// The plan as JSON.
    plan: String,
    budget_ms: u32,
    /// The file to which the last output image is written.
    output: Option<PathBuf>,
}

/// Measures a case with pixaven in a separate process.
pub(super) fn measure(
    input: &Path,
    case: &ImageCase,
    budget_ms: u32,
    output: Option<&Path>,
) -> anyhow::Result<Measurement> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT).arg("images-ours").arg(input);
    command.arg(serde_json::to_string(&(case.plan)())?).arg(budget_ms.to_string()).args(output);
    Measurement::of_process(&mut command).with_context(|| format!("the job {}", case.name))
}

/// Runs the hidden command: repeats a plan until `budget_ms` of processor time is used up, and prints the
/// measurement.
pub(crate) fn measure_here(args: &MeasureArgs) -> anyhow::Result<()> {
    let input = fs::read(&args.input).with_context(|| format!("cannot read {}", args.input.display()))?;
    let plan: Plan = serde_json::from_str(&args.plan).context("the plan makes no sense")?;
    let before_kib = own_status_kib("VmRSS")?;
    let mut scratch = Scratch::default();
    let mut run_plan =
        || -> anyhow::Result<Processed> { Ok(process(&input, &plan, &Limits::default(), &mut scratch)?) };
    // If the first run of the plan uses up the whole budget of processor time, the plan is not run again.
    let mut start_ms = own_cpu_ms();
    let mut last = run_plan()?;
    let mut n_runs = 1;
    if own_cpu_ms() - start_ms < f64::from(args.budget_ms) {
        for _ in 1..N_WARM_UP {
            last = run_plan()?;
        }
        (n_runs, start_ms) = (0, own_cpu_ms());
        while own_cpu_ms() - start_ms < f64::from(args.budget_ms) {
            last = run_plan()?;
            n_runs += 1;
        }
    }
    let cpu_ms = (own_cpu_ms() - start_ms) / f64::from(n_runs);
    let peak_kib = own_status_kib("VmHWM")?;
    if let Some(path) = &args.output {
        fs::write(path, &last.bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let bytes = last.bytes.len() as f64;
    let measurement = Measurement { cpu_ms, peak_kib, growth_kib: peak_kib - before_kib, bytes };
    println!("{}", serde_json::to_string(&measurement)?);
    Ok(())
}
