//! The cascade of the face detector: fast classifiers test square windows of every size at every position,
//! and slower, more exact stages test the windows that passed. The method is described in Wu, Kan, He, Shan
//! and Chen, "Funnel-structured cascade for multi-view face detection with alignment-awareness",
//! Neurocomputing 221, 2017. This implementation never reads pixels outside of the image.

use super::WINDOW;
use super::binary_features::FeatureMap;
use super::gray_image::GrayImage;
use super::model::{Branch, Model, Perceptron};
use super::surf::{Gradients, Patch};

/// The factor by which both sides of the image are multiplied before the image is searched again. A larger
/// face fits into a window of constant size when the image is smaller.
const SHRINK: f32 = 0.8;
/// The distance between neighbouring windows, in pixels of the resized image in which windows are tested.
const STEP: usize = 4;
/// The overlap (intersection over union) above which two candidates are merged: `MERGE_BETWEEN_STAGES`
/// applies between two stages, `MERGE_FINALLY` after the last stage.
const MERGE_BETWEEN_STAGES: f32 = 0.8;
const MERGE_FINALLY: f32 = 0.3;
/// The maximum number of candidates that the later stages test. Only the candidates with the highest scores
/// are kept, to limit the computing time. Usual photographs have fewer candidates than this maximum.
const N_CANDIDATES_MAX: usize = 4_000;

/// A square that may contain a face, in pixels of the image. The square may extend beyond the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) side: u32,
    /// The confidence that the square contains a face, as a number without a unit. When candidates are
    /// merged, their scores are added.
    pub(super) score: f32,
}

/// Runs all levels of the cascade, and returns the candidates that passed the last level. Both sides of the
/// image must be at least [`WINDOW`] pixels long.
pub(super) fn run(image: &GrayImage, model: &Model, patches: &[Patch]) -> Vec<Candidate> {
    let mut candidates: Vec<Vec<Candidate>> = scan_windows(image, model)
        .into_iter()
        .map(|candidates| merge_overlapping(candidates, MERGE_BETWEEN_STAGES))
        .collect();
    for (i, level) in model.levels.iter().enumerate() {
        let is_last = i + 1 == model.levels.len();
        let of_branch = |branch: &Branch| {
            let candidates =
                branch.sources.iter().filter_map(|&source| candidates.get(source)).flatten().copied();
            run_branch(branch, candidates.collect(), image, patches, is_last)
        };
        candidates = level.iter().map(of_branch).collect();
    }
    candidates.into_iter().next().unwrap_or_default()
}

/// Tests all windows with each classifier of the first level. The image is searched at its own size and at
/// smaller sizes, as long as a window fits.
fn scan_windows(image: &GrayImage, model: &Model) -> Vec<Vec<Candidate>> {
    let mut candidates = vec![Vec::new(); model.first_level.len()];
    let mut scale = 1.0_f32;
    loop {
        let side = |side: usize| (side as f32 * scale) as usize;
        let (width, height) = (side(image.width), side(image.height));
        if width.min(height) < WINDOW {
            return candidates;
        }
        let map = FeatureMap::new(&image.resized(width, height));
        for y in (0..=height - WINDOW).step_by(STEP) {
            for x in (0..=width - WINDOW).step_by(STEP) {
                for (classifier, candidates) in model.first_level.iter().zip(&mut candidates) {
                    let Some(score) = map.score(classifier, x, y) else { continue };
                    let full = |at: usize| (at as f32 / scale + 0.5) as i32;
                    candidates.push(Candidate { x: full(x), y: full(y), side: full(WINDOW) as u32, score });
                }
            }
        }
        scale *= SHRINK;
    }
}

/// Runs all stages of a branch of the cascade, and returns the candidates that passed all of these stages.
fn run_branch(
    branch: &Branch,
    mut candidates: Vec<Candidate>,
    image: &GrayImage,
    patches: &[Patch],
    is_last: bool,
) -> Vec<Candidate> {
    for (i, stage) in branch.stages.iter().enumerate() {
        let passed =
            candidates.into_iter().filter_map(|candidate| run_stage(stage, candidate, image, patches));
        candidates = passed.collect();
        if i + 1 < branch.stages.len() {
            candidates = merge_overlapping(candidates, MERGE_BETWEEN_STAGES);
        } else if is_last {
            candidates = merge_overlapping(candidates, MERGE_FINALLY);
        }
    }
    candidates
}

/// Runs one stage on a candidate. Returns the candidate, moved and resized to the face that the stage found.
/// Returns `None` if the stage found no face, or if the candidate is outside of the image.
fn run_stage(
    stage: &Perceptron,
    candidate: Candidate,
    image: &GrayImage,
    patches: &[Patch],
) -> Option<Candidate> {
    let Candidate { x, y, side, .. } = candidate;
    let inside = |at: i32, bound: usize| {
        i64::from(at) + i64::from(side) > 0 && usize::try_from(at.max(0)).is_ok_and(|at| at < bound)
    };
    let longest = image.width.max(image.height) as u32;
    if !(2..=2 * longest).contains(&side) || !inside(x, image.width) || !inside(y, image.height) {
        return None;
    }
    let detection = stage.evaluate(&Gradients::new(&image.window(x, y, side)), patches)?;
    let old = side as f32;
    let new = (detection.size * old + 0.5).floor();
    let move_by = |at: i32, by: f32| (by * old + at as f32 + (old - new) * 0.5 + 0.5).floor() as i32;
    Some(Candidate {
        x: move_by(x, detection.x),
        y: move_by(y, detection.y),
        side: new as u32,
        score: detection.score,
    })
}

/// Merges candidates that overlap. Of each group of overlapping candidates, the candidate with the highest
/// score is kept, and its score becomes the sum of the scores in the group.
fn merge_overlapping(mut candidates: Vec<Candidate>, min_overlap: f32) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(N_CANDIDATES_MAX);
    let mut kept = Vec::new();
    while let Some((&first, rest)) = candidates.split_first() {
        let (others, distinct): (Vec<_>, Vec<_>) =
            rest.iter().partition(|other| overlap(first, **other) > min_overlap);
        let score = others.iter().fold(first.score, |sum, other: &Candidate| sum + other.score);
        kept.push(Candidate { score, ..first });
        candidates = distinct;
    }
    kept
}

/// Intersection over union of two squares.
fn overlap(a: Candidate, b: Candidate) -> f32 {
    let end = |at: i32, side: u32| i64::from(at) + i64::from(side);
    let shared = |a_at: i32, b_at: i32| {
        (end(a_at, a.side).min(end(b_at, b.side)) - i64::from(a_at.max(b_at))).max(0) as f32
    };
    let intersection = shared(a.x, b.x) * shared(a.y, b.y);
    let area = |side: u32| (u64::from(side) * u64::from(side)) as f32;
    let union = area(a.side) + area(b.side) - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}
