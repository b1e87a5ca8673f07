//! What an encoder made of each photograph at each quality, and the comparison of two encoders.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::bd_rate::{self, Curve};
use crate::percentiles::median;

/// The range of SSIMULACRA2 scores over which encoders are compared: from a low quality to one at which no
/// difference is visible.
pub(super) const SCORES: RangeInclusive<f64> = 50.0..=90.0;

/// A file that an encoder made of a photograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    /// `None` for a format whose encoders have no quality.
    pub(super) quality: Option<u8>,
    pub(super) bytes: u64,
    pub(super) score: f64,
    /// Milliseconds of processor time of the encoding, if the encoder tells it.
    pub(super) cpu_ms: Option<f64>,
}

/// All files of an encoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) format: String,
    pub(super) encoder: String,
    /// The files by the name of their photograph.
    pub(super) photos: BTreeMap<String, Vec<Point>>,
}

/// How an encoder compares with another one.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Comparison {
    pub(super) format: String,
    pub(super) encoder: String,
    pub(super) against: String,
    /// How many percent more bytes `encoder` needs: at the same score, or, for a format without qualities,
    /// for all files together.
    pub(super) bytes_percent: Option<f64>,
    /// The mean score of `encoder` minus that of `against`, for a format without qualities.
    pub(super) score_difference: Option<f64>,
    /// The ratio of the processor times of those encodings whose score is in [`SCORES`].
    pub(super) cpu_ratio: Option<f64>,
    /// The number of photographs that were compared.
    pub(super) n_photos: usize,
}

impl Series {
    /// Compares this encoder with another one by all photographs that both have encoded.
    pub(super) fn compare(&self, other: &Self) -> Comparison {
        let pairs: Vec<(&[Point], &[Point])> = (self.photos.iter())
            .filter_map(|(name, ours)| Some((ours.as_slice(), other.photos.get(name)?.as_slice())))
            .collect();
        let has_qualities = pairs.iter().all(|(ours, _)| ours.iter().all(|point| point.quality.is_some()));
        let (bytes_percent, score_difference, n_photos) = if has_qualities {
            let rates: Vec<f64> = pairs
                .iter()
                .filter_map(|(ours, theirs)| bd_rate::percent(&curve(ours)?, &curve(theirs)?, &SCORES))
                .collect();
            (mean(&rates), None, rates.len())
        } else {
            let ratio = ratio(&pairs, |points| points.iter().map(|point| point.bytes as f64).sum());
            let score = |points: &[Point]| points.iter().map(|point| point.score).sum::<f64>();
            let differences: Vec<f64> =
                pairs.iter().map(|(ours, theirs)| score(ours) - score(theirs)).collect();
            (ratio.map(|ratio| (ratio - 1.0) * 100.0), mean(&differences), pairs.len())
        };
        Comparison {
            format: self.format.clone(),
            encoder: self.encoder.clone(),
            against: other.encoder.clone(),
            bytes_percent,
            score_difference,
            cpu_ratio: ratio(&pairs, cpu_ms),
            n_photos,
        }
    }

    /// Returns the median score over all photographs at a quality.
    pub(super) fn median_score(&self, quality: Option<u8>) -> Option<f64> {
        let points = self.photos.values().flatten().filter(|point| point.quality == quality);
        median(points.map(|point| point.score).collect())
    }
}

/// The curve through the points of one photograph. Returns `None` if there are too few.
pub(super) fn curve(points: &[Point]) -> Option<Curve> {
    Curve::new(&points.iter().map(|point| (point.score, point.bytes)).collect::<Vec<_>>())
}

/// Returns the mean processor time of the encodings whose score is in [`SCORES`], or of all encodings of a
/// format without qualities.
fn cpu_ms(points: &[Point]) -> f64 {
    let compared = points.iter().filter(|point| point.quality.is_none() || SCORES.contains(&point.score));
    let times: Option<Vec<f64>> = compared.map(|point| point.cpu_ms).collect();
    times.and_then(|times| mean(&times)).unwrap_or(f64::NAN)
}

/// Returns the ratio of the sums of a figure over all pairs. Returns `None` if the figure is unknown.
fn ratio(pairs: &[(&[Point], &[Point])], figure: fn(&[Point]) -> f64) -> Option<f64> {
    let ours: f64 = pairs.iter().map(|(ours, _)| figure(ours)).sum();
    let theirs: f64 = pairs.iter().map(|(_, theirs)| figure(theirs)).sum();
    (ours / theirs).is_finite().then_some(ours / theirs)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(encoder: &str, points: &[(Option<u8>, u64, f64, Option<f64>)]) -> Series {
        let points =
            points.iter().map(|&(quality, bytes, score, cpu_ms)| Point { quality, bytes, score, cpu_ms });
        let photos = BTreeMap::from([("photo".to_owned(), points.collect())]);
        Series { format: "JPEG".to_owned(), encoder: encoder.to_owned(), photos }
    }

    #[test]
    fn encoder_with_half_the_bytes_at_each_score_and_twice_the_time_compares_as_minus_50_percent_and_2() {
        let points = |bytes: u64, cpu_ms| {
            let at = |(quality, factor, score)| (Some(quality), bytes * factor, score, Some(cpu_ms));
            [(10, 1, 30.0), (50, 2, 60.0), (70, 3, 75.0), (95, 9, 95.0)].map(at)
        };
        let (ours, theirs) = (series("a", &points(100, 4.0)), series("b", &points(200, 2.0)));
        let comparison = ours.compare(&theirs);
        assert!((comparison.bytes_percent.unwrap() + 50.0).abs() < 1e-6);
        assert!((comparison.cpu_ratio.unwrap() - 2.0).abs() < 1e-9);
        assert_eq!((comparison.n_photos, comparison.score_difference), (1, None));
        assert_eq!(ours.median_score(Some(70)), Some(75.0));
    }

    #[test]
    fn encoders_without_qualities_are_compared_by_all_bytes_and_by_mean_score() {
        let ours = series("a", &[(None, 90, 100.0, Some(1.0))]);
        let theirs = series("b", &[(None, 100, 98.0, None)]);
        let comparison = ours.compare(&theirs);
        assert!((comparison.bytes_percent.unwrap() + 10.0).abs() < 1e-6);
        assert_eq!((comparison.score_difference, comparison.cpu_ratio), (Some(2.0), None));
    }
}
