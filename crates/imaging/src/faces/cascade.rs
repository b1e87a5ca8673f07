//! The cascade: every window at every size is looked at quickly, what is left of them more and more closely. The method
//! is Wu, Kan, He, Shan and Chen, "Funnel-structured cascade for multi-view face detection with alignment-awareness",
//! Neurocomputing 221, 2017; the code is ours, because no window may ever be read outside of the picture.

use super::WINDOW;
use super::gray::Gray;
use super::lab::Map;
use super::model::{Branch, Model, Perceptron};
use super::surf::{Gradients, Patch};

/// Each size is smaller than the one before by this.
const SHRINK: f32 = 0.8;
/// Windows lie as many pixels apart.
const STEP: usize = 4;
/// Overlap, as a part of the union, from which two candidates are one: on the way, and at the end.
const SAME_EARLY: f32 = 0.8;
const SAME_LATE: f32 = 0.3;
/// The surest candidates that are looked at more closely; no photograph has as many.
const N_CANDIDATES_MAX: usize = 4_000;

/// A square that may hold a face, in pixels of the picture. It may reach outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) side: u32,
    /// The larger, the surer; what was found again and again is surer.
    pub(super) score: f32,
}

/// What may be a face; both sides of the image are at least [`WINDOW`].
pub(super) fn run(image: &Gray, model: &Model, patches: &[Patch]) -> Vec<Candidate> {
    let mut found: Vec<Vec<Candidate>> =
        find(image, model).into_iter().map(|found| merged(found, SAME_EARLY)).collect();
    for (i, level) in model.levels.iter().enumerate() {
        let is_last = i + 1 == model.levels.len();
        let of_branch = |branch: &Branch| {
            let candidates = branch.sources.iter().filter_map(|&source| found.get(source)).flatten().copied();
            through(branch, candidates.collect(), image, patches, is_last)
        };
        found = level.iter().map(of_branch).collect();
    }
    found.into_iter().next().unwrap_or_default()
}

/// The windows that each finder stops at, from the picture's size down to where one window is all of it.
fn find(image: &Gray, model: &Model) -> Vec<Vec<Candidate>> {
    let mut found = vec![Vec::new(); model.finders.len()];
    let mut scale = 1.0_f32;
    loop {
        let side = |side: usize| (side as f32 * scale) as usize;
        let (width, height) = (side(image.width), side(image.height));
        if width.min(height) < WINDOW {
            return found;
        }
        let map = Map::new(&image.resized(width, height));
        for y in (0..=height - WINDOW).step_by(STEP) {
            for x in (0..=width - WINDOW).step_by(STEP) {
                for (finder, found) in model.finders.iter().zip(&mut found) {
                    let Some(score) = map.score(finder, x, y) else { continue };
                    let full = |at: usize| (at as f32 / scale + 0.5) as i32;
                    found.push(Candidate { x: full(x), y: full(y), side: full(WINDOW) as u32, score });
                }
            }
        }
        scale *= SHRINK;
    }
}

/// What is left of the candidates after all stages of a branch.
fn through(
    branch: &Branch,
    mut candidates: Vec<Candidate>,
    image: &Gray,
    patches: &[Patch],
    is_last: bool,
) -> Vec<Candidate> {
    for (i, stage) in branch.stages.iter().enumerate() {
        let looked_at = candidates.into_iter().filter_map(|candidate| look(stage, candidate, image, patches));
        candidates = looked_at.collect();
        if i + 1 < branch.stages.len() {
            candidates = merged(candidates, SAME_EARLY);
        } else if is_last {
            candidates = merged(candidates, SAME_LATE);
        }
    }
    candidates
}

/// The candidate, moved to where the face seems to be, if there seems to be one.
fn look(stage: &Perceptron, candidate: Candidate, image: &Gray, patches: &[Patch]) -> Option<Candidate> {
    let Candidate { x, y, side, .. } = candidate;
    let inside = |at: i32, bound: usize| {
        i64::from(at) + i64::from(side) > 0 && usize::try_from(at.max(0)).is_ok_and(|at| at < bound)
    };
    let longest = image.width.max(image.height) as u32;
    if !(2..=2 * longest).contains(&side) || !inside(x, image.width) || !inside(y, image.height) {
        return None;
    }
    let verdict = stage.judge(&Gradients::new(&image.window(x, y, side)), patches)?;
    let old = side as f32;
    let new = (verdict.size * old + 0.5).floor();
    let moved = |at: i32, by: f32| (by * old + at as f32 + (old - new) * 0.5 + 0.5).floor() as i32;
    Some(Candidate { x: moved(x, verdict.x), y: moved(y, verdict.y), side: new as u32, score: verdict.score })
}

/// Of candidates that overlap much the surest one, with the sum of their scores.
fn merged(mut candidates: Vec<Candidate>, same: f32) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(N_CANDIDATES_MAX);
    let mut kept = Vec::new();
    while let Some((&first, rest)) = candidates.split_first() {
        let (others, apart): (Vec<_>, Vec<_>) = rest.iter().partition(|other| overlap(first, **other) > same);
        let score = others.iter().fold(first.score, |sum, other: &Candidate| sum + other.score);
        kept.push(Candidate { score, ..first });
        candidates = apart;
    }
    kept
}

/// Intersection over union.
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
