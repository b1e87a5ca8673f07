//! Gradient noise, and sums of gradient noise over several octaves. The code uses only additions,
//! multiplications and square roots, so that the picture is bit-identical on every machine.

/// The side length of the table of gradients. With 256, an index wraps by a bit mask, from which the compiler
/// can derive that the index is within bounds.
const SIDE: usize = 256;

/// A smooth random function over the plane with values from about −1 to 1. It repeats after [`SIDE`] units.
pub(super) struct Noise {
    gradients: Box<[[f32; 2]; SIDE * SIDE]>,
}

impl Noise {
    /// Creates noise from a seed. Another seed gives other noise.
    pub(super) fn new(seed: u64) -> Self {
        let mut gradients = Box::new([[0.0; 2]; SIDE * SIDE]);
        for (i, gradient) in gradients.iter_mut().enumerate() {
            let bits = hash(seed ^ ((i as u64) << 20));
            *gradient = [unit(bits as u32) * 2.0 - 1.0, unit((bits >> 32) as u32) * 2.0 - 1.0];
        }
        Self { gradients }
    }

    /// Returns the value of the noise at a point.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (column, row) = (floor(x), floor(y));
        let (fx, fy) = (x - column as f32, y - row as f32);
        let slope = |dx: i32, dy: i32| {
            let index = (((row + dy) as u8 as usize) << 8) | (column + dx) as u8 as usize;
            let [gx, gy] = self.gradients[index];
            gx * (fx - dx as f32) + gy * (fy - dy as f32)
        };
        let (sx, sy) = (fade(fx), fade(fy));
        let upper = lerp(slope(0, 0), slope(1, 0), sx);
        let lower = lerp(slope(0, 1), slope(1, 1), sx);
        lerp(upper, lower, sy) * 1.4
    }

    /// Returns the sum of several octaves of noise, for clouds and water. Each octave has half the amplitude
    /// and about twice the frequency of the previous octave.
    pub(super) fn fractal(&self, mut x: f32, mut y: f32, n_octaves: u32) -> f32 {
        let (mut sum, mut strength) = (0.0, 0.5);
        for _ in 0..n_octaves {
            sum += strength * self.at(x, y);
            strength *= 0.5;
            (x, y) = turned(x, y);
        }
        sum
    }

    /// Returns the sum of several octaves of noise with sharp ridges, for rock. Fine octaves contribute only
    /// where coarse octaves are high. The values are from about 0 to 1.
    pub(super) fn ridged(&self, mut x: f32, mut y: f32, n_octaves: u32) -> f32 {
        let (mut sum, mut strength, mut weight) = (0.0, 0.5, 1.0);
        for _ in 0..n_octaves {
            let crest = 1.0 - self.at(x, y).abs();
            let crest = crest * crest * weight;
            weight = (crest * 1.7).clamp(0.0, 1.0);
            sum += strength * crest;
            strength *= 0.5;
            (x, y) = turned(x, y);
        }
        sum
    }
}

/// Two smooth functions along a row of pixels. The values are computed at every `step`th column and
/// interpolated for the columns between.
pub(super) struct Coarse {
    nodes: Vec<[f32; 2]>,
    step: usize,
}

impl Coarse {
    /// Computes the values at every `step`th of `n_columns` columns by calling `value`.
    pub(super) fn new(n_columns: usize, step: usize, value: impl FnMut(usize) -> [f32; 2]) -> Self {
        Self { nodes: (0..n_columns + step).step_by(step).map(value).collect(), step }
    }

    /// Returns the two values at a column.
    pub(super) fn at(&self, column: usize) -> [f32; 2] {
        let (left, rest) = (column / self.step, column % self.step);
        let [a, b] = self.nodes[left];
        if rest == 0 {
            return [a, b];
        }
        let [next_a, next_b] = self.nodes[left + 1];
        let t = rest as f32 / self.step as f32;
        [lerp(a, next_a, t), lerp(b, next_b, t)]
    }
}

/// Returns the coordinates at which the next octave is evaluated: the coordinates are multiplied by two,
/// which doubles the frequency, rotated by about 37° and shifted, so that the grid lines of the octaves do
/// not coincide.
fn turned(x: f32, y: f32) -> (f32, f32) {
    (1.6 * x - 1.2 * y + 17.3, 1.2 * x + 1.6 * y + 5.7)
}

/// Interpolates linearly from `a` to `b`.
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Returns a smooth transition from 0 to 1: 0 below `from`, 1 above `to`.
pub(super) fn smoothstep(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) * (1.0 / (to - from))).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Hashes a number with the finaliser of SplitMix64.
pub(super) fn hash(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Converts 32 random bits to a number from 0 (inclusive) to 1 (exclusive).
pub(super) fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 / (1 << 24) as f32
}

/// The fade curve of gradient noise, with zero slope at 0 and 1.
fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// Computes `f32::floor` as an integer. `f32::floor` itself is a slow function call on processors without SSE
/// 4.1.
fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    towards_zero - i32::from(x < towards_zero as f32)
}
