//! Compares the files of the format `auto` with JPEG at the same quality, and with the smallest single format.

use std::collections::BTreeMap;

use pixaven_imaging::plan::{Format, Output, Plan, TargetFormat};
use pixaven_imaging::{Limits, Scratch, encode, process};

use super::bd_rate::Curve;
use super::photo::Photo;
use super::series::{self, Point, Series};
use crate::report::Table;
use crate::resource_usage::own_cpu_ms;

/// The qualities at which `auto` is measured.
const QUALITIES: [u8; 3] = [50, 70, 82];

/// Creates a table with a row for each photograph and quality: the format that `auto` chose, its score minus that of
/// the JPEG, its bytes in percent of the JPEG's, and how many percent more bytes it has than the smallest file with
/// the score of the JPEG. This file is lossless, or is interpolated between the points of `all`.
pub(super) fn table(photos: &[Photo], all: &[Series]) -> anyhow::Result<Table> {
    let mut table = Table::new(&[
        "photograph",
        "quality",
        "auto",
        "score",
        "score − JPEG",
        "% of JPEG",
        "% above best",
        "best",
        "CPU ms",
    ]);
    for photo in photos {
        let png = encode(photo.image(), Format::Png, &Output { effort: Some(0), ..Output::default() })?;
        let mut lossless = BTreeMap::new();
        for format in [Format::Png, Format::Webp] {
            let output = Output { lossless: true, ..Output::default() };
            lossless.insert(format.name(), encode(photo.image(), format, &output)?.len() as f64);
        }
        for quality in QUALITIES {
            let output = Output { format: TargetFormat::Auto, quality: Some(quality), ..Output::default() };
            let start_ms = own_cpu_ms();
            let plan = Plan { output, ..Plan::default() };
            let done = process(&png, &plan, &Limits::default(), &mut Scratch::default())?;
            let cpu_ms = own_cpu_ms() - start_ms;
            let score = photo.score(&done.bytes)?;
            let jpeg =
                encode(photo.image(), Format::Jpeg, &Output { quality: Some(quality), ..Output::default() })?;
            let jpeg_score = photo.score(&jpeg)?;
            let mut bests = lossless.clone();
            bests.insert(Format::Jpeg.name(), jpeg.len() as f64);
            for (format, n_bytes) in interpolated(photo, all, jpeg_score) {
                bests.insert(format, n_bytes);
            }
            let best = bests.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
            let n_bytes = done.bytes.len() as f64;
            table.push(vec![
                photo.name.clone(),
                quality.to_string(),
                done.output.format.name().to_owned(),
                format!("{score:.1}"),
                format!("{:+.1}", score - jpeg_score),
                format!("{:.0}", n_bytes / jpeg.len() as f64 * 100.0),
                format!("{:+.1}", (n_bytes / best.1 - 1.0) * 100.0),
                best.0.to_owned(),
                format!("{cpu_ms:.0}"),
            ]);
        }
    }
    Ok(table)
}

/// Returns the number of bytes at a score for each lossy format of `auto` whose points reach the score.
fn interpolated<'a>(photo: &Photo, all: &'a [Series], score: f64) -> Vec<(&'a str, f64)> {
    let of_series = |series: &'a Series| {
        let points: &Vec<Point> = series.photos.get(&photo.name)?;
        let curve: Curve = series::curve(points)?;
        Some((series.format.as_str(), curve.n_bytes_at(score)?))
    };
    let formats = [Format::Avif, Format::Jpeg, Format::Webp].map(Format::name);
    let is_candidate =
        |series: &&Series| series.encoder == "pixaven" && formats.contains(&series.format.as_str());
    all.iter().filter(is_candidate).filter_map(of_series).collect()
}
