//! Our side: this very program, started again with a hidden command, does one job over and over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::Args;
use pixaven_imaging::{Limits, Plan, Processed, Scratch, process};
use rustix::time::{ClockId, clock_gettime};

use super::jobs::Job;
use super::sample::{Sample, status_kib};
use crate::report;

/// How the server starts its image workers: freed memory stays in the process.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "134217728"),
];

/// Repetitions before those that count: the buffers of a worker are warm.
const N_WARM: u32 = 2;

#[derive(Args)]
pub(crate) struct Ours {
    input: PathBuf,
    plan: String,
    budget_ms: u32,
    keep: Option<PathBuf>,
}

/// Measures a job in a process of its own.
pub(super) fn measure(
    input: &Path,
    job: &Job,
    budget_ms: u32,
    keep: Option<&Path>,
) -> anyhow::Result<Sample> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT).arg("images-ours").arg(input);
    command.arg(serde_json::to_string(&(job.plan)())?).arg(budget_ms.to_string()).args(keep);
    Sample::of(&mut command).with_context(|| format!("the job {}", job.name))
}

/// What the hidden command does: the job, until the budget is used up, and a sample on standard output.
pub(crate) fn measure_here(args: &Ours) -> anyhow::Result<()> {
    let input = fs::read(&args.input).with_context(|| format!("cannot read {}", args.input.display()))?;
    let plan: Plan = serde_json::from_str(&args.plan).context("the plan makes no sense")?;
    let before_kib = status_kib("VmRSS")?;
    let mut scratch = Scratch::default();
    let mut once =
        || -> anyhow::Result<Processed> { Ok(process(&input, &plan, &Limits::default(), &mut scratch)?) };
    // A single one when that takes long anyway.
    let mut start_ms = cpu_ms();
    let mut last = once()?;
    let mut n_done = 1;
    if cpu_ms() - start_ms < f64::from(args.budget_ms) {
        for _ in 1..N_WARM {
            last = once()?;
        }
        (n_done, start_ms) = (0, cpu_ms());
        while cpu_ms() - start_ms < f64::from(args.budget_ms) {
            last = once()?;
            n_done += 1;
        }
    }
    let cpu_ms = (cpu_ms() - start_ms) / f64::from(n_done);
    let peak_kib = status_kib("VmHWM")?;
    if let Some(path) = &args.keep {
        fs::write(path, &last.bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let bytes = last.bytes.len() as f64;
    report::print(&Sample { cpu_ms, peak_kib, growth_kib: peak_kib - before_kib, bytes })
}

/// Milliseconds of processor time this process has used, all threads together.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
