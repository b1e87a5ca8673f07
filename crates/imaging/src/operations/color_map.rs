//! A colour change in which each output pixel depends only on the input pixel at the same position: a curve
//! for each channel, then a 3×3 matrix, then vibrance. The products of curves and matrix are stored in tables
//! before the pass over the pixels. Values are rounded only once, at the end.

use super::channels::promote;
use crate::{Channels, Image, Scratch};

/// Luma weights of Rec. ITU-R BT.709, rounded to three decimals as in the W3C Filter Effects Module.
pub(super) const LUMA: [f32; 3] = [0.213, 0.715, 0.072];

/// A 3×3 matrix: `out[i] = Σ m[i][j] · in[j]`.
pub(super) type Matrix = [[f32; 3]; 3];

const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The number of fractional bits in the fixed-point sums of the products of curves and matrix.
const FRACTION: u32 = 16;

/// Table for one input channel: for each of its 256 values, the numbers to add to the three output channels.
/// The fourth number is padding, so that an entry fills a SIMD register.
type Contributions = [[i32; 4]; 256];

/// A colour change: curves, then a matrix, then vibrance.
#[derive(Debug, Clone)]
pub(super) struct ColorMap {
    /// For each channel, the curve as a table of 256 results, one for each input value. Results are from 0 to
    /// 1 and are not rounded to multiples of 1/255.
    curves: [[f32; 256]; 3],
    matrix: Matrix,
    vibrance: f32,
}

impl ColorMap {
    /// Creates a map that leaves every colour unchanged.
    pub(super) fn identity() -> Self {
        let ramp = std::array::from_fn(|value| value as f32 / 255.0);
        Self { curves: [ramp; 3], matrix: IDENTITY, vibrance: 0.0 }
    }

    /// Appends a curve after the existing curves. The argument and the result of the curve are from 0 to 1.
    /// Results outside of this range are clamped.
    pub(super) fn curve(&mut self, curve: impl Fn(f32) -> f32) {
        self.curve_by_channel(|_, value| curve(value));
    }

    /// Like [`Self::curve`], with a different curve for each channel.
    pub(super) fn curve_by_channel(&mut self, curve: impl Fn(usize, f32) -> f32) {
        for (channel, values) in self.curves.iter_mut().enumerate() {
            for value in values {
                *value = curve(channel, *value).clamp(0.0, 1.0);
            }
        }
    }

    /// Appends a matrix after the existing matrix, so that it is applied to the result of that matrix.
    pub(super) fn matrix(&mut self, next: Matrix) {
        let old = self.matrix;
        self.matrix =
            next.map(|row| std::array::from_fn(|j| row.iter().zip(&old).map(|(m, old)| m * old[j]).sum()));
    }

    /// Multiplies the difference between each channel and the luma of the pixel by `1 + strength · (1 −
    /// saturation)²`, which changes muted colours most. The saturation is the difference between the largest
    /// and the smallest channel (0–1), and `strength` is from −1 to 1.
    pub(super) fn vibrance(&mut self, strength: f32) {
        self.vibrance = strength;
    }

    /// Applies the map to every pixel. Alpha is kept. A gray image of one channel keeps its single channel,
    /// unless the map turns gray into colour.
    pub(super) fn apply(&self, image: Image, scratch: &mut Scratch) -> Image {
        let image = if self.keeps_gray() { image } else { promote(image, Channels::Rgb, scratch) };
        let mut image = image;
        match image.channels() {
            Channels::Gray => {
                let table = self.tables()[0];
                image.data_mut().iter_mut().for_each(|value| *value = table[usize::from(*value)]);
            }
            Channels::Rgb => self.apply_to::<3>(image.data_mut()),
            Channels::Rgba => self.apply_to::<4>(image.data_mut()),
        }
        image
    }

    /// Applies the map to pixels of `N` bytes. Steps that have no effect, such as an identity matrix, are
    /// left out.
    fn apply_to<const N: usize>(&self, data: &mut [u8]) {
        let pixels = data.as_chunks_mut::<N>().0;
        if self.matrix == IDENTITY && self.vibrance == 0.0 {
            let tables = self.tables();
            for pixel in pixels {
                for (value, table) in pixel.iter_mut().zip(&tables) {
                    *value = table[usize::from(*value)];
                }
            }
            return;
        }

        let [red, green, blue] = self.contributions();
        let sums = |pixel: &[u8; N]| {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(usize::from);
            let sum: [i32; 4] = std::array::from_fn(|i| red[r][i] + green[g][i] + blue[b][i]);
            sum
        };
        if self.vibrance == 0.0 {
            for pixel in pixels {
                let sum = sums(pixel);
                for (value, sum) in pixel.iter_mut().zip(&sum[..3]) {
                    *value = (sum >> FRACTION).clamp(0, 255) as u8;
                }
            }
            return;
        }
        for pixel in pixels {
            let [r, g, b, _] = sums(pixel).map(|sum| sum.clamp(0, 256 << FRACTION) as f32 / FIXED_ONE - 0.5);
            let luma = r * LUMA[0] + g * LUMA[1] + b * LUMA[2];
            let muted = 1.0 - (r.max(g).max(b) - r.min(g).min(b)) / 255.0;
            let factor = 1.0 + self.vibrance * muted * muted;
            for (value, channel) in pixel.iter_mut().zip([r, g, b]) {
                *value = (luma + (channel - luma) * factor + 0.5) as u8;
            }
        }
    }

    /// Whether the map turns every gray pixel into a gray pixel.
    fn keeps_gray(&self) -> bool {
        let sums = self.matrix.map(|row| row.iter().sum::<f32>());
        self.curves[0] == self.curves[1]
            && self.curves[0] == self.curves[2]
            && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4)
    }

    /// The results of the curves alone, without the matrix, rounded to bytes.
    fn tables(&self) -> [[u8; 256]; 3] {
        self.curves.map(|curve| curve.map(|value| (value * 255.0 + 0.5) as u8))
    }

    /// The products of curves and matrix, in fixed point. The tables of the first channel also add 0.5, so
    /// that truncation rounds the sum to the nearest integer.
    fn contributions(&self) -> [Contributions; 3] {
        std::array::from_fn(|from| {
            self.curves[from].map(|value| {
                std::array::from_fn(|to| {
                    let weight = self.matrix.get(to).map_or(0.0, |row| row[from]);
                    let half = if from == 0 { 1 << (FRACTION - 1) } else { 0 };
                    (value * 255.0 * weight * FIXED_ONE).round() as i32 + half
                })
            })
        })
    }
}

const FIXED_ONE: f32 = (1 << FRACTION) as f32;

/// Interpolates between two matrices: an `amount` of 0 gives `from`, 1 gives `to`.
fn mix(from: Matrix, to: Matrix, amount: f32) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| from[i][j] + (to[i][j] - from[i][j]) * amount))
}

/// The `saturate` matrix of the W3C Filter Effects Module: a `factor` of 0 replaces each channel by the luma,
/// and 1 is the identity.
pub(super) fn saturate(factor: f32) -> Matrix {
    mix([LUMA; 3], IDENTITY, factor)
}

/// The `hueRotate` matrix of the W3C Filter Effects Module.
pub(super) fn rotate_hue(degrees: f32) -> Matrix {
    let (sin, cos) = degrees.to_radians().sin_cos();
    const COS: Matrix = [[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]];
    const SIN: Matrix = [[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]];
    std::array::from_fn(|i| std::array::from_fn(|j| LUMA[j] + cos * COS[i][j] + sin * SIN[i][j]))
}
