//! Colours of the made-up picture: linear light while it is painted, the camera's curve and grain at the end.

use std::ops::{Add, Mul};

use super::noise::{hash, lerp};

/// Linear red, green and blue; 1 is white, more is brighter than the picture can show.
#[derive(Clone, Copy)]
pub(super) struct Light(pub(super) [f32; 3]);

impl Light {
    /// A colour between two.
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        Self(std::array::from_fn(|i| lerp(self.0[i], other.0[i], t)))
    }

    /// The pixel: shadows deepened and highlights rolled off as film does, then a gamma of 2, the nearest to
    /// sRGB's curve that is a square root.
    pub(super) fn to_pixel(self) -> [u8; 3] {
        // Four lanes, so that the roots and quotients of a pixel are one instruction each.
        let [r, g, b] = self.0;
        let shown = [r, g, b, 0.0].map(|x| {
            let x = x.max(0.0);
            ((x * x * (1.12 + x * 0.15) / ((x + 0.035) * (1.0 + x * 0.85))).sqrt() * 255.0 + 0.5).min(255.0)
        });
        [shown[0] as u8, shown[1] as u8, shown[2] as u8]
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

/// Lays film grain over a row: mostly luma, strongest in the middle tones, and different for every pixel of a
/// seed.
pub(super) fn grain(row: &mut [u8], row_index: u32, seed: u64) {
    let mut state = hash(seed ^ (u64::from(row_index) << 32));
    for pixel in row.as_chunks_mut::<3>().0 {
        // xorshift64: a hash for every pixel would cost more than the rest of the loop.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The sum of two uniform bytes is close enough to the bell curve of real grain.
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
