//! The trained model: a cascade of classifiers, read once from the file that is built in.
//!
//! `seeta_fd_frontal_v1.0.bin` is that of the SeetaFace engine (BSD-2-Clause, see `LICENSE-seetaface`). Little-endian:
//! levels of branches of stages, each of one of two kinds, then where a branch takes its candidates from.

/// The file.
const BYTES: &[u8] = include_bytes!("seeta_fd_frontal_v1.0.bin");

/// The whole cascade. The branches of the first level look at every window, those of a later one at what the branches
/// they name have left.
pub(super) struct Model {
    pub(super) finders: Vec<Boosted>,
    pub(super) levels: Vec<Vec<Branch>>,
}

/// One branch of a later level.
pub(super) struct Branch {
    pub(super) stages: Vec<Perceptron>,
    /// Branches of the level before.
    pub(super) sources: Vec<usize>,
}

/// A sum of weights by features of single places, given up as soon as it is too low.
pub(super) struct Boosted {
    pub(super) features: Vec<Feature>,
}

/// A place in the window and what each of its 256 patterns counts.
pub(super) struct Feature {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) weights: Vec<f32>,
    /// What the sum must have reached by now.
    pub(super) threshold: f32,
}

/// A small neural network over gradient features.
pub(super) struct Perceptron {
    /// Numbers of patches.
    pub(super) patches: Vec<usize>,
    pub(super) threshold: f32,
    /// The last one ends in a sigmoid, the others in a ramp.
    pub(super) layers: Vec<Layer>,
}

/// Weights by output, then input.
pub(super) struct Layer {
    pub(super) n_inputs: usize,
    pub(super) weights: Vec<f32>,
    pub(super) biases: Vec<f32>,
}

const BOOSTED: i32 = 0;
const PERCEPTRON: i32 = 1;

impl Model {
    /// Reads the built-in file; `None` when it is not what it should be, which a test rules out.
    pub(super) fn built_in() -> Option<Self> {
        let mut reader = Reader(BYTES);
        let n_levels = reader.count()?;
        let (mut finders, mut levels) = (Vec::new(), Vec::new());
        for level in 0..n_levels {
            let mut branches = Vec::new();
            for _ in 0..reader.count()? {
                let mut stages = Vec::new();
                for _ in 0..reader.count()? {
                    match (level, reader.int()?) {
                        (0, BOOSTED) => finders.push(reader.boosted()?),
                        (1.., PERCEPTRON) => stages.push(reader.perceptron()?),
                        _ => return None,
                    }
                }
                // Negative where there is none.
                let n_sources = reader.int()?.max(0);
                let sources = (0..n_sources).map(|_| reader.count()).collect::<Option<_>>()?;
                branches.push(Branch { stages, sources });
            }
            if level > 0 {
                levels.push(branches);
            }
        }
        reader.0.is_empty().then_some(Self { finders, levels })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<[u8; 4]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn int(&mut self) -> Option<i32> {
        self.word().map(i32::from_le_bytes)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.int()?).ok()
    }

    fn float(&mut self) -> Option<f32> {
        self.word().map(f32::from_le_bytes)
    }

    fn floats(&mut self, n: usize) -> Option<Vec<f32>> {
        (0..n).map(|_| self.float()).collect()
    }

    fn boosted(&mut self) -> Option<Boosted> {
        let (n_features, n_bins) = (self.count()?, self.count()?);
        let places: Vec<(usize, usize)> =
            (0..n_features).map(|_| Some((self.count()?, self.count()?))).collect::<Option<_>>()?;
        let thresholds = self.floats(n_features)?;
        let features = places
            .into_iter()
            .zip(thresholds)
            .map(|((x, y), threshold)| Some(Feature { x, y, weights: self.floats(n_bins + 1)?, threshold }));
        Some(Boosted { features: features.collect::<Option<_>>()? })
    }

    fn perceptron(&mut self) -> Option<Perceptron> {
        let (n_layers, n_patches) = (self.count()?, self.count()?);
        // Counted from 1 in the file.
        let patches = (0..n_patches).map(|_| self.count()?.checked_sub(1)).collect::<Option<_>>()?;
        let threshold = self.float()?;
        let mut n_inputs = self.count()?;
        let mut layers = Vec::new();
        for _ in 1..n_layers {
            let n_outputs = self.count()?;
            let weights = self.floats(n_inputs * n_outputs)?;
            layers.push(Layer { n_inputs, weights, biases: self.floats(n_outputs)? });
            n_inputs = n_outputs;
        }
        Some(Perceptron { patches, threshold, layers })
    }
}
