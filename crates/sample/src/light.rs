//! The colours of the landscape. The painting functions compute linear light; then a tone curve and film
//! grain are applied.

use std::ops::{Add, Mul};

use super::noise::{hash, lerp};

/// A colour as linear red, green and blue. The value 1 is white; larger values are brighter than a pixel can
/// show.
#[derive(Clone, Copy)]
pub(super) struct Light(pub(super) [f32; 3]);

impl Light {
    /// Interpolates linearly between two colours.
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        Self(std::array::from_fn(|i| lerp(self.0[i], other.0[i], t)))
    }

    /// Converts linear light to a pixel. A tone curve darkens shadows and compresses highlights, as film
    /// does. Then a gamma of 2 is applied, because this gamma is close to the curve of sRGB and needs only a
    /// square root.
    pub(super) fn to_pixel(self) -> [u8; 3] {
        // The array has four elements, so that all square roots and divisions of a pixel are one vector
        // instruction each.
        let [r, g, b] = self.0;
        let encoded = [r, g, b, 0.0].map(|x| {
            let x = x.max(0.0);
            ((x * x * (1.12 + x * 0.15) / ((x + 0.035) * (1.0 + x * 0.85))).sqrt() * 255.0 + 0.5).min(255.0)
        });
        [encoded[0] as u8, encoded[1] as u8, encoded[2] as u8]
    }
}

impl Add for Light {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Mul<f32> for Light {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        Self(self.0.map(|x| x * factor))
    }
}

/// Adds film grain to a row of pixels. The grain is mostly luma noise and strongest in the middle tones. The
/// noise differs for each pixel and each seed.
pub(super) fn grain(row: &mut [u8], row_index: u32, seed: u64) {
    let mut state = hash(seed ^ (u64::from(row_index) << 32));
    for pixel in row.as_chunks_mut::<3>().0 {
        // The random generator is xorshift64, because a hash for every pixel would take more time than all
        // other work of the loop.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The sum of two uniformly distributed bytes is close enough to the normal distribution of real
        // grain.
        let luma = (state & 0xff) as i32 + ((state >> 8) & 0xff) as i32 - 255;
        let tint = [16, 24, 32].map(|shift| ((state >> shift) & 0x7f) as i32 - 63);
        for (channel, tint) in pixel.iter_mut().zip(tint) {
            let tone = i32::from(*channel);
            let strength = 90 + (tone * (255 - tone)) / 120;
            let noise = ((luma + tint) * strength) >> 14;
            *channel = (tone + noise).clamp(0, 255) as u8;
        }
    }
}
