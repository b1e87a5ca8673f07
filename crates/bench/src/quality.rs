//! The tool `quality`: compares the sizes of files of equal quality between pixaven's encoders and others.
//!
//! Every encoder encodes each photograph at several qualities. Each file is decoded by pixaven and scored by
//! SSIMULACRA2 against the photograph. The first table has the BD-rate of pixaven's encoders over the scores
//! from 50 to 90 and the ratio of processor times. The second table has the median score at each quality. The
//! formats without qualities, PNG and GIF, are compared by the bytes of all files. The third table has the settings
//! at which pixaven's encoders reach the scores of its JPEG encoder.
//!
//! A later run can compare with the encoders of an earlier run: `--save FILE` writes all points, `--against
//! FILE` reads them.

mod auto;
mod bd_rate;
mod encoders;
mod equal_settings;
mod photo;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use pixaven_imaging::plan::Format;
use serde_json::json;

use self::encoders::Encoder;
use self::photo::Photo;
use self::series::{Comparison, Point, Series};
use crate::pixels;
use crate::report::{Report, Table, progress};
use crate::sharp::Sharp;

#[derive(Args)]
pub(crate) struct QualityArgs {
    /// The directory of photographs, without loss or with far more pixels than they need.
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// The formats that are compared, by their names in requests.
    #[arg(
        long = "format",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "jpeg,webp,avif,jxl,png"
    )]
    formats: Vec<String>,
    /// Also measure pixaven with these values of `output.effort`.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    efforts: Vec<u8>,
    /// Also measure other encoders: sharp, which needs Node.js, and the programs cjpegli, cjxl and oxipng.
    #[arg(long)]
    peers: bool,
    /// The directory in which npm has installed sharp.
    #[arg(long, value_name = "DIR", default_value = ".")]
    sharp_dir: PathBuf,
    /// Also compare the format `auto` with JPEG of the same quality and with the smallest of the formats.
    #[arg(long)]
    auto: bool,
    /// Write all measured points to this file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Also compare with the points that an earlier run wrote to this file, by the same photographs.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// Measures all encoders of all selected formats.
pub(crate) fn run(args: &QualityArgs) -> anyhow::Result<Report> {
    let formats = args.formats.iter().map(|name| format_of(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let sharp = if args.peers { find_sharp(args) } else { None };
    let earlier: Vec<Series> = match &args.against {
        None => Vec::new(),
        Some(path) => {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("no points in {}", path.display()))?
        }
    };
    let photos = read_photos(args)?;
    let (mut all, mut comparisons) = (Vec::new(), Vec::new());
    for &format in &formats {
        let ours = measure_all(encoders::ours(format, &args.efforts), &photos, sharp.as_ref())?;
        let peers = if args.peers { encoders::peers(format) } else { Vec::new() };
        let peers = measure_all(peers, &photos, sharp.as_ref())?;
        let before = earlier.iter().filter(|series| series.format == format.name() && is_ours(series));
        let before: Vec<Series> = before
            .map(|series| Series { encoder: format!("earlier {}", series.encoder), ..series.clone() })
            .collect();
        for own in &ours {
            comparisons.extend(peers.iter().chain(&before).map(|peer| own.compare(peer)));
        }
        all.extend(ours.into_iter().chain(peers));
    }
    if let Some(path) = &args.save {
        fs::write(path, serde_json::to_vec(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = Report::new("quality", &json!({ "comparisons": comparisons, "points": all }))?;
    let report =
        report.table("comparisons", comparison_table(&comparisons)).table("points", score_table(&all));
    let report = report.table("equal settings", equal_settings::table(&all));
    Ok(if args.auto { report.table("auto", auto::table(&photos, &all)?) } else { report })
}

fn format_of(name: &str) -> anyhow::Result<Format> {
    let format = Format::written().find(|format| format.request_name() == name);
    format.with_context(|| format!("--format {name}: this build writes no such format"))
}

/// Returns whether a series belongs to pixaven's own encoder.
fn is_ours(series: &Series) -> bool {
    series.encoder.starts_with("pixaven")
}

fn find_sharp(args: &QualityArgs) -> Option<Sharp> {
    match Sharp::find(&args.sharp_dir) {
        Ok(sharp) => {
            progress(format_args!("beside sharp {} with libvips {}", sharp.version, sharp.libvips));
            Some(sharp)
        }
        Err(error) => {
            progress(format_args!("MISSING sharp: {error:#}"));
            None
        }
    }
}

fn read_photos(args: &QualityArgs) -> anyhow::Result<Vec<Photo>> {
    let mut photos = Vec::new();
    for path in pixels::paths(&args.photos)? {
        match Photo::read(&path) {
            Ok(photo) => photos.push(photo),
            Err(error) => progress(format_args!("SKIPPED {}: {error:#}", path.display())),
        }
    }
    ensure!(!photos.is_empty(), "no photograph in {}", args.photos.display());
    Ok(photos)
}

/// Encodes all photographs with all encoders, and says which encoders are missing.
fn measure_all(
    encoders: Vec<Encoder>,
    photos: &[Photo],
    sharp: Option<&Sharp>,
) -> anyhow::Result<Vec<Series>> {
    let mut all = Vec::new();
    for encoder in encoders {
        let title = format!("{} by {}", encoder.format.name(), encoder.name);
        match encoder.missing(sharp) {
            Some(reason) => progress(format_args!("MISSING {title}: {reason}")),
            None => {
                progress(format_args!("{title}: {} photographs", photos.len()));
                all.push(measure(&encoder, photos, sharp).with_context(|| title)?);
            }
        }
    }
    Ok(all)
}

fn measure(encoder: &Encoder, photos: &[Photo], sharp: Option<&Sharp>) -> anyhow::Result<Series> {
    let dir = tempfile::tempdir().context("no temporary directory")?;
    let qualities = encoders::qualities(encoder.format);
    let mut measured = BTreeMap::new();
    for photo in photos {
        let mut points = Vec::new();
        for file in encoder.encode(photo, &qualities, sharp, dir.path())? {
            let score = photo.score(&file.bytes).with_context(|| photo.name.clone())?;
            let bytes = file.bytes.len() as u64;
            points.push(Point { quality: file.quality, bytes, score, cpu_ms: file.cpu_ms });
        }
        measured.insert(photo.name.clone(), points);
    }
    let (format, encoder) = (encoder.format.name().to_owned(), encoder.name.clone());
    Ok(Series { format, encoder, photos: measured })
}

fn comparison_table(comparisons: &[Comparison]) -> Table {
    let mut table =
        Table::new(&["format", "encoder", "against", "bytes %", "score", "CPU ratio", "photographs"]);
    for comparison in comparisons {
        table.push(vec![
            comparison.format.clone(),
            comparison.encoder.clone(),
            comparison.against.clone(),
            cell(comparison.bytes_percent, 1),
            cell(comparison.score_difference, 1),
            cell(comparison.cpu_ratio, 2),
            comparison.n_photos.to_string(),
        ]);
    }
    table
}

/// Creates a table with the median score of each encoder at each quality.
fn score_table(all: &[Series]) -> Table {
    let mut table = Table::new(&["format", "encoder", "quality", "median score", "KB", "CPU ms"]);
    for series in all {
        let points = series.photos.values().flatten();
        let qualities: BTreeSet<Option<u8>> = points.map(|point| point.quality).collect();
        for quality in qualities {
            let points = || series.photos.values().flatten().filter(|point| point.quality == quality);
            let times: Option<f64> = points().map(|point| point.cpu_ms).sum();
            table.push(vec![
                series.format.clone(),
                series.encoder.clone(),
                cell(quality.map(f64::from), 0),
                cell(series.median_score(quality), 1),
                cell(Some(points().map(|point| point.bytes as f64).sum::<f64>() / 1000.0), 1),
                cell(times, 1),
            ]);
        }
    }
    table
}

/// Formats a figure, or a dash if the figure was not measured.
fn cell(value: Option<f64>, n_decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.n_decimals$}"))
}
