//! The Bjøntegaard delta of rates (BD-rate): how many percent more bytes an encoder needs than another encoder
//! for files of the same quality, as a mean over a range of qualities.
//!
//! Source: Bjøntegaard, *Calculation of average PSNR differences between RD-curves*, ITU-T VCEG-M33, 2001. As
//! in the later common test conditions of JCT-VC, a curve is a monotone piecewise cubic (Fritsch and Butland,
//! *A method for constructing local monotone piecewise cubic interpolants*, 1984) and no single polynomial.
//! The curve gives the logarithm of the number of bytes as a function of the score.

use std::ops::RangeInclusive;

/// The number of scores at which two curves are compared.
const N_SAMPLES: usize = 400;

/// The part of `range` that both curves must have in common, so that their comparison means something.
const LEAST_OVERLAP: f64 = 10.0;

/// A monotone curve: the logarithm of the number of bytes as a function of the score.
#[derive(Debug)]
pub(super) struct Curve {
    scores: Vec<f64>,
    log_bytes: Vec<f64>,
    slopes: Vec<f64>,
}

impl Curve {
    /// Creates a curve through points, each of which is a score and a number of bytes. Leaves out a point if
    /// another point has at least the same score with at most the same number of bytes. Returns `None` if
    /// fewer than three points are left.
    pub(super) fn new(points: &[(f64, u64)]) -> Option<Self> {
        let mut points = points.to_vec();
        points.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut fewest = u64::MAX;
        points.retain(|&(_, n_bytes)| {
            let is_fewer = n_bytes < fewest;
            fewest = fewest.min(n_bytes);
            is_fewer
        });
        points.reverse();
        if points.len() < 3 {
            return None;
        }
        let scores: Vec<f64> = points.iter().map(|&(score, _)| score).collect();
        let log_bytes: Vec<f64> = points.iter().map(|&(_, n_bytes)| (n_bytes as f64).ln()).collect();
        let slopes = slopes(&scores, &log_bytes);
        Some(Self { scores, log_bytes, slopes })
    }

    fn first(&self) -> f64 {
        self.scores[0]
    }

    fn last(&self) -> f64 {
        self.scores[self.scores.len() - 1]
    }

    /// Returns the number of bytes at a score. Returns `None` if no file of the curve has this score.
    pub(super) fn n_bytes_at(&self, score: f64) -> Option<f64> {
        (self.first()..=self.last()).contains(&score).then(|| self.at(score).exp())
    }

    /// Returns the logarithm of the number of bytes at a score between the first and the last score.
    fn at(&self, score: f64) -> f64 {
        let above = self.scores.partition_point(|&knot| knot < score).clamp(1, self.scores.len() - 1);
        let width = self.scores[above] - self.scores[above - 1];
        let t = (score - self.scores[above - 1]) / width;
        let (y0, y1) = (self.log_bytes[above - 1], self.log_bytes[above]);
        let (m0, m1) = (self.slopes[above - 1] * width, self.slopes[above] * width);
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * y0
            + (t3 - 2.0 * t2 + t) * m0
            + (3.0 * t2 - 2.0 * t3) * y1
            + (t3 - t2) * m1
    }
}

/// Computes the slopes at the points: weighted harmonic means of the slopes to both neighbours, which keep the
/// curve monotone, and three-point estimates at both ends.
fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let n = x.len();
    let widths: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let secants: Vec<f64> =
        y.windows(2).zip(&widths).map(|(pair, width)| (pair[1] - pair[0]) / width).collect();
    let end = |near: usize, far: usize| {
        let (h0, h1, d0, d1) = (widths[near], widths[far], secants[near], secants[far]);
        let slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
        slope.clamp(0.0, 3.0 * d0)
    };
    let inner = |i: usize| {
        let (h0, h1, d0, d1) = (widths[i - 1], widths[i], secants[i - 1], secants[i]);
        3.0 * (h0 + h1) / ((2.0 * h1 + h0) / d0 + (h1 + 2.0 * h0) / d1)
    };
    let mut slopes = vec![end(0, 1)];
    slopes.extend((1..n - 1).map(inner));
    slopes.push(end(n - 2, n - 3));
    slopes
}

/// Returns how many percent more bytes `ours` needs than `theirs` at the same score. Compares the curves over
/// the scores of `range` that both curves reach. Returns `None` if these scores span fewer than
/// [`LEAST_OVERLAP`] points.
pub(super) fn percent(ours: &Curve, theirs: &Curve, range: &RangeInclusive<f64>) -> Option<f64> {
    let from = ours.first().max(theirs.first()).max(*range.start());
    let to = ours.last().min(theirs.last()).min(*range.end());
    if to - from < LEAST_OVERLAP {
        return None;
    }
    let difference = |i: usize| {
        let score = from + (to - from) * (i as f64 + 0.5) / N_SAMPLES as f64;
        ours.at(score) - theirs.at(score)
    };
    let mean = (0..N_SAMPLES).map(difference).sum::<f64>() / N_SAMPLES as f64;
    Some((mean.exp() - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: RangeInclusive<f64> = 50.0..=90.0;

    fn points(scores: &[f64], n_bytes: impl Fn(f64) -> f64) -> Vec<(f64, u64)> {
        scores.iter().map(|&score| (score, n_bytes(score) as u64)).collect()
    }

    #[test]
    fn bd_rate_of_files_that_are_a_tenth_larger_at_every_score_is_ten_percent() {
        let size = |score: f64| 1e6 * (score / 20.0).exp();
        let theirs = Curve::new(&points(&[40.0, 55.0, 70.0, 80.0, 95.0], size)).unwrap();
        let ours = Curve::new(&points(&[45.0, 60.0, 65.0, 85.0, 92.0], |score| 1.1 * size(score))).unwrap();
        let bd_rate = percent(&ours, &theirs, &RANGE).unwrap();
        assert!((bd_rate - 10.0).abs() < 0.01, "{bd_rate}");
        assert!((percent(&theirs, &theirs, &RANGE).unwrap()).abs() < 1e-9);
    }

    #[test]
    fn curve_passes_its_points_and_never_falls_between_them() {
        let points = [(10.0, 100), (50.0, 110), (55.0, 5000), (90.0, 5100), (91.0, 90_000)];
        let curve = Curve::new(&points).unwrap();
        for (score, n_bytes) in points {
            assert!((curve.at(score) - (n_bytes as f64).ln()).abs() < 1e-9, "{score}");
        }
        let values: Vec<f64> = (100..=910).map(|score| curve.at(f64::from(score) / 10.0)).collect();
        assert!(values.is_sorted());
    }

    #[test]
    fn curve_leaves_out_a_point_with_more_bytes_and_a_lower_score_than_another_point() {
        let curve = Curve::new(&[(50.0, 100), (60.0, 300), (70.0, 200), (80.0, 400)]).unwrap();
        assert_eq!(curve.scores, [50.0, 70.0, 80.0]);
        assert!(Curve::new(&[(50.0, 100), (60.0, 300), (70.0, 50)]).is_none());
    }

    #[test]
    fn curves_without_common_scores_have_no_bd_rate() {
        let low = Curve::new(&points(&[20.0, 30.0, 55.0], |score| score * 100.0)).unwrap();
        let high = Curve::new(&points(&[50.0, 70.0, 90.0], |score| score * 100.0)).unwrap();
        assert_eq!(percent(&low, &high, &RANGE), None);
    }
}
