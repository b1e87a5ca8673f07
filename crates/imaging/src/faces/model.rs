//! The trained model of the face detector: a cascade of classifiers, read once from a built-in file.
//!
//! `seeta_fd_frontal_v1.0.bin` is the model of the SeetaFace engine (BSD-2-Clause, see `LICENSE-seetaface`).
//! The numbers in the file are little-endian. The file contains levels, and each level contains branches. A
//! branch has a list of stages: boosted classifiers in the first level, perceptrons in later levels. A branch
//! also has a list of branches of the previous level; it tests only the candidates that passed one of these
//! branches.

/// The content of the model file.
const BYTES: &[u8] = include_bytes!("seeta_fd_frontal_v1.0.bin");

/// All classifiers of the model. The classifiers of the first level test every window. A branch of a later
/// level tests the candidates that passed certain branches of the previous level.
pub(super) struct Model {
    pub(super) first_level: Vec<BoostedClassifier>,
    pub(super) levels: Vec<Vec<Branch>>,
}

/// A branch of the cascade in the second level or a later level.
pub(super) struct Branch {
    pub(super) stages: Vec<Perceptron>,
    /// The indices of branches of the previous level. This branch tests the candidates that passed one of
    /// these branches.
    pub(super) sources: Vec<usize>,
}

/// A boosted classifier, which adds up the weights of its features. It rejects a window as soon as the sum is
/// too low.
pub(super) struct BoostedClassifier {
    pub(super) features: Vec<Feature>,
}

/// One feature of a classifier: a position in the window, and a weight for each of the 256 values of the
/// locally assembled binary (LAB) feature at this position.
pub(super) struct Feature {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) weights: Vec<f32>,
    /// The smallest allowed sum of the weights up to and including this feature. A window with a lower sum is
    /// rejected.
    pub(super) threshold: f32,
}

/// A small neural network whose inputs are gradient features.
pub(super) struct Perceptron {
    /// Indices of the patches whose features are the inputs.
    pub(super) patches: Vec<usize>,
    pub(super) threshold: f32,
    /// The layers in the order of evaluation. The activation function of the last layer is the sigmoid, that
    /// of all other layers is the rectifier.
    pub(super) layers: Vec<Layer>,
}

/// The weights of one layer, ordered by output, then by input.
pub(super) struct Layer {
    pub(super) n_inputs: usize,
    pub(super) weights: Vec<f32>,
    pub(super) biases: Vec<f32>,
}

const BOOSTED: i32 = 0;
const PERCEPTRON: i32 = 1;

impl Model {
    /// Reads the model file that is compiled into the program. `None` if the file is invalid. A test checks
    /// that the file is valid.
    pub(super) fn built_in() -> Option<Self> {
        let mut reader = Reader(BYTES);
        let n_levels = reader.count()?;
        let (mut first_level, mut levels) = (Vec::new(), Vec::new());
        for level in 0..n_levels {
            let mut branches = Vec::new();
            for _ in 0..reader.count()? {
                let mut stages = Vec::new();
                for _ in 0..reader.count()? {
                    match (level, reader.int()?) {
                        (0, BOOSTED) => first_level.push(reader.boosted()?),
                        (1.., PERCEPTRON) => stages.push(reader.perceptron()?),
                        _ => return None,
                    }
                }
                // For a branch without sources, the file can contain a negative number of sources.
                let n_sources = reader.int()?.max(0);
                let sources = (0..n_sources).map(|_| reader.count()).collect::<Option<_>>()?;
                branches.push(Branch { stages, sources });
            }
            if level > 0 {
                levels.push(branches);
            }
        }
        reader.0.is_empty().then_some(Self { first_level, levels })
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

    fn boosted(&mut self) -> Option<BoostedClassifier> {
        let (n_features, n_bins) = (self.count()?, self.count()?);
        let places: Vec<(usize, usize)> =
            (0..n_features).map(|_| Some((self.count()?, self.count()?))).collect::<Option<_>>()?;
        let thresholds = self.floats(n_features)?;
        let features = places
            .into_iter()
            .zip(thresholds)
            .map(|((x, y), threshold)| Some(Feature { x, y, weights: self.floats(n_bins + 1)?, threshold }));
        Some(BoostedClassifier { features: features.collect::<Option<_>>()? })
    }

    fn perceptron(&mut self) -> Option<Perceptron> {
        let (n_layers, n_patches) = (self.count()?, self.count()?);
        // The file numbers the patches from 1, not from 0.
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
