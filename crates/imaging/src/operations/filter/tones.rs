//! Effects that change each pixel independently of its neighbours: sepia, mono, invert, posterize, duotone.

use super::super::channels::{luma, promote};
use super::super::color_map::{ColorMap, saturate, towards};
use crate::plan::Duotone;
use crate::{Channels, Image, Scratch};

/// The number of levels per channel: `MAX_LEVELS` for a `posterize` amount of 0, `MIN_LEVELS` for an amount
/// of 1. Between these amounts, the number of levels falls exponentially.
const MAX_LEVELS: f32 = 64.0;
const MIN_LEVELS: f32 = 2.0;

/// The `sepia()` filter of the W3C Filter Effects Module.
pub(super) fn sepia(amount: f32) -> ColorMap {
    let full = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]];
    let mut map = ColorMap::identity();
    map.matrix(towards(full, amount));
    map
}

/// The `grayscale()` filter of the W3C Filter Effects Module.
pub(super) fn mono(amount: f32) -> ColorMap {
    let mut map = ColorMap::identity();
    map.matrix(saturate(1.0 - amount));
    map
}

/// The `invert()` filter of the W3C Filter Effects Module.
pub(super) fn invert(amount: f32) -> ColorMap {
    let mut map = ColorMap::identity();
    map.curve(|value| value + (1.0 - 2.0 * value) * amount);
    map
}

/// Reduces each channel to equally spaced levels from black to white. The number of levels is 64 for an
/// amount of 0, and 2 for an amount of 1.
pub(super) fn posterize(amount: f32) -> ColorMap {
    let n_levels = (MAX_LEVELS * (MIN_LEVELS / MAX_LEVELS).powf(amount)).round();
    let mut map = ColorMap::identity();
    // Each level replaces a range of input values. All ranges have the same width.
    map.curve(|value| (value * n_levels).floor().min(n_levels - 1.0) / (n_levels - 1.0));
    map
}

/// Replaces each colour by a mixture of two colours: black becomes `shadows`, white becomes `highlights`, and
/// between them the mixture is linear in luma (Rec. 709). The alpha of the mixture is the strength of the
/// effect; the alpha of the image is kept.
pub(super) fn duotone(image: Image, colors: Duotone, scratch: &mut Scratch) -> Image {
    let Duotone { shadows, highlights } = colors;
    let ends = [shadows, highlights].map(|color| [color.r, color.g, color.b, color.a]);
    let gradient: [[f32; 4]; 256] = std::array::from_fn(|luma| {
        let share = luma as f32 / 255.0;
        std::array::from_fn(|i| f32::from(ends[0][i]) * (1.0 - share) + f32::from(ends[1][i]) * share)
    });
    let mut image = promote(image, Channels::Rgb, scratch);
    if image.channels() == Channels::Rgb {
        tint::<3>(image.data_mut(), &gradient);
    } else {
        tint::<4>(image.data_mut(), &gradient);
    }
    image
}

fn tint<const N: usize>(data: &mut [u8], gradient: &[[f32; 4]; 256]) {
    for pixel in data.as_chunks_mut::<N>().0 {
        let [r, g, b, strength] = gradient[usize::from(luma([pixel[0], pixel[1], pixel[2]]))];
        let strength = strength / 255.0;
        for (value, tone) in pixel.iter_mut().zip([r, g, b]) {
            let old = f32::from(*value);
            *value = (old + (tone - old) * strength + 0.5) as u8;
        }
    }
}
