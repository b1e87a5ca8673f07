//! The figures of a run as a table for people and as rows for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::jobs::Job;
use super::sample::{Sample, median};

/// The medians of one job.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    job: &'static str,
    ours: Option<Sample>,
    sharp: Option<Sample>,
    /// Median over the rounds of our processor time divided by theirs in the same round.
    cpu_ratio: Option<f64>,
    /// What that is meant to be at most.
    cpu_target: Option<f64>,
    /// The same of the memory that the images took.
    growth_ratio: Option<f64>,
    /// The same of the whole process.
    peak_ratio: Option<f64>,
}

impl Row {
    /// From the samples of all rounds, in the order of the rounds.
    pub(super) fn new(job: &Job, ours: &[Sample], theirs: &[Sample]) -> Self {
        let ratio = |figure: fn(&Sample) -> f64| {
            median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)).collect())
        };
        Self {
            job: job.name,
            ours: Sample::median(ours),
            sharp: Sample::median(theirs),
            cpu_ratio: ratio(|sample| sample.cpu_ms),
            cpu_target: job.target,
            growth_ratio: ratio(|sample| sample.growth_kib),
            peak_ratio: ratio(|sample| sample.peak_kib),
        }
    }
}

/// Aligned columns; a figure that was not measured is a dash.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = String::new();
    let mut line = |cells: [String; 11]| {
        let [job, rest @ ..] = cells;
        let rest: Vec<String> = rest.iter().map(|cell| format!("{cell:>9}")).collect();
        writeln!(table, "{job:<28}{}", rest.join("")).expect("writing to a string cannot fail");
    };
    line(["", "CPU ms", "", "", "", "peak MiB", "", "", "of which", "KB out", ""].map(str::to_owned));
    let heads =
        ["job", "ours", "sharp", "ratio", "target", "ours", "sharp", "ratio", "images'", "ours", "sharp"];
    line(heads.map(str::to_owned));
    for row in rows {
        let cell = |value: Option<f64>, n_decimals: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.n_decimals$}"))
        };
        let (ours, sharp) = (row.ours, row.sharp);
        line([
            row.job.to_owned(),
            cell(ours.map(|sample| sample.cpu_ms), 2),
            cell(sharp.map(|sample| sample.cpu_ms), 2),
            cell(row.cpu_ratio, 2),
            cell(row.cpu_target, 2),
            cell(ours.map(|sample| sample.peak_kib / 1024.0), 1),
            cell(sharp.map(|sample| sample.peak_kib / 1024.0), 1),
            cell(row.peak_ratio, 2),
            cell(row.growth_ratio, 2),
            cell(ours.map(|sample| sample.bytes / 1000.0), 1),
            cell(sharp.map(|sample| sample.bytes / 1000.0), 1),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::jobs;

    fn sample(cpu_ms: f64) -> Sample {
        Sample { cpu_ms, peak_kib: 1024.0, growth_kib: 512.0, bytes: 2000.0 }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let job = &jobs::all()[0];
        let ours = [1.0, 2.0, 30.0].map(sample);
        let theirs = [2.0, 2.0, 10.0].map(sample);
        let row = Row::new(job, &ours, &theirs);
        assert_eq!(row.cpu_ratio, Some(1.0));
        assert_eq!(row.ours.unwrap().cpu_ms, 2.0);
        assert!(render(&[row]).contains("1.00"));
        let alone = Row::new(job, &ours, &[]);
        assert_eq!(alone.cpu_ratio, None);
    }
}
