//! A colour change that depends on the luma of the pixel: each new value is the old value times a factor plus
//! a summand. The factor and the summands, one for each channel, are read from a table by the luma.

use super::super::channels::{luma, promote};
use crate::{Channels, Image, Scratch};

/// For each luma: the summands for red, green and blue in levels, and the factor.
#[derive(Debug, Clone)]
pub(super) struct LumaMap {
    entries: [([f32; 3], f32); 256],
}

impl LumaMap {
    /// Creates a map from a function of the luma (0–255), which returns the summands in levels and the
    /// factor.
    pub(super) fn new(entry: impl Fn(u8) -> ([f32; 3], f32)) -> Self {
        Self { entries: std::array::from_fn(|luma| entry(luma as u8)) }
    }

    /// Applies the map to every pixel. Alpha is kept. A gray image of one channel keeps its single channel,
    /// unless the map turns gray into colour.
    pub(super) fn apply(&self, image: Image, scratch: &mut Scratch) -> Image {
        let keeps_gray = self.entries.iter().all(|([r, g, b], _)| r == g && r == b);
        let mut image = if keeps_gray { image } else { promote(image, Channels::Rgb, scratch) };
        match image.channels() {
            Channels::Gray => self.apply_to(image.data_mut(), |&pixel: &[u8; 1]| pixel[0]),
            Channels::Rgb => self.apply_to(image.data_mut(), |&pixel: &[u8; 3]| luma(pixel)),
            Channels::Rgba => self.apply_to(image.data_mut(), |&[r, g, b, _]: &[u8; 4]| luma([r, g, b])),
        }
        image
    }

    /// Applies the map to pixels of `N` bytes. `luma_of` returns the luma of a pixel.
    fn apply_to<const N: usize>(&self, data: &mut [u8], luma_of: impl Fn(&[u8; N]) -> u8) {
        for pixel in data.as_chunks_mut::<N>().0 {
            let (summands, factor) = &self.entries[usize::from(luma_of(pixel))];
            // A fourth byte is alpha. The array of summands ends before alpha.
            for (value, summand) in pixel.iter_mut().zip(summands) {
                *value = (f32::from(*value) * factor + summand + 0.5) as u8;
            }
        }
    }
}
