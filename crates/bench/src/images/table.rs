//! The results of all cases of the tool `images`, and the table that shows them.

use serde::Serialize;

use super::cases::ImageCase;
use super::measurement::Measurement;
use crate::percentiles::median;
use crate::report::Table;

/// The result of one case. The figures of pixaven and of sharp are medians over all rounds. In each round, a
/// ratio is the figure of pixaven divided by the figure of sharp, and the ratio of the case is the median of
/// these ratios.
#[derive(Debug, Serialize)]
pub(crate) struct CaseResult {
    job: &'static str,
    ours: Option<Measurement>,
    sharp: Option<Measurement>,
    /// The ratio of the processor times of pixaven and sharp.
    cpu_ratio: Option<f64>,
    /// The largest acceptable ratio of processor time.
    cpu_target: Option<f64>,
    /// The ratio of the memory that pixaven and sharp need for the images (`growth_kib`).
    growth_ratio: Option<f64>,
    /// The ratio of the peak memory of the whole process of pixaven and of sharp (`peak_kib`).
    peak_ratio: Option<f64>,
}

impl CaseResult {
    /// Computes the result of a case. `ours` and `theirs` hold the measurements of pixaven and of sharp, one
    /// per round and in the same order. `theirs` is empty if sharp was not measured.
    pub(super) fn new(case: &ImageCase, ours: &[Measurement], theirs: &[Measurement]) -> Self {
        let ratio = |figure: fn(&Measurement) -> f64| {
            median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)).collect())
        };
        Self {
            job: case.name,
            ours: Measurement::median(ours),
            sharp: Measurement::median(theirs),
            cpu_ratio: ratio(|measured| measured.cpu_ms),
            cpu_target: case.max_cpu_ratio,
            growth_ratio: ratio(|measured| measured.growth_kib),
            peak_ratio: ratio(|measured| measured.peak_kib),
        }
    }
}

const HEADINGS: [&str; 11] = [
    "job",
    "CPU ms",
    "sharp",
    "ratio",
    "target",
    "peak MiB",
    "sharp",
    "ratio",
    "images' ratio",
    "KB out",
    "sharp",
];

/// Creates a table with a row for each case. A dash stands for a figure that was not measured.
pub(crate) fn table(results: &[CaseResult]) -> Table {
    let mut table = Table::new(&HEADINGS);
    for result in results {
        let cell = |value: Option<f64>, n_decimals: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.n_decimals$}"))
        };
        let (ours, sharp) = (result.ours, result.sharp);
        table.push(vec![
            result.job.to_owned(),
            cell(ours.map(|measured| measured.cpu_ms), 2),
            cell(sharp.map(|measured| measured.cpu_ms), 2),
            cell(result.cpu_ratio, 2),
            cell(result.cpu_target, 2),
            cell(ours.map(|measured| measured.peak_kib / 1024.0), 1),
            cell(sharp.map(|measured| measured.peak_kib / 1024.0), 1),
            cell(result.peak_ratio, 2),
            cell(result.growth_ratio, 2),
            cell(ours.map(|measured| measured.bytes / 1000.0), 1),
            cell(sharp.map(|measured| measured.bytes / 1000.0), 1),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::cases;

    fn measurement(cpu_ms: f64) -> Measurement {
        Measurement { cpu_ms, peak_kib: 1024.0, growth_kib: 512.0, bytes: 2000.0 }
    }

    #[test]
    fn the_reported_cpu_time_ratio_of_pixaven_to_sharp_is_the_median_of_the_ratios_of_all_rounds() {
        let case = &cases::all()[0];
        let ours = [1.0, 2.0, 30.0].map(measurement);
        let theirs = [2.0, 2.0, 10.0].map(measurement);
        let result = CaseResult::new(case, &ours, &theirs);
        assert_eq!(result.cpu_ratio, Some(1.0));
        assert_eq!(result.ours.unwrap().cpu_ms, 2.0);
        assert!(table(&[result]).to_string().contains("1.00"));
        let without_sharp = CaseResult::new(case, &ours, &[]);
        assert_eq!(without_sharp.cpu_ratio, None);
    }
}
