//! A change of colour that looks at one pixel at a time, in one pass: a curve for each channel, then a 3×3 matrix, then
//! vibrance. Everything is multiplied out into tables first, and rounded once, at the end.

use super::channels::promote;
use crate::{Channels, Image, Scratch};

/// The weights of luma, Rec. ITU-R BT.709, to the three places that the W3C's Filter Effects Module uses.
pub(super) const LUMA: [f32; 3] = [0.213, 0.715, 0.072];

/// A 3×3 matrix: `out[i] = Σ m[i][j] · in[j]`.
pub(super) type Matrix = [[f32; 3]; 3];

const UNIT: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Fractional bits of the sums.
const FRACTION: u32 = 16;

/// What each value of a channel adds to the three channels of the result (the fourth lane is padding).
type Contributions = [[i32; 4]; 256];

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ColorMap {
    /// What each of the 256 values becomes, 0–1, not yet rounded.
    curves: [[f32; 256]; 3],
    matrix: Matrix,
    vibrance: f32,
}

impl ColorMap {
    /// Leaves every pixel as it is.
    pub(super) fn identity() -> Self {
        let ramp = std::array::from_fn(|value| value as f32 / 255.0);
        Self { curves: [ramp; 3], matrix: UNIT, vibrance: 0.0 }
    }

    /// Follows the curves so far with another one, from 0–1 to 0–1 (clamped).
    pub(super) fn curve(&mut self, curve: impl Fn(f32) -> f32) {
        self.curve_by_channel(|_, value| curve(value));
    }

    /// As [`Self::curve`], but for each channel its own.
    pub(super) fn curve_by_channel(&mut self, curve: impl Fn(usize, f32) -> f32) {
        for (channel, values) in self.curves.iter_mut().enumerate() {
            for value in values {
                *value = curve(channel, *value).clamp(0.0, 1.0);
            }
        }
    }

    /// Follows the matrix so far with another one.
    pub(super) fn matrix(&mut self, next: Matrix) {
        let old = self.matrix;
        self.matrix =
            next.map(|row| std::array::from_fn(|j| row.iter().zip(&old).map(|(m, old)| m * old[j]).sum()));
    }

    /// Moves each pixel away from its gray, the more the less saturated it is; see `adjust`.
    pub(super) fn vibrance(&mut self, strength: f32) {
        self.vibrance = strength;
    }

    /// Changes every pixel. Alpha stays; a gray picture stays gray unless the map makes colour out of gray.
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

    /// The cheapest loop that does it, over pixels of `N` bytes.
    fn apply_to<const N: usize>(&self, data: &mut [u8]) {
        let pixels = data.as_chunks_mut::<N>().0;
        if self.matrix == UNIT && self.vibrance == 0.0 {
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
            let saturation = (r.max(g).max(b) - r.min(g).min(b)) / 255.0;
            let factor = 1.0 + self.vibrance * (1.0 - saturation);
            for (value, channel) in pixel.iter_mut().zip([r, g, b]) {
                *value = (luma + (channel - luma) * factor + 0.5) as u8;
            }
        }
    }

    /// Whether equal channels stay equal.
    fn keeps_gray(&self) -> bool {
        let sums = self.matrix.map(|row| row.iter().sum::<f32>());
        self.curves[0] == self.curves[1]
            && self.curves[0] == self.curves[2]
            && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4)
    }

    /// The curves alone, rounded.
    fn tables(&self) -> [[u8; 256]; 3] {
        self.curves.map(|curve| curve.map(|value| (value * 255.0 + 0.5) as u8))
    }

    /// Curves and matrix multiplied out, in fixed point, with the half that rounds already added.
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

/// A step from one matrix to another: `amount` 0 gives `from`, 1 gives `to`.
pub(super) fn mix(from: Matrix, to: Matrix, amount: f32) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| from[i][j] + (to[i][j] - from[i][j]) * amount))
}

/// From the unit matrix towards `to`.
pub(super) fn towards(to: Matrix, amount: f32) -> Matrix {
    mix(UNIT, to, amount)
}

/// `saturate` of the W3C's Filter Effects Module: `factor` 0 is the luma alone, 1 the identity.
pub(super) fn saturate(factor: f32) -> Matrix {
    mix([LUMA; 3], UNIT, factor)
}

/// `hueRotate` of the W3C's Filter Effects Module.
pub(super) fn rotate_hue(degrees: f32) -> Matrix {
    let (sin, cos) = degrees.to_radians().sin_cos();
    const COS: Matrix = [[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]];
    const SIN: Matrix = [[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]];
    std::array::from_fn(|i| std::array::from_fn(|j| LUMA[j] + cos * COS[i][j] + sin * SIN[i][j]))
}
