//! `pixaven process`: the work of a request on files and folders, without a server. The same workers do it, so a bad file
//! costs itself alone.

mod inputs;
mod outputs;
mod spec;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use futures_util::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pixaven_imaging::Plan;

use self::inputs::Input;
use self::outputs::Outputs;
use self::summary::Summary;
use super::ConfigArgs;
use crate::api::error::ApiError;
use crate::app::{n_cores, sandbox_settings};
use crate::runtime::config::Config;
use crate::runtime::lifecycle::{Tasks, raise_open_files, stop_signal};
use crate::work::Caller;
use crate::work::sandbox::{Sandbox, WorkerInput};

/// What the shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Args)]
pub(super) struct ProcessArgs {
    /// WorkerInput and folders; of a folder all images, also those in folders below it.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// What to do: a file with the JSON of a request, or - for standard input; without it images are only optimised.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for the results, which is made when missing; what lies in folders keeps its place.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Picture for the watermark; where it lies says `watermark` of the specification.
    #[arg(long, value_name = "FILE")]
    watermark: Option<PathBuf>,
    /// Images at the same time; without it as many as there are processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Overwrites files in the folder for the results, but never an input.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What all images have in common.
struct Work {
    sandbox: Sandbox,
    plan: Plan,
    watermark: Option<Bytes>,
    outputs: Outputs,
    max_bytes: u64,
}

/// What was made of an image.
struct Made {
    n_bytes_before: u64,
    n_bytes_after: u64,
}

pub(super) async fn run(args: ProcessArgs) -> anyhow::Result<ExitCode> {
    raise_open_files();
    let config = args.config.load([])?;
    let watermark = args.watermark.as_deref().map(|file| read(file, config.limits.body_bytes)).transpose();
    let watermark = watermark.map_err(anyhow::Error::msg).context("--watermark")?;
    let spec = spec::read(args.spec.as_deref(), watermark.is_some(), &config)?;
    for warning in &spec.warnings {
        eprintln!("note: {warning}");
    }
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("--out: {} cannot be made", args.out.display()))?;
    let found = inputs::find(&args.inputs, &args.out)?;
    let mut summary = Summary::new(found.n_skipped, found.failures);
    let n_jobs = args.jobs.map_or_else(n_cores, usize::from).min(found.inputs.len().max(1));
    let work = Work {
        sandbox: start(&config, n_jobs)?,
        plan: spec.plan,
        watermark,
        outputs: Outputs::new(args.out, args.force, &found.inputs),
        max_bytes: config.limits.body_bytes,
    };
    let started = Instant::now();
    let is_whole = all(&work, &found.inputs, n_jobs, &mut summary).await?;
    summary.print(started.elapsed(), found.inputs.len());
    Ok(match (is_whole, summary.has_failures()) {
        (false, _) => ExitCode::from(INTERRUPTED),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    })
}

fn start(config: &Config, n_jobs: usize) -> anyhow::Result<Sandbox> {
    let program = std::env::current_exe().context("the path of this program is needed for image workers")?;
    Sandbox::start(sandbox_settings(config, program, n_jobs), Tasks::new())
        .context("the image workers could not be started")
}

/// Works through all inputs; `false` when a signal ended it. What is half done then leaves nothing behind.
async fn all(work: &Work, inputs: &[Input], n_jobs: usize, summary: &mut Summary) -> anyhow::Result<bool> {
    let progress = progress(inputs.len())?;
    let mut stop = std::pin::pin!(stop_signal());
    let ended = stream::iter(inputs).map(|input| async move { (input, one(work, input).await) });
    let mut ended = std::pin::pin!(ended.buffer_unordered(n_jobs));
    let is_whole = loop {
        tokio::select! {
            biased;
            signal = &mut stop => {
                signal.context("signals cannot be received")?;
                break false;
            }
            next = ended.next() => {
                let Some((input, made)) = next else { break true };
                summary.add(&input.path, made);
                progress.inc(1);
            }
        }
    };
    progress.finish_and_clear();
    Ok(is_whole)
}

/// Only on a terminal.
fn progress(n_inputs: usize) -> anyhow::Result<ProgressBar> {
    let progress = ProgressBar::with_draw_target(Some(n_inputs as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left")?;
    Ok(progress.with_style(style))
}

/// One image from its file to its result's.
async fn one(work: &Work, input: &Input) -> Result<Made, String> {
    let image = read(&input.path, work.max_bytes)?;
    let n_bytes_before = image.len() as u64;
    let files = WorkerInput { image, watermark: work.watermark.clone() };
    let processed = work.sandbox.process(&files, &work.plan, Caller::Job).await;
    let processed = processed.map_err(|failure| ApiError::from(failure).to_string())?;
    work.outputs.write(input, processed.input.format, processed.output.format, &processed.bytes)?;
    Ok(Made { n_bytes_before, n_bytes_after: processed.bytes.len() as u64 })
}

fn read(file: &Path, max_bytes: u64) -> Result<Bytes, String> {
    let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if metadata.len() > max_bytes {
        return Err(format!("it has {} bytes; limits.body_bytes allows {max_bytes}", metadata.len()));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes.into()) }
}
