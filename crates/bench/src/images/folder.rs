//! The folder mode of the tool `images`: reduces all files of a directory to a width of 800 pixels as JPEG with
//! the quality 80, and compares the processor time of the whole directory.
//!
//! The programs take turns. pixaven and sharp handle all files in one process, oximg starts a process for each
//! file. The processor time of starting oximg without work is subtracted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use pixaven_imaging::plan::{Format, Gravity, Kernel, Light, Output, Resize, ResizeMode, TargetFormat};
use pixaven_imaging::{Limits, Plan, Scratch, process};
use pixaven_testkit::process::ProcessStat;
use serde_json::json;

use crate::percentiles::median;
use crate::pixels;
use crate::report::{Report, Table, progress};
use crate::resource_usage::own_cpu_ms;
use crate::sharp::Sharp;

/// The width of the results in pixels.
const WIDTH: u32 = 800;

/// A JavaScript program that reduces files with sharp and prints the milliseconds of processor time.
const SCRIPT: &str = r#"
const fs = require("node:fs");
const [dir, width, ...paths] = process.argv.slice(1);
const sharp = require(require.resolve("sharp", { paths: [dir] }));
const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
async function reduceAll() {
  sharp.concurrency(1);
  sharp.cache(false);
  const start = cpuMs();
  for (const path of paths) {
    const options = { width: Number(width), withoutEnlargement: true, kernel: "lanczos3" };
    await sharp(fs.readFileSync(path)).rotate().resize(options).jpeg({ quality: 80 }).toBuffer();
  }
  console.log(cpuMs() - start);
}
reduceAll();
"#;

/// Measures all programs in turns. The report has the median of each figure over the rounds.
pub(super) fn run(
    dir: &Path,
    sharp: Option<&Sharp>,
    oximg: Option<&Path>,
    rounds: usize,
) -> anyhow::Result<Report> {
    let paths = pixels::paths(dir)?;
    ensure!(!paths.is_empty(), "no file in {}", dir.display());
    progress(format_args!("{} files of {}", paths.len(), dir.display()));
    let names = ["pixaven", "pixaven linear", "sharp", "oximg"];
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 1..=rounds {
        progress(format_args!("round {round}"));
        times[0].push(with_pixaven(&paths, Light::Srgb)?);
        times[1].push(with_pixaven(&paths, Light::Linear)?);
        if let Some(sharp) = sharp {
            times[2].push(with_sharp(sharp, &paths)?);
        }
        if let Some(program) = oximg {
            times[3].push(with_oximg(program, &paths)?);
        }
    }
    let ratio = |own: usize, peer: usize| {
        median(times[own].iter().zip(&times[peer]).map(|(own, peer)| own / peer).collect())
    };
    let mut table = Table::new(&["program", "CPU ms", "pixaven / program", "pixaven linear / program"]);
    let mut figures = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let (cpu_ms, srgb, linear) = (median(times[index].clone()), ratio(0, index), ratio(1, index));
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        table.push(vec![name.to_owned(), cell(cpu_ms), cell(srgb), cell(linear)]);
        figures
            .push(json!({ "program": name, "cpu_ms": cpu_ms, "srgb_ratio": srgb, "linear_ratio": linear }));
    }
    let report = Report::new("images", &json!({ "files": paths.len(), "programs": figures }))?;
    Ok(report.table("programs", table))
}

fn with_pixaven(paths: &[PathBuf], light: Light) -> anyhow::Result<f64> {
    let resize = Resize {
        mode: ResizeMode::Auto,
        width: Some(WIDTH),
        height: None,
        gravity: Gravity::Center,
        upscale: false,
        background: None,
        kernel: Kernel::Lanczos3,
        light,
    };
    let format = TargetFormat::Format(Format::Jpeg);
    let output = Output { format, quality: Some(80), baseline: true, ..Output::default() };
    let plan = Plan { resize: Some(resize), output, ..Plan::default() };
    let mut scratch = Scratch::default();
    let start_ms = own_cpu_ms();
    for path in paths {
        let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        process(&file, &plan, &Limits::default(), &mut scratch)
            .with_context(|| path.display().to_string())?;
    }
    Ok(own_cpu_ms() - start_ms)
}

fn with_sharp(sharp: &Sharp, paths: &[PathBuf]) -> anyhow::Result<f64> {
    let mut command = sharp.command(SCRIPT);
    command.arg(WIDTH.to_string()).args(paths);
    let ended = command.stderr(Stdio::inherit()).output().context("cannot run node")?;
    ensure!(ended.status.success(), "sharp failed: {}", ended.status);
    let text = String::from_utf8_lossy(&ended.stdout);
    text.trim().parse().with_context(|| format!("sharp printed no time but {text}"))
}

fn with_oximg(program: &Path, paths: &[PathBuf]) -> anyhow::Result<f64> {
    let dir = tempfile::tempdir().context("no temporary directory")?;
    let output = dir.path().join("output.jpg");
    let cpu_ms = |path: Option<&Path>| -> anyhow::Result<f64> {
        let before = reaped_ms()?;
        for input in paths {
            let mut command = Command::new(program);
            match path {
                None => command.arg("--version"),
                Some(output) => {
                    let width = WIDTH.to_string();
                    command.arg("resize").arg(input).args([&width, "0"]).arg(output)
                }
            };
            // Our files are baseline JPEG, too.
            let ended = command.env("OXIMG_JPEG_PROGRESSIVE", "0").output();
            let ended = ended.with_context(|| format!("cannot run {}", program.display()))?;
            ensure!(ended.status.success(), "oximg: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Ok(reaped_ms()? - before)
    };
    let start_ms = cpu_ms(None)?;
    Ok(cpu_ms(Some(&output))? - start_ms)
}

/// The milliseconds of processor time of all processes that this program has started and that have ended.
fn reaped_ms() -> anyhow::Result<f64> {
    let stat = ProcessStat::read(std::process::id()).context("processor time is measured on Linux only")?;
    Ok(stat.reaped_cpu_ticks as f64 * 1e3 / rustix::param::clock_ticks_per_second() as f64)
}
