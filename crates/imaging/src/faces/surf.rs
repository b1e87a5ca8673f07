//! The later stages of the face detector: small neural networks, whose inputs are sums of gradients in
//! patches (rectangles) of the detection window. The sums resemble the image features SURF (Bay, Ess,
//! Tuytelaars and Van Gool, 2008; Li and Zhang, "Learning SURF Cascade for Fast and Accurate Object
//! Detection", CVPR 2013).

use super::WINDOW;
use super::model::{Layer, Perceptron};

/// The number of sums for each cell of a patch. Four quantities are summed: the horizontal gradient `dx`, its
/// magnitude, the vertical gradient `dy` and its magnitude. Each quantity has two sums: the sums of `dx` and
/// its magnitude distinguish pixels with `dy < 0` and `dy ≥ 0`, and the sums of `dy` and its magnitude
/// distinguish pixels with `dx < 0` and `dx ≥ 0`.
const N_SUMS: usize = 8;
/// Number of features of a patch, which has two rows of two cells.
const N_FEATURES: usize = 4 * N_SUMS;
/// The smallest side length of a patch (`PATCH_MIN`), and the distance between neighbouring patches of the
/// same size (`PATCH_STEP`), in pixels.
const PATCH_MIN: usize = 16;
const PATCH_STEP: usize = 16;
/// The shapes of patches, as ratios of width to height.
const SHAPES: [(usize, usize); 5] = [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2)];

/// A rectangle in the detection window, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Returns all patches. The model refers to a patch by its index in this list.
pub(super) fn patches() -> Vec<Patch> {
    let mut patches = Vec::new();
    for (across, down) in SHAPES {
        for height in (PATCH_MIN..=WINDOW).step_by(2).filter(|height| height % down == 0) {
            let width = height / down * across;
            if width % 2 != 0 || !(PATCH_MIN..=WINDOW).contains(&width) {
                continue;
            }
            for y in (0..=WINDOW - height).step_by(PATCH_STEP) {
                for x in (0..=WINDOW - width).step_by(PATCH_STEP) {
                    patches.push(Patch { x, y, width, height });
                }
            }
        }
    }
    patches
}

/// The integral image of the gradients of one window: for each position, the sums over all pixels above and
/// to the left of the position. The row and the column of the position itself are not included.
pub(super) struct Gradients {
    sums: Vec<[i32; N_SUMS]>,
}

const STRIDE: usize = WINDOW + 1;

impl Gradients {
    pub(super) fn new(window: &[u8; WINDOW * WINDOW]) -> Self {
        let mut sums = vec![[0; N_SUMS]; STRIDE * STRIDE];
        for y in 0..WINDOW {
            let mut row = [0; N_SUMS];
            for x in 0..WINDOW {
                let value = |x: usize, y: usize| i32::from(window[y * WINDOW + x]);
                let dx = doubled_slope(x, |x| value(x, y));
                let dy = doubled_slope(y, |y| value(x, y));
                let (up, left) = (if dy < 0 { 2 } else { 0 }, if dx < 0 { 6 } else { 4 });
                row[up] += dx;
                row[up + 1] += dx.abs();
                row[left] += dy;
                row[left + 1] += dy.abs();
                let above = sums[y * STRIDE + x + 1];
                let here = &mut sums[(y + 1) * STRIDE + x + 1];
                for ((here, row), above) in here.iter_mut().zip(row).zip(above) {
                    *here = row + above;
                }
            }
        }
        Self { sums }
    }

    /// The sums of the four cells of a patch, divided by their Euclidean norm.
    fn features(&self, patch: Patch) -> [f32; N_FEATURES] {
        let (width, height) = (patch.width / 2, patch.height / 2);
        let mut features = [0.0; N_FEATURES];
        let mut squares = 0.0;
        for (cell, features) in features.chunks_exact_mut(N_SUMS).enumerate() {
            let (left, top) = (patch.x + cell % 2 * width, patch.y + cell / 2 * height);
            let at = |x: usize, y: usize| &self.sums[y * STRIDE + x];
            let corners = [
                at(left + width, top + height),
                at(left, top),
                at(left + width, top),
                at(left, top + height),
            ];
            for (i, feature) in features.iter_mut().enumerate() {
                let [a, b, c, d] = corners.map(|sums| sums[i]);
                let sum = f64::from(a + b - c - d);
                squares += sum * sum;
                *feature = sum as f32;
            }
        }
        if squares > 0.0 {
            let length = squares.sqrt() as f32;
            features.iter_mut().for_each(|feature| *feature /= length);
        }
        features
    }
}

/// Twice the slope of the values at a position: the difference between the values of both neighbours. At an
/// edge, the result is twice the difference between the value at the position and that of the only neighbour.
fn doubled_slope(at: usize, value: impl Fn(usize) -> i32) -> i32 {
    match at {
        0 => 2 * (value(1) - value(0)),
        _ if at == WINDOW - 1 => 2 * (value(at) - value(at - 1)),
        _ => value(at + 1) - value(at - 1),
    }
}

/// The outputs of a network that found a face in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detection {
    /// Confidence, 0–1.
    pub(super) score: f32,
    /// The offset of the face from the window, to the right (`x`) and down (`y`), divided by the side of the
    /// window. Both values are from −1 to 1.
    pub(super) x: f32,
    pub(super) y: f32,
    /// The side of the face, divided by the side of the window. The value is from 0 to 2.
    pub(super) size: f32,
}

impl Perceptron {
    /// Evaluates the network. `None` if the score does not exceed the threshold.
    pub(super) fn evaluate(&self, gradients: &Gradients, patches: &[Patch]) -> Option<Detection> {
        let mut values: Vec<f32> =
            self.patches.iter().flat_map(|&patch| gradients.features(patches[patch])).collect();
        let (last, hidden) = self.layers.split_last()?;
        for layer in hidden {
            values = layer.run(&values, |sum| sum.max(0.0));
        }
        let outputs = last.run(&values, |sum| 1.0 / (1.0 + (-sum).exp()));
        let &[score, x, y, size] = outputs.as_slice() else { return None };
        let detection = Detection { score, x: x * 2.0 - 1.0, y: y * 2.0 - 1.0, size: size * 2.0 };
        (score > self.threshold).then_some(detection)
    }
}

impl Layer {
    fn run(&self, inputs: &[f32], activation: impl Fn(f32) -> f32) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.n_inputs).zip(&self.biases);
        rows.map(|(weights, bias)| activation(inner_product(inputs, weights) + bias)).collect()
    }
}

/// The inner product of `a` and `b`. Eight partial sums are computed in parallel, so that the compiler
/// vectorises the loop.
fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}
