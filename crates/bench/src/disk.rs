//! `disk`: a disk that is full, refuses writes or fails to flush, under load. Nothing may be accepted that is lost later;
//! what cannot be kept is refused with 503; and a server comes back by itself where the trouble does, by a restart where
//! a flush has failed and nobody knows what is on the disk.
//!
//! A full disk is a small file system in memory, which needs root to be mounted. The other faults are answers of the
//! system that `strace` makes up, so that what was written is on the disk all the same: that nothing is accepted after
//! such a failure is judged by the clock, not by what is left.

mod cases;
mod mount;
mod scene;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use self::cases::{CASES, Case, Cause};
use self::mount::SmallDisk;
use self::scene::{Judged, Scene};
use crate::job::Image;
use crate::report::{self, progress};
use crate::server::{self, Build, Installation, Subject};
use crate::strace::{self, Tracer};

#[derive(Args)]
pub(crate) struct DiskArgs {
    /// Only the cases whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Requests per second.
    #[arg(long, default_value_t = 40.0)]
    rate: f64,
    /// How long requests are sent in each case.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to wait for the next webhook after the restart, in seconds, before the rest counts as lost.
    #[arg(long, default_value_t = 30.0)]
    drain_seconds: f64,
    #[command(flatten)]
    subject: Subject,
}

/// How requests are sent.
#[derive(Clone, Copy)]
struct Load {
    rate: f64,
    time: Duration,
    drain: Duration,
}

#[derive(Serialize)]
struct Report {
    command: &'static str,
    bad_cases: usize,
    cases: Vec<Judged>,
}

/// Tries every case, and says whether all went as it should.
pub(crate) async fn run(args: &DiskArgs) -> anyhow::Result<bool> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let cases: Vec<_> = CASES.iter().filter(|case| case.name.contains(&args.only)).collect();
    ensure!(!cases.is_empty(), "no case is called {:?}", args.only);
    if cases.iter().any(|case| matches!(case.cause, Cause::Full)) {
        mount::ensure_possible()?;
    }
    strace::ensure_there().await?;
    let binary = args.subject.binary(Build::LikeThis).await?;
    let image = Image::documented(None)?;
    let seconds = Duration::from_secs_f64;
    let load = Load { rate: args.rate, time: seconds(args.seconds), drain: seconds(args.drain_seconds) };
    let mut report = Report { command: "disk", bad_cases: 0, cases: Vec::new() };
    for case in cases {
        let judged = attempt(case, (&args.subject, &binary), &image, load).await;
        let judged = judged.with_context(|| case.name)?;
        let verdict = if judged.is_good() { "as it should be" } else { "BAD" };
        progress(format_args!("{:16} {verdict}: {judged:?}", case.name));
        report.bad_cases += usize::from(!judged.is_good());
        report.cases.push(judged);
    }
    report::print(&report)?;
    Ok(report.bad_cases == 0)
}

async fn attempt(
    case: &Case,
    (subject, binary): (&Subject, &Path),
    image: &Image,
    load: Load,
) -> anyhow::Result<Judged> {
    let directory = server::directory(subject.keep)?;
    // As the system calls it: strace compares paths letter by letter.
    let root = directory.path().canonicalize()?;
    let data = root.join("data");
    match case.cause {
        Cause::Full => {
            let disk = SmallDisk::mount(&data)?;
            let installation = Installation::new(binary, data, &subject.settings).await?;
            let scene = Scene::set(case, installation, image, load).await?;
            scene.with_full_disk(&disk).await
        }
        Cause::Refused { calls, file, fault } => {
            let tracer = Tracer::new(calls, Some(data.join(file)), root.join("trace"));
            let tracer = tracer.with_fault(fault.to_owned());
            let installation = Installation::new(binary, data, &subject.settings).await?;
            let scene = Scene::set(case, installation, image, load).await?;
            scene.with_refused_calls(&tracer).await
        }
    }
}
