//! Searches the lowest quality at which a file reaches a score of SSIMULACRA2, with at most three encodings.

use super::interpolation::interpolated;
use super::quality_search::MAX_ATTEMPTS;
use crate::Error;

/// The scores that a search accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    wanted: f64,
    /// How far below `wanted` a score may be.
    below: f64,
    /// How far above `wanted` a score may be without another attempt.
    above: f64,
}

impl Band {
    /// The scores for `output.target`.
    pub(super) fn target(score: u8) -> Self {
        Self { wanted: score.into(), below: 0.5, above: 1.0 }
    }

    /// The scores of files that look as good as a file with this score.
    pub(super) fn equal(score: f64) -> Self {
        Self { wanted: score, below: 1.0, above: 0.6 }
    }

    fn reached(self, score: f64) -> bool {
        score >= self.wanted - self.below
    }

    /// How far a score is above the wanted one.
    pub(super) fn excess(self, score: f64) -> f64 {
        score - self.wanted
    }

    /// The quality of a typical photograph with the wanted score.
    pub(super) fn typical_quality(self) -> u8 {
        quality_of(self.wanted)
    }
}

/// The scores of a typical photograph. The qualities are ascending.
const TYPICAL_SCORES: [(u8, f64); 14] = [
    (1, -20.0),
    (20, 36.1),
    (30, 50.8),
    (40, 58.3),
    (50, 63.4),
    (60, 68.0),
    (70, 71.7),
    (80, 77.1),
    (85, 80.7),
    (88, 83.0),
    (90, 86.7),
    (93, 89.6),
    (96, 92.6),
    (100, 96.0),
];

/// The result of a search.
pub(super) struct Scored<T> {
    pub(super) result: T,
    pub(super) quality: u8,
    pub(super) score: f64,
    /// Whether the score is in the band or above it.
    pub(super) is_reached: bool,
}

/// Encodes at most three times. Returns the file with the lowest quality of those that reach the band, or the file
/// with the highest score if none does. The first attempt has the quality `first`. `attempt` encodes at a quality and
/// returns the file and its score. It returns `None` to end the search, because no file can be of use; the search
/// then returns `None` as well.
///
/// The following qualities come from the scores of a typical photograph, and from the third attempt on by the
/// secant method between the two scores so far.
pub(super) fn search<T>(
    band: Band,
    first: u8,
    mut attempt: impl FnMut(u8) -> Result<Option<(T, f64)>, Error>,
) -> Result<Option<Scored<T>>, Error> {
    let mut best: Option<Scored<T>> = None;
    let mut points: Vec<(u8, f64)> = Vec::new();
    let mut quality = first;
    while (points.len() as u64) < MAX_ATTEMPTS {
        let Some((result, score)) = attempt(quality)? else { return Ok(None) };
        points.push((quality, score));
        let scored = Scored { result, quality, score, is_reached: band.reached(score) };
        let is_better = best.as_ref().is_none_or(|best| match (scored.is_reached, best.is_reached) {
            (true, true) => quality < best.quality,
            (false, false) => score > best.score,
            (is_reached, _) => is_reached,
        });
        if is_better {
            best = Some(scored);
        }
        if band.reached(score) && score <= band.wanted + band.above {
            break;
        }
        let Some(next) = next_quality(band, &points) else { break };
        quality = next;
    }
    Ok(best)
}

/// Chooses the quality of the next attempt. Returns `None` if no other quality can be better.
fn next_quality(band: Band, points: &[(u8, f64)]) -> Option<u8> {
    let &(quality, score) = points.last()?;
    let slope = match points {
        [.., (q0, s0), (q1, s1)] => (s1 - s0) / (typical_score(*q1) - typical_score(*q0)),
        _ => 1.0,
    };
    // A little above the wanted score, so that a small error of the estimate does not miss the band.
    let missing = band.wanted + band.below * 0.25 - score;
    let estimate = quality_of(typical_score(quality) + missing / slope.clamp(0.4, 2.5));
    let too_low = points.iter().filter(|point| !band.reached(point.1)).map(|point| point.0).max();
    let reached = points.iter().filter(|point| band.reached(point.1)).map(|point| point.0).min();
    let lowest = too_low.map_or(1, |quality| quality.saturating_add(1));
    let highest = reached.map_or(100, |quality| quality.saturating_sub(1));
    (lowest <= highest).then(|| estimate.clamp(lowest, highest))
}

/// The score of a typical photograph at a quality from 1 to 100.
fn typical_score(quality: u8) -> f64 {
    interpolated(&TYPICAL_SCORES, quality)
}

/// The lowest quality at which a typical photograph has at least a score, or 100.
fn quality_of(score: f64) -> u8 {
    (1..=100).find(|&quality| typical_score(quality) >= score).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches among files with the score `score(quality)`. Returns the quality, the score, and the qualities that
    /// were tried.
    fn found(band: Band, first: u8, score: impl Fn(u8) -> f64) -> (Scored<()>, Vec<u8>) {
        let mut tried = Vec::new();
        let scored = search(band, first, |quality| {
            tried.push(quality);
            Ok(Some(((), score(quality))))
        });
        (scored.unwrap().unwrap(), tried)
    }

    #[test]
    fn search_of_an_encoder_with_other_scores_than_typical_ends_within_the_band_after_three_attempts() {
        for (factor, shift) in [(1.0, -6.0), (1.0, 7.0), (0.8, 10.0), (1.2, -18.0)] {
            for target in [50, 65, 80] {
                let band = Band::target(target);
                let (scored, tried) =
                    found(band, band.typical_quality(), |quality| typical_score(quality) * factor + shift);
                assert!(tried.len() <= 3, "{tried:?}");
                let excess = scored.score - f64::from(target);
                assert!(
                    scored.is_reached && (-0.5..2.5).contains(&excess),
                    "{factor} {shift} {target}: {excess}"
                );
            }
        }
    }

    #[test]
    fn search_without_a_sufficient_quality_returns_the_highest_score() {
        let (scored, tried) = found(Band::target(90), 93, |quality| f64::from(quality) / 2.0);
        assert_eq!((scored.quality, scored.is_reached), (100, false), "{tried:?}");
    }

    #[test]
    fn search_of_a_file_that_is_always_good_enough_lowers_the_quality() {
        let (scored, tried) = found(Band::target(50), 30, |_| 100.0);
        assert!(scored.is_reached && scored.quality < 30 && tried.len() <= 3, "{tried:?}");
    }

    #[test]
    fn search_ends_as_soon_as_an_attempt_is_of_no_use() {
        let mut n_attempts = 0;
        let ended = search(Band::target(50), 30, |_| {
            n_attempts += 1;
            Ok::<Option<((), f64)>, Error>(None)
        });
        assert!(ended.unwrap().is_none() && n_attempts == 1);
    }
}
