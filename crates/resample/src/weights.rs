//! The weights of the source pixels along an axis.

/// A resampling kernel.
#[derive(Debug, Clone, Copy)]
pub struct KernelFunction {
    /// An even function of the distance in pixels.
    pub weight: fn(f64) -> f64,
    /// The distance in pixels from which on the function is 0.
    pub radius: f64,
}

/// The weights with which source pixels contribute to one pixel of the result along an axis. Their sum is 1.
#[derive(Debug)]
pub(crate) struct Weights {
    /// The first source pixel that contributes.
    pub(crate) first: usize,
    weights: Vec<f32>,
}

/// The weights of an axis for pairs of pixels with four values each. After an odd number of pixels, the last weight is
/// 0, so that one more pixel is read.
#[derive(Debug)]
pub(crate) struct PairWeights {
    pub(crate) first: usize,
    pub(crate) pairs: Vec<[f32; 8]>,
}

impl Weights {
    /// Computes the weights of all `to` pixels of the result. The source has `n` pixels, and the part from
    /// `start` with the length `length` becomes the result. Where the kernel extends beyond the source, the
    /// other weights are increased.
    pub(crate) fn of_axis(n: u32, start: f64, length: f64, to: u32, kernel: KernelFunction) -> Vec<Self> {
        let step = length / f64::from(to);
        let stretch = step.max(1.0);
        let reach = kernel.radius * stretch;
        let of_pixel = |index: u32| {
            let centre = start + (f64::from(index) + 0.5) * step;
            let first = (centre - reach).floor().clamp(0.0, f64::from(n - 1)) as usize;
            let end = ((centre + reach).ceil() as usize).clamp(first + 1, n as usize);
            let weight = |at: usize| (kernel.weight)((at as f64 + 0.5 - centre) / stretch);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            Self { first, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
        };
        (0..to).map(of_pixel).collect()
    }

    /// Repeats each weight for the four values of a pixel.
    pub(crate) fn in_pairs(&self) -> PairWeights {
        let of_pair = |pair: &[f32]| std::array::from_fn(|index| pair.get(index / 4).copied().unwrap_or(0.0));
        PairWeights { first: self.first, pairs: self.weights.chunks(2).map(of_pair).collect() }
    }

    /// The index after the last source pixel that contributes.
    pub(crate) fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    /// The weight of a source pixel: 0 for a pixel that does not contribute.
    pub(crate) fn at(&self, pixel: usize) -> f32 {
        pixel.checked_sub(self.first).and_then(|index| self.weights.get(index)).copied().unwrap_or(0.0)
    }
}
