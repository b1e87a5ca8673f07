//! Effects that look at one pixel at a time: sepia, mono, invert, posterize, duotone.

use super::super::channels::{luma, promote};
use super::super::color_map::{ColorMap, saturate, towards};
use crate::plan::Duotone;
use crate::{Channels, Image, Scratch};

/// Levels left at `posterize` 0 and at 1, and a geometric series between them.
const MOST_LEVELS: f32 = 64.0;
const FEWEST_LEVELS: f32 = 2.0;

/// `sepia()` of the W3C's Filter Effects Module.
pub(super) fn sepia(amount: f32) -> ColorMap {
    let full = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]];
    let mut map = ColorMap::identity();
    map.matrix(towards(full, amount));
    map
}

/// `grayscale()` of the W3C's Filter Effects Module.
pub(super) fn mono(amount: f32) -> ColorMap {
    let mut map = ColorMap::identity();
    map.matrix(saturate(1.0 - amount));
    map
}

/// `invert()` of the W3C's Filter Effects Module.
pub(super) fn invert(amount: f32) -> ColorMap {
    let mut map = ColorMap::identity();
    map.curve(|value| value + (1.0 - 2.0 * value) * amount);
    map
}

/// Equal steps for each channel, from black to white: from 64 of them (0) to two (1).
pub(super) fn posterize(amount: f32) -> ColorMap {
    let n_levels = (MOST_LEVELS * (FEWEST_LEVELS / MOST_LEVELS).powf(amount)).round();
    let mut map = ColorMap::identity();
    // Steps of equal width, so that each takes the same share of the tones.
    map.curve(|value| (value * n_levels).floor().min(n_levels - 1.0) / (n_levels - 1.0));
    map
}

/// Luma (Rec. 709) on the straight line between two colours. The alpha of a colour is the strength of the effect there;
/// the alpha of the picture stays.
pub(super) fn duotone(image: Image, colors: Duotone, scratch: &mut Scratch) -> Image {
    let Duotone { shadows, highlights } = colors;
    let ends = [shadows, highlights].map(|color| [color.r, color.g, color.b, color.a]);
    let line: [[f32; 4]; 256] = std::array::from_fn(|luma| {
        let share = luma as f32 / 255.0;
        std::array::from_fn(|i| f32::from(ends[0][i]) * (1.0 - share) + f32::from(ends[1][i]) * share)
    });
    let mut image = promote(image, Channels::Rgb, scratch);
    if image.channels() == Channels::Rgb {
        tint::<3>(image.data_mut(), &line);
    } else {
        tint::<4>(image.data_mut(), &line);
    }
    image
}

fn tint<const N: usize>(data: &mut [u8], line: &[[f32; 4]; 256]) {
    for pixel in data.as_chunks_mut::<N>().0 {
        let [r, g, b, strength] = line[usize::from(luma([pixel[0], pixel[1], pixel[2]]))];
        let strength = strength / 255.0;
        for (value, tone) in pixel.iter_mut().zip([r, g, b]) {
            let old = f32::from(*value);
            *value = (old + (tone - old) * strength + 0.5) as u8;
        }
    }
}
