//! The fast classifiers of the face detector, and the features from which they compute a score: locally
//! assembled binary (LAB) features, computed once for every position of an image. The method is described in
//! Yan, Shan, Chen and Gao, "Locally Assembled Binary (LAB) Feature with Feature-centric Cascade for Fast and
//! Accurate Face Detection", CVPR 2008.

use super::WINDOW;
use super::gray_image::GrayImage;
use super::model::BoostedClassifier;

/// The side length of a block, in pixels. A feature compares the brightness of nine blocks in three rows of
/// three.
const BLOCK: usize = 3;
/// The number of features after which the score of a window is compared with a threshold again.
const CHECK_INTERVAL: usize = 10;
/// The minimum contrast of a window, measured as the standard deviation of its pixel values. A window with
/// less contrast is rejected.
const DEVIATION_MIN: f64 = 10.0;

/// The data of every position of an image: the feature whose group of nine blocks has its upper left corner
/// at the position, and the sums from which the contrast of a window is computed.
pub(super) struct FeatureMap {
    width: usize,
    patterns: Vec<u8>,
    /// For each position, the sum of the values of all pixels above and to the left of the position, and the
    /// sum of the squares of these values. The row and the column of the position itself are not included.
    /// Each row has `width + 1` entries.
    sums: Vec<[u64; 2]>,
}

impl FeatureMap {
    /// Computes the features of an image. Both sides of the image must be at least [`WINDOW`] pixels long.
    pub(super) fn new(image: &GrayImage) -> Self {
        Self { width: image.width, patterns: patterns(image), sums: sums(image) }
    }

    /// The score of the window with its upper left corner at `x`, `y`. `None` if the classifier rejects the
    /// window or if its contrast is too low.
    pub(super) fn score(&self, classifier: &BoostedClassifier, x: usize, y: usize) -> Option<f32> {
        let start = y * self.width + x;
        let mut score = 0.0;
        for group in classifier.features.chunks(CHECK_INTERVAL) {
            for feature in group {
                let pattern = self.patterns[start + feature.y * self.width + feature.x];
                score += feature.weights[usize::from(pattern)];
            }
            if score < group[group.len() - 1].threshold {
                return None;
            }
        }
        (self.deviation(x, y) > DEVIATION_MIN).then_some(score)
    }

    fn deviation(&self, x: usize, y: usize) -> f64 {
        let at = |x: usize, y: usize| self.sums[y * (self.width + 1) + x];
        let corners = [at(x + WINDOW, y + WINDOW), at(x, y), at(x + WINDOW, y), at(x, y + WINDOW)];
        let mean = |i: usize| {
            let [a, b, c, d] = corners.map(|sums| sums[i]);
            (a + b - c - d) as f64 / (WINDOW * WINDOW) as f64
        };
        (mean(1) - mean(0) * mean(0)).max(0.0).sqrt()
    }
}

/// The feature of each position, with one bit for each of the eight outer blocks. A bit is set if the middle
/// block is at least as bright as the outer block. At positions where the nine blocks would extend beyond the
/// image, the feature stays 0; no window uses these positions.
fn patterns(image: &GrayImage) -> Vec<u8> {
    let width = image.width;
    let blocks = block_sums(image);
    let mut patterns = vec![0; blocks.len()];
    let around = [0, 1, 2, 2 + width, 2 + 2 * width, 1 + 2 * width, 2 * width, width];
    let bits = [0x80, 0x40, 0x20, 0x08, 0x01, 0x02, 0x04, 0x10];
    for y in 0..=image.height - 3 * BLOCK {
        for x in 0..=width - 3 * BLOCK {
            let start = y * width + x;
            let middle = blocks[start + BLOCK * (width + 1)];
            let set = around.iter().zip(bits).filter(|&(&step, _)| middle >= blocks[start + BLOCK * step]);
            patterns[start] = set.fold(0, |pattern, (_, bit)| pattern | bit);
        }
    }
    patterns
}

/// For each position, the sum of the values of the block whose upper left corner is at the position.
/// Positions at which the block would extend beyond the image have no valid sum.
fn block_sums(image: &GrayImage) -> Vec<u16> {
    let width = image.width;
    let mut rows = vec![0; image.data.len()];
    for (row, values) in rows.chunks_exact_mut(width).zip(image.data.chunks_exact(width)) {
        for (sum, three) in row.iter_mut().zip(values.windows(BLOCK)) {
            *sum = three.iter().map(|&value| u16::from(value)).sum();
        }
    }
    let mut blocks = vec![0; rows.len()];
    for y in 0..=image.height - BLOCK {
        for x in 0..width {
            let at = y * width + x;
            blocks[at] = rows[at] + rows[at + width] + rows[at + 2 * width];
        }
    }
    blocks
}

/// The integral sums of the pixel values and of their squares, in the layout of the field `sums` of
/// [`FeatureMap`].
fn sums(image: &GrayImage) -> Vec<[u64; 2]> {
    let stride = image.width + 1;
    let mut sums = vec![[0; 2]; stride * (image.height + 1)];
    for (y, values) in image.data.chunks_exact(image.width).enumerate() {
        let mut row = [0; 2];
        for (x, &value) in values.iter().enumerate() {
            let value = u64::from(value);
            row = [row[0] + value, row[1] + value * value];
            let above = sums[y * stride + x + 1];
            sums[(y + 1) * stride + x + 1] = [above[0] + row[0], above[1] + row[1]];
        }
    }
    sums
}
