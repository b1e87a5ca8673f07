//! The tool `disk`: checks a server whose disk is full, refuses writes or fails to flush data. The server
//! must answer 503 to requests that it cannot store, must lose no accepted request, and must accept requests
//! again when the fault ends. After a failed flush, however, the server must accept no requests until it is
//! restarted, because the content of the disk is unknown.
//!
//! For the full disk, the tool mounts a small file system in memory, which needs root. For the other faults,
//! `strace` makes system calls return errors. Some of the data still reaches the disk, so that the content of
//! the disk does not show whether the server was right to accept a request. The tool therefore compares the
//! time at which each request was sent with the time of the failed flush.

mod cases;
mod mount;
mod trial;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use self::cases::{CASES, DiskCase, Fault};
use self::mount::SmallDisk;
use self::trial::{CaseResult, DiskTrial};
use crate::report::{Report, progress};
use crate::request_template::TestImage;
use crate::server::{Build, Installation, ServerArgs, temporary_directory};
use crate::strace::{self, Tracer};

#[derive(Args)]
pub(crate) struct DiskArgs {
    /// Run only the cases whose names contain this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Requests per second.
    #[arg(long, default_value_t = 40.0)]
    rate: f64,
    /// How long requests are sent in each case, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds without a new webhook after the restart, after which the missing webhooks count as lost.
    #[arg(long, default_value_t = 30.0)]
    drain_seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
}

/// The rate and the duration of the load in each case, and how long the tool waits for webhooks.
#[derive(Clone, Copy)]
struct LoadOptions {
    rate: f64,
    duration: Duration,
    drain: Duration,
}

#[derive(Serialize)]
struct Figures {
    bad_cases: usize,
    cases: Vec<CaseResult>,
}

/// Runs all selected cases, one after the other. The report requires that the server reacts to each fault as
/// expected.
pub(crate) async fn run(args: &DiskArgs) -> anyhow::Result<Report> {
    ensure!(args.rate > 0.0 && args.seconds > 0.0, "--rate and --seconds are above zero");
    let cases: Vec<_> = CASES.iter().filter(|case| case.name.contains(&args.only)).collect();
    ensure!(!cases.is_empty(), "no case is called {:?}", args.only);
    if cases.iter().any(|case| matches!(case.fault, Fault::DiskFull)) {
        mount::ensure_root()?;
    }
    strace::ensure_installed().await?;
    let binary = args.server.binary(Build::SameProfile).await?;
    let image = TestImage::documented(None)?;
    let seconds = Duration::from_secs_f64;
    let load =
        LoadOptions { rate: args.rate, duration: seconds(args.seconds), drain: seconds(args.drain_seconds) };
    let mut figures = Figures { bad_cases: 0, cases: Vec::new() };
    for case in cases {
        let result = run_case(case, (&args.server, &binary), &image, load).await;
        let result = result.with_context(|| case.name)?;
        let verdict = if result.is_good() { "as it should be" } else { "BAD" };
        progress(format_args!("{:16} {verdict}", case.name));
        figures.bad_cases += usize::from(!result.is_good());
        figures.cases.push(result);
    }
    Ok(Report::new("disk", &figures)?.require("every case is as expected", figures.bad_cases == 0))
}

async fn run_case(
    case: &DiskCase,
    (args, binary): (&ServerArgs, &Path),
    image: &TestImage,
    load: LoadOptions,
) -> anyhow::Result<CaseResult> {
    let directory = temporary_directory(args.keep)?;
    // `strace` compares paths byte for byte, and the operating system uses canonical paths. The path of the
    // data directory must therefore be canonical.
    let root = directory.path().canonicalize()?;
    let data_dir = root.join("data");
    match case.fault {
        Fault::DiskFull => {
            let disk = SmallDisk::mount(&data_dir)?;
            let installation = Installation::new(binary, data_dir, &args.settings).await?;
            let trial = DiskTrial::new(case, installation, image, load).await?;
            trial.with_full_disk(&disk).await
        }
        Fault::FailingCalls { calls, file, fault } => {
            let tracer = Tracer::new(calls, Some(data_dir.join(file)), root.join("trace"));
            let tracer = tracer.with_fault(fault.to_owned());
            let installation = Installation::new(binary, data_dir, &args.settings).await?;
            let trial = DiskTrial::new(case, installation, image, load).await?;
            trial.with_failing_calls(&tracer).await
        }
    }
}
