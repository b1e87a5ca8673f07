//! `pixaven process`: processes files and folders without a server. The images are processed by the same
//! worker processes as in a server, so a file that crashes its worker does not affect the other files.

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
use crate::runtime::lifecycle::{StopSignals, Tasks, raise_open_file_limit};
use crate::work::Caller;
use crate::work::sandbox::{Sandbox, WorkerInput};

/// The exit code that shells use for a program that was ended by Ctrl-C.
const INTERRUPTED_EXIT_CODE: u8 = 130;

#[derive(Args)]
pub(super) struct ProcessArgs {
    /// Files and folders; of a folder all images, also those in folders below it.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// What to do: a file with the JSON of a request, or - for standard input; without it images are only
    /// optimised.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Folder for the results, which is made when missing; it gets the same subfolders as the input folders.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Picture for the watermark; `watermark` of the specification gives its position.
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

/// The values that are the same for all images of one `pixaven process` command.
struct Batch {
    sandbox: Sandbox,
    plan: Plan,
    watermark: Option<Bytes>,
    outputs: Outputs,
    max_bytes: u64,
}

/// The outcome of one input: the sizes of the input and of its result in bytes, and the warnings.
struct FileOutcome {
    n_bytes_before: u64,
    n_bytes_after: u64,
    warnings: Vec<String>,
}

pub(super) async fn run(args: ProcessArgs) -> anyhow::Result<ExitCode> {
    raise_open_file_limit();
    let config = args.config.load([])?;
    let watermark =
        args.watermark.as_deref().map(|file| read_file(file, config.limits.body_bytes)).transpose();
    let watermark = watermark.map_err(anyhow::Error::msg).context("--watermark")?;
    let spec = spec::read_spec(args.spec.as_deref(), watermark.is_some(), &config)?;
    for warning in &spec.warnings {
        eprintln!("note: {warning}");
    }
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("--out: {} cannot be made", args.out.display()))?;
    let found = inputs::find_inputs(&args.inputs, &args.out)?;
    let mut summary = Summary::new(found.n_skipped, found.failures);
    let n_jobs = args.jobs.map_or_else(n_cores, usize::from).min(found.inputs.len().max(1));
    let batch = Batch {
        sandbox: start_sandbox(&config, n_jobs)?,
        plan: spec.plan,
        watermark,
        outputs: Outputs::new(args.out, args.force, &found.inputs),
        max_bytes: config.limits.body_bytes,
    };
    let started = Instant::now();
    let is_complete = process_all(&batch, &found.inputs, n_jobs, &mut summary).await?;
    summary.print(started.elapsed(), found.inputs.len());
    Ok(match (is_complete, summary.has_failures()) {
        (false, _) => ExitCode::from(INTERRUPTED_EXIT_CODE),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    })
}

fn start_sandbox(config: &Config, n_jobs: usize) -> anyhow::Result<Sandbox> {
    let program = std::env::current_exe().context("the path of this program is needed for image workers")?;
    Sandbox::start(sandbox_settings(config, program, n_jobs)?, Tasks::new())
        .context("the image workers could not be started")
}

/// Processes all input files. Returns `false` if a signal ended the processing. An image that was not
/// finished by then leaves no file.
async fn process_all(
    batch: &Batch,
    inputs: &[Input],
    n_jobs: usize,
    summary: &mut Summary,
) -> anyhow::Result<bool> {
    let progress = progress_bar(inputs.len())?;
    let mut signals = StopSignals::register().context("signals cannot be received")?;
    let results = stream::iter(inputs).map(|input| async move { (input, process_file(batch, input).await) });
    let mut results = std::pin::pin!(results.buffer_unordered(n_jobs));
    let is_complete = loop {
        tokio::select! {
            biased;
            _ = signals.received() => break false,
            next = results.next() => {
                let Some((input, result)) = next else { break true };
                summary.add(&input.path, result);
                progress.inc(1);
            }
        }
    };
    progress.finish_and_clear();
    Ok(is_complete)
}

/// Creates the progress bar on standard error. The bar is visible only if standard error is a terminal.
fn progress_bar(n_inputs: usize) -> anyhow::Result<ProgressBar> {
    let progress = ProgressBar::with_draw_target(Some(n_inputs as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left")?;
    Ok(progress.with_style(style))
}

/// Processes one image and writes its result to a file.
async fn process_file(batch: &Batch, input: &Input) -> Result<FileOutcome, String> {
    let image = read_file(&input.path, batch.max_bytes)?;
    let n_bytes_before = image.len() as u64;
    let worker_input = WorkerInput { image, watermark: batch.watermark.clone() };
    let processed = async {
        let ticket = batch.sandbox.admit(Caller::Job, Some(n_bytes_before))?;
        batch.sandbox.process(&worker_input, &batch.plan, &ticket).await
    };
    let processed = processed.await.map_err(|failure| ApiError::from(failure).to_string())?;
    batch.outputs.write(input, processed.input.format, processed.output.format, &processed.bytes)?;
    let n_bytes_after = processed.bytes.len() as u64;
    Ok(FileOutcome { n_bytes_before, n_bytes_after, warnings: processed.warnings })
}

/// Reads a file. Fails if the file is empty or larger than `max_bytes`.
fn read_file(file: &Path, max_bytes: u64) -> Result<Bytes, String> {
    let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if metadata.len() > max_bytes {
        return Err(format!("it has {} bytes; limits.body_bytes allows {max_bytes}", metadata.len()));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes.into()) }
}
