//! The tool `reductions`: compares the quality of reduced JPEG files between pixaven, sharp and oximg.
//!
//! Each lossless photograph of a directory is cropped to a square and encoded as JPEG. Every program reduces
//! this file by the same ratios. The results are scored by SSIMULACRA2 against the reduction of the lossless
//! photograph that `reference.rs` computes, once with averages of sRGB values and once with averages of light.
//! pixaven reduces with `light: srgb` for the former and `light: linear` for the latter.
//! Each figure is the mean over all photographs.

mod peers;
mod reference;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use fast_ssim2::Ssimulacra2Reference;
use pixaven_imaging::Plan;
use pixaven_imaging::plan::{Gravity, Kernel, Light, Resize, ResizeMode};
use serde::Serialize;
use serde_json::json;

use self::reference::Averaged;
use crate::pixels;
use crate::report::{Report, Table, progress};
use crate::sharp::Sharp;

/// The width of the margin that is not scored, in pixels. In this margin the kernel extends beyond the
/// picture, and every program fills the missing part in its own way.
const MARGIN: usize = 4;

/// The side of the cropped photographs is a multiple of this number of pixels, so that no JPEG block extends
/// beyond the picture.
const BLOCK: usize = 16;

#[derive(Args)]
pub(crate) struct ReductionsArgs {
    /// The directory of lossless photographs, of at least 1,000 pixels per side.
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// The directory in which npm has installed sharp. sharp also encodes the JPEG files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    sharp_dir: PathBuf,
    /// Also measure this program, the command line of oximg.
    #[arg(long, value_name = "FILE")]
    oximg: Option<PathBuf>,
    /// The ratios of the side of the photograph to the side of the reduced picture.
    #[arg(
        long,
        value_name = "X",
        value_delimiter = ',',
        default_value = "1.2,1.5,2,2.5,3,4,5.3,6,8,10,12,16"
    )]
    ratios: Vec<f64>,
}

/// The programs whose reductions are scored, in the order of the columns of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Program {
    Pixaven,
    Sharp,
    Oximg,
}

/// The mean scores of one ratio against one reference.
#[derive(Debug, Serialize)]
struct Row {
    ratio: f64,
    reference: &'static str,
    scores: Vec<(Program, f64)>,
}

/// A square photograph: rows of red, green and blue, and the side in pixels.
struct Square {
    rgb: Vec<u8>,
    side: usize,
}

/// Scores the reductions of all photographs.
pub(crate) fn run(args: &ReductionsArgs) -> anyhow::Result<Report> {
    ensure!(args.ratios.iter().all(|ratio| *ratio >= 1.0), "--ratios are at least 1");
    let sharp = Sharp::find(&args.sharp_dir)?;
    progress(format_args!("beside sharp {} with libvips {}", sharp.version, sharp.libvips));
    let mut rows: Vec<Row> = Vec::new();
    for &ratio in &args.ratios {
        rows.extend(["sRGB", "linear"].map(|reference| Row { ratio, reference, scores: Vec::new() }));
    }
    let paths = pixels::paths(&args.photos)?;
    ensure!(!paths.is_empty(), "no photograph in {}", args.photos.display());
    for path in &paths {
        progress(format_args!("{}", path.display()));
        let square = Square::read(path)?;
        let scores = measure(&square, args, &sharp).with_context(|| path.display().to_string())?;
        for (row, scores) in rows.iter_mut().zip(scores) {
            if row.scores.is_empty() {
                row.scores = scores.iter().map(|(program, _)| (*program, 0.0)).collect();
            }
            for ((_, mean), (_, score)) in row.scores.iter_mut().zip(scores) {
                *mean += score / paths.len() as f64;
            }
        }
    }
    let table = table(&rows);
    Ok(Report::new("reductions", &json!({ "reductions": rows }))?.table("reductions", table))
}

impl Square {
    /// Reads a photograph and keeps the largest square in its centre.
    fn read(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (width, height, rgb) =
            pixels::decode(&file).with_context(|| format!("cannot decode {}", path.display()))?;
        let (width, height) = (width as usize, height as usize);
        let side = width.min(height) / BLOCK * BLOCK;
        ensure!(side > 0, "{} is too small", path.display());
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        Ok(Self { rgb: part(&rgb, width, (left, top), side), side })
    }
}

/// Copies a square from a picture of the width `width`.
fn part(rgb: &[u8], width: usize, (left, top): (usize, usize), side: usize) -> Vec<u8> {
    let rows = rgb.chunks_exact(width * 3).skip(top).take(side);
    rows.flat_map(|row| &row[left * 3..(left + side) * 3]).copied().collect()
}

/// Scores all reductions of one photograph, in the order of the rows of the report.
fn measure(
    square: &Square,
    args: &ReductionsArgs,
    sharp: &Sharp,
) -> anyhow::Result<Vec<Vec<(Program, f64)>>> {
    let dir = tempfile::tempdir().context("no temporary directory")?;
    let sides: Vec<u32> =
        args.ratios.iter().map(|ratio| (square.side as f64 / ratio).round() as u32).collect();
    let encoded = peers::encode(sharp, &square.rgb, square.side as u32, &sides, dir.path())?;
    let mut all = Vec::new();
    for (&side, by_sharp) in sides.iter().zip(encoded.by_sharp) {
        let mut by_peers = vec![(Program::Sharp, by_sharp)];
        if let Some(program) = &args.oximg {
            by_peers.push((Program::Oximg, peers::with_oximg(program, &encoded.path, side, dir.path())?));
        }
        for (averaged, light) in [(Averaged::Srgb, Light::Srgb), (Averaged::Linear, Light::Linear)] {
            let ideal = reference::reduce(&square.rgb, square.side, side as usize, averaged);
            let plan = Plan { resize: Some(resize(side, light)), ..Plan::default() };
            let own = pixels::processed(&encoded.bytes, &plan)?.2;
            let mut scores = vec![(Program::Pixaven, score(&ideal, &own, side)?)];
            for (program, rgb) in &by_peers {
                scores.push((*program, score(&ideal, rgb, side)?));
            }
            all.push(scores);
        }
    }
    Ok(all)
}

/// The resizing of a square picture to the side `side`.
fn resize(side: u32, light: Light) -> Resize {
    Resize {
        mode: ResizeMode::Exact,
        width: Some(side),
        height: Some(side),
        gravity: Gravity::Center,
        upscale: false,
        background: None,
        kernel: Kernel::Lanczos3,
        light,
    }
}

/// The score of a square picture against the ideal picture, without the margin.
fn score(ideal: &[u8], rgb: &[u8], side: u32) -> anyhow::Result<f64> {
    let inner = side as usize - 2 * MARGIN;
    let cut = |rgb: &[u8]| part(rgb, side as usize, (MARGIN, MARGIN), inner);
    let (ideal, rgb) = (cut(ideal), cut(rgb));
    let reference = Ssimulacra2Reference::new(&pixels::slice(&ideal, inner as u32, inner as u32)?)?;
    Ok(reference.compare(&pixels::slice(&rgb, inner as u32, inner as u32)?)?)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["ratio", "reference", "pixaven", "sharp", "oximg"]);
    for row in rows {
        let score = |program: Program| {
            let found = row.scores.iter().find(|(scored, _)| *scored == program);
            found.map_or_else(|| "-".to_owned(), |(_, score)| format!("{score:.2}"))
        };
        table.push(vec![
            format!("{}", row.ratio),
            row.reference.to_owned(),
            score(Program::Pixaven),
            score(Program::Sharp),
            score(Program::Oximg),
        ]);
    }
    table
}
